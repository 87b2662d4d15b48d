"""TempBalance with little data: operators of two equations, and a fine-tuned language model."""

from eigenscape_studies import Study
from eigenscape_studies.tempbalance._claims import CLAIMS
from eigenscape_studies.tempbalance._numbers import tables
from eigenscape_studies.tempbalance._paragraphs import paragraphs
from eigenscape_studies.tempbalance._pictures import pictures
from eigenscape_studies.tempbalance._plan import PLANS
from eigenscape_studies.tempbalance._tasks import collect, curve, pretraining, trainings, tuning

STUDY = Study(
    name="tempbalance",
    title="TempBalance: a learning rate for each layer when data are few",
    paper="Liu, Hu, Pang, Zhou, Ren and Yang, Model Balancing Helps Low-data Training and "
    "Fine-tuning, EMNLP 2024 (arXiv 2410.12178)",
    scales=PLANS,
    stages={
        "pretraining": pretraining,
        "tuning": tuning,
        "trainings": trainings,
        "curve": curve,
    },
    collect=collect,
    claims=CLAIMS,
    tables=tables,
    paragraphs=paragraphs,
    pictures=pictures,
    intervals="Student's t over seeds, of paired differences; of slopes, too: one line for each "
    "seed with every amount. Each interval is at 95 % by itself. A part of a claim holds "
    "where its difference is on its side of zero after Holm over all comparisons of the study; the "
    "words say where only the interval by itself leaves out zero.",
)

__all__ = ["STUDY"]
