"""The MD tree on populations of its own: small networks on real images, trained for the study."""

from eigenscape_studies import Study
from eigenscape_studies.md_tree_population._claims import CLAIMS, paragraphs
from eigenscape_studies.md_tree_population._numbers import tables
from eigenscape_studies.md_tree_population._pictures import pictures
from eigenscape_studies.md_tree_population._plan import PLANS
from eigenscape_studies.md_tree_population._tasks import cells, collect

STUDY = Study(
    name="md_tree_population",
    title="MD tree: populations grown on small real images",
    paper="Zhou, Chen, Cao, Schürholt and Yang, MD tree: a model-diagnostic tree grown on loss "
    "landscape, ICML 2024 (arXiv 2406.16988)",
    scales=PLANS,
    stages={"cells": cells},
    collect=collect,
    claims=CLAIMS,
    tables=tables,
    paragraphs=paragraphs,
    pictures=pictures,
    intervals="Student's t over repeats, each with images (to train and to test on), networks and "
    "label noise of its own: they cover other images of MNIST, not another data set or another "
    "kind of network.",
)

__all__ = ["STUDY"]
