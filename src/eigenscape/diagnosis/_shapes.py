"""The fixed trees, as data: the metric of each comparison, and its box."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError


@dataclass(frozen=True)
class Leaf:
    """An answer.

    Args:
        label: the answer.
        words: a description of such a model.
    """

    label: str
    words: str


@dataclass(frozen=True)
class Split:
    """A comparison: a metric at or below its threshold goes ``below``.

    Args:
        index: which of the tree's thresholds.
        below: where a metric at or below the threshold goes.
        above: where the others go.
    """

    index: int
    below: Node
    above: Node


Node = Leaf | Split


@dataclass(frozen=True)
class TreeShape:
    """A tree without its thresholds.

    Args:
        question: what it answers.
        variant: which of the question's trees.
        features: the metric of each threshold.
        start: where the paper's search starts.
        box: the interval of each threshold.
        root: the first comparison.
    """

    question: str
    variant: str
    features: tuple[str, ...]
    start: tuple[float, ...]
    box: tuple[tuple[float, float], ...]
    root: Split

    @property
    def centre(self) -> tuple[float, ...]:
        """The middle of the box: thresholds without data.

        >>> get_shape("temperature").centre
        (0.5, -15.0, 6.5)
        """
        return tuple((low + high) / 2 for low, high in self.box)

    def within(self, values: NDArray[np.float64]) -> TreeShape:
        """Return the same tree with the box that a population's metrics span.

        Args:
            values: (configurations, comparisons).
        """
        box = tuple((float(column.min()), float(column.max())) for column in values.T)
        start = tuple(float(np.median(column)) for column in values.T)
        return replace(self, box=box, start=start)

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The answers, from the lowest branch to the highest."""
        return _leaves(self.root)


def _leaves(node: Node) -> tuple[Leaf, ...]:
    if isinstance(node, Leaf):
        return (node,)
    return _leaves(node.below) + _leaves(node.above)


_ERROR, _PEAK, _TRACE = "train_error", "mode_connectivity_peak", "hessian_t"
_BOXES = {
    _ERROR: (0.0, 1.0),
    _PEAK: (-30.0, 0.0),
    "mode_connectivity": (-30.0, 0.0),
    _TRACE: (4.0, 9.0),
    "CKA": (0.2, 0.8),
}
_STARTS = {_ERROR: 0.5, _PEAK: -10.0, "mode_connectivity": -10.0, _TRACE: 7.0, "CKA": 0.5}


def _shape(question: str, variant: str, features: tuple[str, ...], root: Split) -> TreeShape:
    return TreeShape(
        question,
        variant,
        features,
        tuple(_STARTS[name] for name in features),
        tuple(_BOXES[name] for name in features),
        root,
    )


def _temperature(last: Split) -> Split:
    well = Leaf("large", "not interpolating, well connected")
    return Split(0, Leaf("small", "interpolating"), Split(1, last, well))


_BY_TRACE = Split(
    2,
    Leaf("large", "not interpolating, poorly connected, flat"),
    Leaf("small", "not interpolating, poorly connected, sharp"),
)
_BY_CKA = Split(
    2,
    Leaf("small", "not interpolating, poorly connected, dissimilar"),
    Leaf("large", "not interpolating, poorly connected, similar"),
)
_ONE = Split(
    0,
    Leaf("small", "interpolating"),
    Split(1, Leaf("large", "not interpolating, flat"), Leaf("small", "not interpolating, sharp")),
)
_WIDTH = Split(
    0,
    Split(
        1,
        Leaf("width", "interpolating, poorly connected"),
        Leaf("temperature", "interpolating, well connected"),
    ),
    Split(
        2,
        Leaf("width", "not interpolating, poorly connected"),
        Leaf("temperature", "not interpolating, well connected"),
    ),
)
_DATA = Split(
    0,
    Split(
        1,
        Split(
            4,
            Leaf("data", "interpolating, poorly connected, flat"),
            Leaf("temperature", "interpolating, poorly connected, sharp"),
        ),
        Split(
            2,
            Leaf("data", "interpolating, well connected, flat"),
            Leaf("temperature", "interpolating, well connected, sharp"),
        ),
    ),
    Split(
        3,
        Leaf("temperature", "not interpolating, poorly connected"),
        Split(
            5,
            Leaf("data", "not interpolating, well connected, flat"),
            Leaf("temperature", "not interpolating, well connected, sharp"),
        ),
    ),
)

#: The trees by question and variant. Structure, starting values and boxes of ``peak`` and ``cka``
#: are those of Zhou et al. (ICML 2024) and their code. ``barrier`` puts the connectivity of Yang et
#: al. (NeurIPS 2021) in the place of the peak; ``one-checkpoint`` needs no second model.
SHAPES: dict[tuple[str, str], TreeShape] = {
    (shape.question, shape.variant): shape
    for shape in (
        _shape("temperature", "peak", (_ERROR, _PEAK, _TRACE), _temperature(_BY_TRACE)),
        _shape("temperature", "cka", (_ERROR, _PEAK, "CKA"), _temperature(_BY_CKA)),
        _shape(
            "temperature",
            "barrier",
            (_ERROR, "mode_connectivity", _TRACE),
            _temperature(_BY_TRACE),
        ),
        _shape("temperature", "one-checkpoint", (_ERROR, _TRACE), _ONE),
        _shape("width", "peak", (_ERROR, _PEAK, _PEAK), _WIDTH),
        _shape("data", "peak", (_ERROR, _PEAK, _TRACE, _PEAK, _TRACE, _TRACE), _DATA),
    )
}


def get_shape(question: str, variant: str = "peak") -> TreeShape:
    """Return a fixed tree.

    Raises:
        InputError: an unknown question, or a variant that it does not have.
    """
    shape = SHAPES.get((question, variant))
    if shape is None:
        known = ", ".join(f"{one}/{other}" for one, other in SHAPES)
        raise InputError(
            f"no tree for question {question!r}, variant {variant!r}; expected one of {known}"
        )
    return shape
