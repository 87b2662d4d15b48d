"""Heavy tails without gradient noise: the single-index teacher and its two-layer student."""

from eigenscape_studies._registry import Study
from eigenscape_studies.heavy_tails._pictures import pictures
from eigenscape_studies.heavy_tails._run import TITLE, run

STUDY = Study(
    name="heavy_tails",
    title=TITLE,
    paper="Kothapalli, Pang, Deng, Liu and Yang, From Spikes to Heavy Tails: Unveiling the "
    "Spectral Evolution of Neural Networks, TMLR 2025 (arXiv 2406.04657)",
    run=run,
    pictures=pictures,
    intervals="Student's t over seeds, each with a teacher, a student and data of its own.",
)

__all__ = ["STUDY"]
