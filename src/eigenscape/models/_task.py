"""The task: what is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import InputError
from eigenscape.models._callback import Callback
from eigenscape.models._data import Data
from eigenscape.models._fit import fit
from eigenscape.models._fit_loss import FitLoss, forward_of
from eigenscape.models._fit_state import Fit
from eigenscape.models._modes import evaluating
from eigenscape.models._nested import taken, tensors_of
from eigenscape.models._probe import load_probe
from eigenscape.models._random import build
from eigenscape.models._recipe import Recipe
from eigenscape.results import ContentHash, canonical

_ASKED = 8  # examples that the fingerprint sees answers to


@dataclass(frozen=True, eq=False)
class Task:
    """What is trained: a new model from a seed, a loss, data, and a recipe.

    It is what a user's function returns wherever something is trained; see :func:`load_probe`.

    Args:
        make: returns a new model, its weights drawn with torch's generator: ``make()``, or
            ``make(width)`` where there are ``widths``.
        train: what it is trained on; :class:`Data`, or anything that :class:`Data` takes.
        test: held-out data of the same kind.
        recipe: how it is trained.
        loss: see :func:`fit`; the cross-entropy by default.
        widths: for which ``make`` works; empty for a model of one size.
        source: ``FILE.py:FUNCTION`` that made this task, so that other processes can build it too.

    Raises:
        InputError: all that is wrong, at once.

    >>> eye = torch.eye(3), torch.arange(3)
    >>> task = Task(lambda: nn.Linear(3, 3), eye, eye,
    ...             Recipe(epochs=50, batch_size=3, learning_rate=1.0))
    >>> done = task.fit(seed=1)
    >>> done.model(eye[0]).argmax(dim=1)
    tensor([0, 1, 2])
    """

    make: Callable[..., nn.Module]
    train: Any  # Data, once it is made
    test: Any
    recipe: Recipe
    loss: FitLoss = functional.cross_entropy
    widths: Sequence[int] = ()
    source: str | None = None

    def __post_init__(self) -> None:
        wrong = [] if callable(self.make) else [f"make is a {type(self.make).__name__}"]
        for name in ("train", "test"):
            try:
                object.__setattr__(self, name, Data.of(getattr(self, name)))
            except InputError as error:
                wrong.append(f"{name}: {error}")
        wrong += [
            f"{name} is a {type(value).__name__}; expected {what}"
            for name, value, what, fits in (
                ("recipe", self.recipe, "a Recipe", isinstance(self.recipe, Recipe)),
                ("loss", self.loss, "loss(outputs, targets)", callable(self.loss)),
            )
            if not fits
        ]
        widths = tuple(self.widths)
        if any(not isinstance(width, int) or width < 1 for width in widths):
            wrong.append(f"widths are {widths}; expected whole numbers of 1 or more")
        if wrong:
            raise InputError("the task cannot be trained: " + "; ".join(wrong))
        object.__setattr__(self, "widths", tuple(sorted(set(widths))))

    def build(self, seed: int = 0, width: int | None = None) -> nn.Module:
        """Return a new model, its weights drawn under a seed.

        Args:
            seed: of the initial weights.
            width: one for which ``make`` works, where it takes one.

        Raises:
            InputError: ``make`` failed, or did not return a module.
        """
        call = "make()" if width is None else f"make({width})"
        try:
            model = build(self.make if width is None else lambda: self.make(width), seed)
        except Exception as error:
            raise InputError(
                f"{call} failed with {type(error).__name__}: {error}. Try: correct it"
                + ("" if width is None else ", or leave this width out")
            ) from error
        if not isinstance(model, nn.Module):
            raise InputError(f"{call} returned a {type(model).__name__}; expected a module")
        return model

    def fit(
        self, seed: int = 0, width: int | None = None, *, callbacks: Sequence[Callback] = ()
    ) -> Fit:
        """Build a model and train it by the recipe.

        Args:
            seed: of the initial weights, of shuffling and of dropout.
            width: as for :meth:`build`.
            callbacks: called during the training.
        """
        model, options = self.build(seed, width), self.recipe.options()
        if not self.train.divisible:  # cut into batches already
            del options["batch_size"]
        return fit(model, self.loss, self.train, seed=seed, callbacks=callbacks, **options)

    def answers(self, width: int | None = None) -> Tensor:
        """Return the outputs of a new model of seed 0 for a few training examples.

        Raises:
            InputError: the model cannot be built or run, or its outputs hold no tensor.
        """
        model = self.build(0, width)
        batch, _ = next(iter(self.train))
        count = min(_ASKED, next(len(tensor) for tensor in tensors_of(batch) if tensor.ndim))
        try:
            with torch.no_grad(), evaluating(model):
                outputs, _ = forward_of(model, taken(batch, torch.arange(count)))
        except Exception as error:
            said = " ".join(str(error).split())[:300]
            raise InputError(
                f"{type(model).__name__} failed on a batch with {type(error).__name__}: {said}. "
                "Try: check that model(inputs) runs on such inputs"
            ) from error
        found = next(tensors_of(getattr(outputs, "logits", outputs)), None)
        if found is None:
            raise InputError(f"{type(model).__name__} returned no tensor")
        return found

    @property
    def fingerprint(self) -> str:
        """A hash of the data, and of one new model of each width with its outputs.

        Raises:
            InputError: a model whose weights differ when it is built again.
        """
        return _fingerprint(self)

    def from_source(self, source: str) -> Task:
        """Return the same task with its source.

        Args:
            source: ``FILE.py:FUNCTION``, with a full path.
        """
        return replace(self, source=source)

    def __reduce__(self) -> Any:
        if self.source is None:
            return super().__reduce__()
        return _again, (self.source, self.fingerprint)  # a worker runs the user's file itself


@canonical.register(Task)
def _canonical(task: Task) -> bytes:
    return b"task:" + task.fingerprint.encode()


@lru_cache(maxsize=4)
def _fingerprint(task: Task) -> str:
    digest = ContentHash()
    digest.add((task.train.hash, task.test.hash, repr(task.recipe)))
    for width in task.widths or (None,):
        try:
            model = task.build(0, width).eval()
        except InputError as error:  # the other widths can be trained all the same
            digest.add((width, str(error)))
            continue
        state = model.state_dict()
        again = task.build(0, width).state_dict()
        if not all(torch.equal(tensor, again[name]) for name, tensor in state.items()):
            raise InputError(
                f"make{'()' if width is None else f'({width})'} returns other weights when it is "
                "called again under the same seed, so that nothing could be repeated or resumed. "
                "Try: draw weights with torch's own generator, without a seed of your own"
            )
        digest.add((width, repr(model), dict(state)))
        try:
            answers = task.answers(width)
        except InputError as error:
            digest.add(str(error))
            continue
        # rounded: kernels of another machine may differ in the last bits
        digest.add(answers.double().numpy(force=True).round(3))
    return digest.hexdigest()


def _again(source: str, fingerprint: str) -> Task:
    """Make a task in another process, and see that it is the same one.

    Raises:
        InputError: it is another one.
    """
    task = _loaded(source, Path(source.rpartition(":")[0]).stat().st_mtime_ns)
    if task.fingerprint != fingerprint:
        raise InputError(
            f"{source} gives another task when it is run again: its data or weights are drawn "
            "anew. Try: seed what you draw (numpy.random.default_rng(0), random_state=0)"
        )
    return task


@lru_cache(maxsize=4)
def _loaded(source: str, _changed: int) -> Task:
    found: Task = load_probe(source, expected=Task)
    return found
