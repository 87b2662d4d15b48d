"""What a population and a model must have in common: architecture but for the width, data, loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor, nn

CROSS_ENTROPY = "cross-entropy"
_SKETCH = 128  # examples of which the hash is kept: one in eight of the pool are still 16
_DIRECTIONS = 16  # random sums of an example's numbers whose distribution is kept
_FEWEST = 6  # examples that must be in both sketches' reach before a match counts
_SHARE = 0.9  # of those: the rest may be added or augmented
#: Standard errors of a difference that is no chance: two in a thousand of equal data differ so in
#: one of the 33 comparisons.
_ERRORS = 4.0
#: A difference of means in standard deviations, or of ln standard deviations, that is still small
#: (Cohen 1988): the same kind of data is never exactly the same.
_SMALL = 0.2
_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Of a population or of a model: architecture, inputs, classes, loss, training data.

    Args:
        layers: the kinds of the modules that hold no others, in order.
        shapes: of every trained parameter, in order, as ``"w0 x 64"``: where the networks of a
            population differ, one name for each number that changes with the width.
        inputs: the shape of one example.
        classes: outputs of the network.
        loss: by which it was trained; empty where that is not known.
        examples: how many training examples there are.
        sketch: of those, the 128 smallest hashes; inputs alone, rounded to a thousandth.
        means: the mean of 16 random sums of an example's numbers, over examples.
        deviations: the standard deviation of each.
    """

    layers: tuple[str, ...]
    shapes: tuple[str, ...]
    inputs: tuple[int, ...]
    classes: int
    loss: str
    examples: int
    sketch: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    def architecture_differences(self, model: Fingerprint) -> tuple[str, ...]:
        """Return in what a model is another kind of network than those of this population.

        Args:
            model: the fingerprint of one model, its shapes all numbers.
        """
        found = []
        if self.layers and self.layers != model.layers:
            found.append(f"layers {_listed(self.layers)} there, {_listed(model.layers)} here")
        if self.shapes and not _matches(self.shapes, model.shapes):
            found.append(f"parameters {_listed(self.shapes)} there, {_listed(model.shapes)} here")
        if self.classes != model.classes:
            found.append(f"{self.classes} outputs there, {model.classes} here")
        if self.loss and model.loss and self.loss != model.loss:
            found.append(f"trained by {self.loss} there, by {model.loss} here")
        return tuple(found)

    def data_differences(self, model: Fingerprint) -> tuple[str, ...]:
        """Return in what the model's training data are of another kind; empty if they are alike.

        They are alike if 90 % of the examples that both sketches reach are the population's, or
        else if no random sum is told from the population's: by more than four standard errors and
        by more than .2 standard deviations.
        """
        if self.inputs != model.inputs:
            return (f"examples of shape {_shape(self.inputs)} there, {_shape(model.inputs)} here",)
        found, reached = self.shared_examples(model)
        if reached >= _FEWEST and found >= _SHARE * reached:
            return ()
        one, other = (
            (np.asarray(own.means), np.asarray(own.deviations), own.examples)
            for own in (self, model)
        )
        worst = max(
            _apart(one[0], other[0], one[1], other[1], one[2], other[2]),
            default=(0.0, ""),
        )
        if worst[0] <= 1:
            return ()
        return (
            f"{found} of {reached} of its examples that could be looked up are among the "
            f"population's, and their distribution is another ({worst[1]})",
        )

    def shared_examples(self, model: Fingerprint) -> tuple[int, int]:
        """Return how many of the model's examples are the population's, of how many looked up."""
        whole = self.examples <= len(self.sketch)  # every example is in it
        limit = "g" if whole else max(self.sketch, default="")
        reached = [one for one in model.sketch if one <= limit]
        return len(set(reached) & set(self.sketch)), len(reached)


def fingerprint_of(
    models: Sequence[nn.Module], inputs: Tensor, *, classes: int, loss: str = ""
) -> Fingerprint:
    """Return the fingerprint of networks of several widths, or of one model.

    Args:
        models: one of each width.
        inputs: of the training data, ``(n, ...)``.
        classes: outputs of the networks.
        loss: by which they were trained.

    >>> narrow, wide = nn.Linear(3, 2), nn.Linear(3, 4)
    >>> fingerprint_of([narrow, wide], torch.eye(3), classes=2).shapes
    ('w0 x 3', 'w0')
    """
    kinds = {tuple(_kinds(model)) for model in models}
    sizes = [
        [tuple(parameter.shape) for parameter in model.parameters() if parameter.requires_grad]
        for model in models
    ]
    sums = _sums(inputs)
    return Fingerprint(
        layers=next(iter(kinds)) if len(kinds) == 1 else (),
        shapes=_pattern(sizes),
        inputs=tuple(inputs.shape[1:]),
        classes=classes,
        loss=loss,
        examples=len(inputs),
        sketch=_sketch(inputs),
        means=tuple(sums.mean(axis=0).tolist()),
        deviations=tuple(sums.std(axis=0).tolist()),
    )


def _kinds(model: nn.Module) -> list[str]:
    return [type(part).__name__ for part in model.modules() if not any(part.children())]


def _pattern(sizes: Sequence[Sequence[tuple[int, ...]]]) -> tuple[str, ...]:
    """Return the shapes with a name for each number that varies; none if they cannot be aligned."""
    if len({tuple(len(shape) for shape in network) for network in sizes}) != 1:
        return ()
    names: dict[tuple[int, ...], str] = {}
    found = []
    for shapes in zip(*sizes, strict=True):
        words = []
        for values in zip(*shapes, strict=True):
            fixed = len(set(values)) == 1
            words.append(str(values[0]) if fixed else names.setdefault(values, f"w{len(names)}"))
        found.append(" x ".join(words))
    return tuple(found)


def _matches(pattern: Sequence[str], shapes: Sequence[str]) -> bool:
    """Tell whether numbers fit a pattern, each name standing for one number."""
    if len(pattern) != len(shapes):
        return False
    bound: dict[str, str] = {}
    for one, other in zip(pattern, shapes, strict=True):
        names, numbers = one.split(" x "), other.split(" x ")
        if len(names) != len(numbers):
            return False
        for name, number in zip(names, numbers, strict=True):
            if bound.setdefault(name, number if name.startswith("w") else name) != number:
                return False
    return True


def _flat(inputs: Tensor) -> Tensor:
    """Return ``(n, numbers)``."""
    return inputs.detach().flatten(1) if inputs.ndim > 1 else inputs.detach()[:, None]


def _sketch(inputs: Tensor) -> tuple[str, ...]:
    hashes = set()
    for rows in torch.split(_flat(inputs), _ROWS):
        values = rows.double().numpy(force=True)
        size = np.abs(values).max(axis=1, keepdims=True)
        steps = np.rint(1000 * values / np.where(size > 0, size, 1)).astype(np.int16)
        hashes |= {
            sha256(f"{one:.2g}".encode() + row.tobytes()).hexdigest()[:12]
            for one, row in zip(size[:, 0], steps, strict=True)
        }
    return tuple(sorted(hashes)[:_SKETCH])


def _sums(inputs: Tensor) -> np.ndarray:
    """Return random sums of the numbers of each example, ``(examples, 16)``; the first is plain."""
    values = _flat(inputs)
    width = values.shape[1]
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (width, _DIRECTIONS)) / math.sqrt(width)
    signs[:, 0] = 1 / width
    found = [rows.double().numpy(force=True) @ signs for rows in torch.split(values, _ROWS)]
    return np.concatenate(found)


def _apart(
    mean: np.ndarray,
    other_mean: np.ndarray,
    deviation: np.ndarray,
    other_deviation: np.ndarray,
    count: int,
    other_count: int,
) -> list[tuple[float, str]]:
    """Return, for each sum, how far the two are apart: above 1 they differ."""
    found = []
    for i, (a, b, s, t) in enumerate(
        zip(mean, other_mean, deviation, other_deviation, strict=True)
    ):
        error = math.sqrt(s**2 / count + t**2 / other_count)
        spread = math.sqrt((s**2 + t**2) / 2) or 1.0
        way = min(_ratio(abs(a - b), _ERRORS * error), abs(a - b) / spread / _SMALL)
        words = "the mean of an example" if i == 0 else f"random sum {i}"
        found.append((way, f"{words} is {a:.3g} on average there, {b:.3g} here"))
        if s > 0 and t > 0:
            turn = abs(math.log(s / t))
            error = math.sqrt(0.5 / count + 0.5 / other_count)
            way = min(_ratio(turn, _ERRORS * error), turn / _SMALL)
            found.append((way, f"{words} has standard deviation {s:.3g} there, {t:.3g} here"))
    return found


def _ratio(value: float, unit: float) -> float:
    return value / unit if unit > 0 else math.inf if value > 0 else 0.0


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _listed(words: Sequence[str]) -> str:
    few = ", ".join(words[:6])
    return f"{few} and {len(words) - 6} more" if len(words) > 6 else few or "none"
