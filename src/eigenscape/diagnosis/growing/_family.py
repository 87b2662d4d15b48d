"""A family of networks: one recipe, any width, and the data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.diagnosis.measuring._curves import logits_of
from eigenscape.diagnosis.measuring._measure import check_data
from eigenscape.errors import InputError
from eigenscape.models import Objective, build
from eigenscape.results import ContentHash, canonical
from eigenscape.runs import call_user_function, split_reference

Build = Callable[[int], nn.Module]
_PROBED = 8  # samples that the fingerprint sees answers to


@dataclass(frozen=True, eq=False)
class Family:
    """What a population is grown from: networks of any width, and classification data.

    Args:
        build: from a width to a new classifier; weights are drawn with torch's generator.
        train: inputs ``(n, ...)`` and int64 labels ``(n,)``.
        test: held-out inputs and labels; accuracies, and with them all labels, come from it.
        widths: for which ``build`` works, ascending: what the population has.
        learning_rate: the one in use, the middle of the population's temperatures.
        batch_size: the one in use.
        epochs: passes over the data: enough for the lowest temperature to interpolate.
        momentum: of SGD.
        weight_decay: times a weight, is added to its gradient.
        source: ``FILE.py:FUNCTION`` that made this family, so that other processes can make it too.

    Raises:
        InputError: all that is wrong, at once.
    """

    build: Build
    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    widths: tuple[int, ...]
    learning_rate: float = 0.1
    batch_size: int = 64
    epochs: int = 80
    momentum: float = 0.9
    weight_decay: float = 5e-4
    source: str | None = None

    def __post_init__(self) -> None:
        wrong = [] if callable(self.build) else [f"build is a {type(self.build).__name__}"]
        for name in ("train", "test"):
            try:
                object.__setattr__(self, name, check_data(getattr(self, name), name))
            except InputError as error:
                wrong.append(str(error))
        for name in ("learning_rate", "momentum", "weight_decay"):
            value = getattr(self, name)
            known = isinstance(value, int | float) and math.isfinite(value)
            if not known or value < 0 or (name == "learning_rate" and value == 0):
                wrong.append(f"{name} is {value!r}")
        widths = tuple(self.widths)
        if not widths or any(not isinstance(w, int) or w < 1 for w in widths):
            wrong.append(f"widths are {widths}; expected whole numbers of 1 or more")
        if wrong:
            raise InputError("the family of networks cannot be grown: " + "; ".join(wrong))
        object.__setattr__(self, "widths", tuple(sorted(set(widths))))

    def network(self, width: int, seed: int) -> nn.Module:
        """Return a new network, its weights drawn under a seed.

        Raises:
            InputError: ``build`` failed, or returned no module.
        """
        try:
            model = build(lambda: self.build(width), seed)
        except Exception as error:
            raise InputError(
                f"build({width}) failed with {type(error).__name__}: {error}. Mend: correct it, or "
                "leave this width out"
            ) from error
        if not isinstance(model, nn.Module):
            raise InputError(f"build({width}) returned a {type(model).__name__}; expected a module")
        return model

    @property
    def classes(self) -> int:
        """The number of labels: one more than the largest."""
        return int(max(self.train[1].max(), self.test[1].max())) + 1

    @property
    def logits(self) -> int:
        """The number of classes that the networks tell apart.

        Raises:
            InputError: no width can be built and run.
        """
        failed = []
        for width in self.widths:
            try:
                return int(self._answers(width).shape[-1])
            except InputError as error:
                failed.append(str(error))
        raise InputError("no width can be grown: " + "; ".join(failed))

    def _answers(self, width: int) -> Tensor:
        """Return what a new network says to a few samples, ``(n, classes)``."""
        some = self.train[0][:_PROBED], self.train[1][:_PROBED]
        network = Objective(self.network(width, 0), functional.cross_entropy, some, check=False)
        return logits_of(network)[0]

    @property
    def fingerprint(self) -> str:
        """A hash of the data, and of one new network of each width with what it answers."""
        return _fingerprint(self)

    def __reduce__(self) -> Any:
        if self.source is None:
            return super().__reduce__()
        return _again, (self.source, self.fingerprint)  # a worker runs the user's file itself


@canonical.register(Family)
def _canonical(family: Family) -> bytes:
    return b"family:" + family.fingerprint.encode()


@lru_cache(maxsize=4)
def _fingerprint(family: Family) -> str:
    digest = ContentHash()
    digest.add((family.train, family.test))
    for width in family.widths:
        try:
            model = family.network(width, 0).eval()
        except InputError as error:  # grown all the same: the other widths are kept
            digest.add((width, str(error)))
            continue
        state = model.state_dict()
        again = family.network(width, 0).state_dict()
        if not all(torch.equal(tensor, again[name]) for name, tensor in state.items()):
            raise InputError(
                f"build({width}) returns other weights when it is called again under the same "
                "seed, so that nothing could be repeated or resumed. Mend: draw weights with "
                "torch's own generator, without a seed of your own"
            )
        digest.add((repr(model), dict(state)))
        try:
            answers = family._answers(width)
        except InputError as error:
            digest.add(str(error))
            continue
        # rounded: kernels of another machine may differ in the last bits
        digest.add(answers.double().numpy().round(3))
    return digest.hexdigest()


def _again(source: str, fingerprint: str) -> Family:
    """Load a family in another process, and see that it is the same one."""
    family = load_family(source)
    if family.fingerprint != fingerprint:
        raise InputError(
            f"{source} gives another family when it is run again: its data or weights are drawn "
            "anew. Mend: seed what you draw (numpy.random.default_rng(0), random_state=0)"
        )
    return family


@lru_cache(maxsize=4)
def _loaded(path: str, name: str, _changed: int) -> Family:
    found = call_user_function(f"{path}:{name}")
    if not isinstance(found, Family):
        raise InputError(
            f"--probe: {name}() returned a {type(found).__name__}; expected an "
            "eigenscape.diagnosis.Family(build, train, test, widths), where build(width) returns a "
            "new network, and train and test are pairs of tensors (inputs, labels)"
        )
    return replace(found, source=f"{path}:{name}")


def load_family(text: str) -> Family:
    """Run a user's function ``FILE.py:FUNCTION`` that returns a :class:`Family`.

    The file is executed: it is the user's own, and named by the user. Its random numbers start from
    seed 0.

    Raises:
        InputError: no such file or function, an exception inside, or another answer.
    """
    path, name = split_reference(text)
    return _loaded(str(path), name, Path(path).stat().st_mtime_ns)
