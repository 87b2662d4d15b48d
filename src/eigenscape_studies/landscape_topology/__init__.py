"""Loss landscapes seen through merge trees, persistence and Hessians."""

from eigenscape_studies._registry import Study
from eigenscape_studies.landscape_topology._pictures import pictures
from eigenscape_studies.landscape_topology._run import TITLE, run

STUDY = Study(
    name="landscape_topology",
    title=TITLE,
    paper="Xie, Geniesse, Chen, Yang, Morozov, Mahoney, Maciejewski and Weber, Evaluating Loss "
    "Landscapes from a Topology Perspective, SciForDL workshop at NeurIPS 2024 (arXiv 2411.09807)",
    run=run,
    pictures=pictures,
    scales=("small", "full"),
    intervals="Student's t over seeds (means), bootstrap over networks (rank correlations).",
)

__all__ = ["STUDY"]
