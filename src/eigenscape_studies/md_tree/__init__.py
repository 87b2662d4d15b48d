"""The MD tree on its published tables: the paper's figures, and the controls beside them."""

from eigenscape_studies._registry import Study
from eigenscape_studies.md_tree._pictures import pictures
from eigenscape_studies.md_tree._run import TITLE, run

STUDY = Study(
    name="md_tree",
    title=TITLE,
    paper="Zhou, Chen, Cao, Schürholt and Yang, MD tree: a model-diagnostic tree grown on loss "
    "landscape, ICML 2024 (arXiv 2406.16988)",
    run=run,
    pictures=pictures,
    scales=("small", "full"),
    intervals="Student's t over draws of the training configurations, where there are several.",
)

__all__ = ["STUDY"]
