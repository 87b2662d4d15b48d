"""The task of a population: a classifier of any width, and its classes."""

from __future__ import annotations

from torch import Tensor

from eigenscape.diagnosis.measuring._measure import check_data
from eigenscape.errors import InputError
from eigenscape.models import Task


def check_task(task: Task) -> Task:
    """Return a task that a population can be trained from.

    Raises:
        InputError: no widths, data other than a classification, or another optimizer than SGD,
            whose learning rate over batch size is the temperature.
    """
    wrong = []
    if not task.widths:
        wrong.append("widths are (); expected widths that make(width) works for. Try: widths=(8,)")
    for name in ("train", "test"):
        try:
            pair_of(task, name)
        except InputError as error:
            wrong.append(str(error))
    if task.recipe.optimizer != "sgd":
        wrong.append(f"the recipe has optimizer={task.recipe.optimizer!r}; expected 'sgd'")
    if wrong:
        raise InputError("no population can be trained from the task: " + "; ".join(wrong))
    return task


def pair_of(task: Task, name: str) -> tuple[Tensor, Tensor]:
    """Return inputs and labels of ``train`` or ``test``.

    Raises:
        InputError: data of another kind.
    """
    return check_data(getattr(task, name).whole(), name)


def classes_of(task: Task) -> int:
    """Return the number of labels: one more than the largest."""
    return int(max(pair_of(task, name)[1].max() for name in ("train", "test"))) + 1


def logits_of(task: Task) -> int:
    """Return the number of classes of the networks.

    Raises:
        InputError: no width can be built and run.
    """
    failed = []
    for width in task.widths:
        try:
            return int(task.answers(width).shape[-1])
        except InputError as error:
            failed.append(str(error))
    raise InputError("no width can be trained: " + "; ".join(failed))
