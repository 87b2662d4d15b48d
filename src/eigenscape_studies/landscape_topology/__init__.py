"""Loss landscapes seen through merge trees, persistence and Hessians."""

from eigenscape_studies import Study
from eigenscape_studies.landscape_topology._claims import CLAIMS, paragraphs
from eigenscape_studies.landscape_topology._numbers import tables
from eigenscape_studies.landscape_topology._pictures import pictures
from eigenscape_studies.landscape_topology._plan import PLANS
from eigenscape_studies.landscape_topology._tasks import collect, tasks

STUDY = Study(
    name="landscape_topology",
    title="Loss landscapes from a topology perspective",
    paper="Xie, Geniesse, Chen, Yang, Morozov, Mahoney, Maciejewski and Weber, Evaluating Loss "
    "Landscapes from a Topology Perspective, SciForDL workshop at NeurIPS 2024 (arXiv 2411.09807)",
    scales=PLANS,
    stages={"networks": tasks},
    collect=collect,
    claims=CLAIMS,
    tables=tables,
    paragraphs=paragraphs,
    pictures=pictures,
    intervals="Student's t over seeds (means), bootstrap over networks (rank correlations); each "
    "at 95 % by itself, verdicts after Holm over all comparisons. Seeds are of initial weights, "
    "batches and directions: all classifiers share one set of digits, and what another set would "
    "give no interval tells.",
)

__all__ = ["STUDY"]
