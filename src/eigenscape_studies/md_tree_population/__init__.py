"""The MD tree on populations of its own: small networks on real images, grown on the spot."""

from eigenscape_studies._registry import Study
from eigenscape_studies.md_tree_population._pictures import pictures
from eigenscape_studies.md_tree_population._run import TITLE, run

STUDY = Study(
    name="md_tree_population",
    title=TITLE,
    paper="Zhou, Chen, Cao, Schürholt and Yang, MD tree: a model-diagnostic tree grown on loss "
    "landscape, ICML 2024 (arXiv 2406.16988)",
    run=run,
    pictures=pictures,
    scales=("small", "full"),
    intervals="Student's t over repeats, each with data, networks and label noise of its own.",
)

__all__ = ["STUDY"]
