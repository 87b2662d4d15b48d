"""Networks trained wrongly on purpose, diagnosed, and treated as advised."""

from eigenscape_studies._registry import Study
from eigenscape_studies.planted_faults._pictures import pictures
from eigenscape_studies.planted_faults._run import TITLE, run

STUDY = Study(
    name="planted_faults",
    title=TITLE,
    paper="Zhou, Chen, Cao, Schürholt and Yang, MD tree: a model-diagnostic tree grown on loss "
    "landscape, ICML 2024 (arXiv 2406.16988); the test is ours",
    run=run,
    pictures=pictures,
    scales=("small",),
    intervals="None here: every figure is the mean of three networks.",
)

__all__ = ["STUDY"]
