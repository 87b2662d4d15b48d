"""Loss functions drawn as topological landscape profiles, in two, three and four dimensions."""

from eigenscape_studies import Study
from eigenscape_studies.landscape_profiles._claims import CLAIMS, paragraphs
from eigenscape_studies.landscape_profiles._numbers import tables
from eigenscape_studies.landscape_profiles._pictures import pictures
from eigenscape_studies.landscape_profiles._plan import PLANS
from eigenscape_studies.landscape_profiles._tasks import collect, tasks

STUDY = Study(
    name="landscape_profiles",
    title="Loss functions as topological landscape profiles",
    paper="Geniesse, Chen, Xie, Shi, Yang, Morozov, Perciano, Mahoney, Maciejewski and Weber, "
    "Visualizing Loss Functions as Topological Landscape Profiles, NeurReps workshop at NeurIPS "
    "2024 (arXiv 2411.12136)",
    scales=PLANS,
    stages={"networks": tasks},
    collect=collect,
    claims=CLAIMS,
    tables=tables,
    paragraphs=paragraphs,
    pictures=pictures,
    intervals="Student's t over seeds (means), bootstrap over networks (rank correlations); each "
    "at 95 % by itself, verdicts after Holm over the comparisons of a claim. Seeds are of initial "
    "weights, batches and directions: all U-Nets share one set of pictures, and what another set "
    "would give no interval tells.",
)

__all__ = ["STUDY"]
