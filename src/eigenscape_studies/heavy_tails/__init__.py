"""Heavy tails without gradient noise: the single-index teacher and its two-layer student."""

from eigenscape_studies import Study
from eigenscape_studies.heavy_tails._claims import CLAIMS, paragraphs
from eigenscape_studies.heavy_tails._numbers import tables
from eigenscape_studies.heavy_tails._pictures import pictures
from eigenscape_studies.heavy_tails._plan import PLANS
from eigenscape_studies.heavy_tails._tasks import collect, extras, trainings

STUDY = Study(
    name="heavy_tails",
    title="Heavy tails without gradient noise",
    paper="Kothapalli, Pang, Deng, Liu and Yang, From Spikes to Heavy Tails: Unveiling the "
    "Spectral Evolution of Neural Networks, TMLR 2025 (arXiv 2406.04657)",
    scales=PLANS,
    stages={"experiments": trainings, "extras": extras},
    collect=collect,
    claims=CLAIMS,
    tables=tables,
    paragraphs=paragraphs,
    pictures=pictures,
    intervals="Student's t over seeds, each with a teacher, a student and data of its own.",
)

__all__ = ["STUDY"]
