"""Networks trained wrongly on purpose, diagnosed, and treated as advised."""

from eigenscape_studies import Study
from eigenscape_studies.planted_faults._claims import CLAIMS, paragraphs
from eigenscape_studies.planted_faults._pictures import pictures
from eigenscape_studies.planted_faults._plan import PLANS
from eigenscape_studies.planted_faults._tasks import collect, followed, grown, planted

STUDY = Study(
    name="planted_faults",
    title="Planted faults: truth, diagnosis, and the gain of the advice",
    paper="Zhou, Chen, Cao, Schürholt and Yang, MD tree: a model-diagnostic tree grown on loss "
    "landscape, ICML 2024 (arXiv 2406.16988); the test is ours",
    scales=PLANS,
    stages={"grown": grown, "planted": planted, "followed": followed},
    collect=collect,
    claims=CLAIMS,
    tables=lambda numbers: {"faults": numbers.table},
    paragraphs=paragraphs,
    pictures=pictures,
    intervals="Shares: Wilson's, over pairs, three of which are one network from other seeds, so "
    "that they are too short. Gains: Student's t over networks, or over the pairs of one network.",
)

__all__ = ["STUDY"]
