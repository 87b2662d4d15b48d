"""Loss functions drawn as topological landscape profiles, in two, three and four dimensions."""

from eigenscape_studies._registry import Study
from eigenscape_studies.landscape_profiles._pictures import pictures
from eigenscape_studies.landscape_profiles._run import TITLE, run

STUDY = Study(
    name="landscape_profiles",
    title=TITLE,
    paper="Geniesse, Chen, Xie, Shi, Yang, Morozov, Perciano, Mahoney, Maciejewski and Weber, "
    "Visualizing Loss Functions as Topological Landscape Profiles, NeurReps workshop at NeurIPS "
    "2024 (arXiv 2411.12136)",
    run=run,
    pictures=pictures,
    scales=("small", "full"),
    intervals="Student's t over seeds (means), bootstrap over networks (rank correlations).",
)

__all__ = ["STUDY"]
