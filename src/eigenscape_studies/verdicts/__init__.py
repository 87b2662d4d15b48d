"""What the weights of networks whose state was measured say of it, and how often that is true."""

from eigenscape_studies import Study
from eigenscape_studies.verdicts._claims import CLAIMS
from eigenscape_studies.verdicts._numbers import collect
from eigenscape_studies.verdicts._paragraphs import paragraphs, tables
from eigenscape_studies.verdicts._pictures import pictures
from eigenscape_studies.verdicts._plan import PLANS
from eigenscape_studies.verdicts._tasks import real_models, spectra, trainings

STUDY = Study(
    name="verdicts",
    title="Verdicts: what weights alone say about a network's state, and how often it is true",
    paper="None: the validation of this package's own diagnoses",
    scales=PLANS,
    stages={"networks": trainings, "spectra": spectra, "real models": real_models},
    collect=collect,
    claims=CLAIMS,
    tables=tables,
    paragraphs=paragraphs,
    pictures=pictures,
    intervals="Wilson's for shares, over networks. Networks of one family share data and "
    "architecture, and those of one regime the way in which they were trained, so they are fewer "
    "independent cases than they count.",
)

__all__ = ["STUDY"]
