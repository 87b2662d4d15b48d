"""TempBalance with little data: operators of two equations, and a fine-tuned language model."""

from eigenscape_studies._registry import Study
from eigenscape_studies.tempbalance._pictures import pictures
from eigenscape_studies.tempbalance._run import TITLE, run

STUDY = Study(
    name="tempbalance",
    title=TITLE,
    paper="Liu, Hu, Pang, Zhou, Ren and Yang, Model Balancing Helps Low-data Training and "
    "Fine-tuning, EMNLP 2024 (arXiv 2410.12178)",
    run=run,
    pictures=pictures,
    scales=("small", "full"),
    intervals="Student's t over seeds, of paired differences; of slopes, Student's t of ordinary "
    "least squares over all runs. A claim holds where its interval lies on its side of zero; "
    "where it has zero in it, the claim fails as it does where the interval lies on the other "
    "side, and the words say which.",
)

__all__ = ["STUDY"]
