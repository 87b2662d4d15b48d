"""Metrics of the layer table: each a function of eigenvalues that returns its own few numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from eigenscape.errors import EigenscapeError, InputError
from eigenscape.layers import LayerMatrix, Spectrum
from eigenscape.registry import Registry
from eigenscape.spectra.metrics._power_law import PowerLawFit

if TYPE_CHECKING:
    from eigenscape.spectra._options import SpectraOptions

#: Eigenvalues that differ by less than this many units of storage precision are equal.
_EQUAL = 100
#: Neighbours closer than this many units are ties, and so are tails whose mean logarithm is less;
#: never more than ``_WIDEST``, and for neighbours only where a unit is at most ``_FINE``.
_TIE, _WIDEST, _FINE = 4, 0.01, 1e-6
#: The eigenvalue solver's own rounding.
_SOLVER = 1e-13


@dataclass(frozen=True)
class MetricContext:
    """What a metric may use beyond the eigenvalues.

    Args:
        layer: whose spectrum it is.
        spectrum: all eigenvalues, those at rounding level too, and the shape that was solved.
        options: of the examination.
        stack: the matrices, (k, rows, cols), before ``layer.scale``.
        numbers: what the metrics before this one found.
        fitted: the fitted power law, where the check of float32 has computed it.
    """

    layer: LayerMatrix
    spectrum: Spectrum
    options: SpectraOptions
    stack: torch.Tensor
    numbers: Mapping[str, Any] = field(default_factory=dict)
    fitted: PowerLawFit | None = None

    @property
    def flat(self) -> bool:
        """Whether the eigenvalues are equal, or most are ties, so that there is no tail."""
        positive, dtype = self.spectrum.positive, self.layer.torch_dtype
        return is_flat(positive, dtype) or is_tied(positive, dtype)

    def is_noise(self, alpha: float) -> bool:
        """Whether an exponent is that of ties: of a tail as wide as rounding makes it."""
        unit = max(_unit(self.layer.torch_dtype), _SOLVER)
        return alpha - 1 > 1 / min(_TIE * unit, _WIDEST)


Function = Callable[[NDArray[np.float64], MetricContext], Mapping[str, Any]]


@dataclass(frozen=True)
class Metric:
    """A registered metric.

    Args:
        function: from eigenvalues and context to numbers by name.
        on_request: only computed where ``SpectraOptions.metrics`` names it.
        few: also computed for layers with too few eigenvalues for an exponent.
        own: of this package: its numbers are fields of the layer table.
    """

    function: Function
    on_request: bool = False
    few: bool = False
    own: bool = False


#: Every metric, in the order in which they are computed. Packages add theirs through the
#: entry-point group ``eigenscape.metrics``.
METRICS: Registry[Metric] = Registry("eigenscape.metrics", "metric")


def metric(
    name: str, order: float = 1000, *, on_request: bool = False, few: bool = False
) -> Callable[[Function], Function]:
    """Register a metric: its numbers become columns of the layer table.

    It gets the eigenvalues above rounding level, ascending, and a :class:`MetricContext`; it
    returns numbers by name, or an empty mapping where it has none for this layer. They appear in
    ``SpectraResult.frame()``, in the JSON file and on the report's page.

    Args:
        name: unique among all metrics.
        order: the smallest is computed first; those of this package have 100 to 600.
        on_request: compute it only where ``SpectraOptions.metrics`` names it.
        few: compute it also for layers with fewer than ``min_eigenvalues`` above rounding level.

    Raises:
        InputError: the name is taken.

    >>> @metric("doctest_gap", on_request=True)
    ... def gap(eigenvalues, context):
    ...     return {"gap": eigenvalues[-1] / eigenvalues[-2]}
    >>> "doctest_gap" in costly_metrics()
    True
    >>> METRICS.remove("doctest_gap")
    """

    def register(function: Function) -> Function:
        METRICS.add(name, order, Metric(function, on_request, few))
        return function

    return register


def own_metric(
    name: str, order: float, *, on_request: bool = False, few: bool = False
) -> Callable[[Function], Function]:
    """Register a metric of this package, whose numbers are fields of the layer table."""

    def register(function: Function) -> Function:
        METRICS.add(name, order, Metric(function, on_request, few, own=True))
        return function

    return register


def costly_metrics() -> tuple[str, ...]:
    """Return the names of the metrics that are computed on request only."""
    return tuple(entry.name for entry in METRICS if entry.value.on_request)


def measure(context: MetricContext, *, few: bool) -> tuple[dict[str, Any], dict[str, int | float]]:
    """Compute every metric that this layer can have, in order.

    Args:
        context: the layer, its spectrum and the options; ``numbers`` is filled in the process.
        few: there are too few eigenvalues for an exponent.

    Returns:
        The numbers of this package's metrics, and those of all others and of the costly ones.

    Raises:
        InputError: a metric returned something that is not a number, or a name that is taken.
    """
    positive = context.spectrum.positive
    fields: dict[str, Any] = {}
    extras: dict[str, int | float] = {}
    for entry in METRICS:
        chosen = entry.value
        if (few and not chosen.few) or (
            chosen.on_request and entry.name not in context.options.metrics
        ):
            continue
        seen = replace(context, numbers={**fields, **extras})
        found = _found(entry.name, _called(entry.name, chosen, positive, seen))
        taken = sorted(found.keys() & seen.numbers.keys())
        if taken:
            raise InputError(
                f"the metric {entry.name!r} returns {', '.join(taken)}, which another metric has. "
                "Try: names of its own"
            )
        if chosen.own and not chosen.on_request:
            fields.update(found)
        else:
            extras.update({key: _number(entry.name, key, value) for key, value in found.items()})
    return fields, extras


def _called(name: str, chosen: Metric, positive: NDArray[np.float64], seen: MetricContext) -> Any:
    """Call a metric; what one from outside raises is said with its name."""
    try:
        return chosen.function(positive, seen)
    except Exception as error:
        if chosen.own or isinstance(error, EigenscapeError):
            raise
        raise InputError(
            f"the metric {name!r} failed on the layer {seen.layer.name!r} with "
            f"{type(error).__name__}: {error}"
        ) from error


def _found(metric_name: str, answer: Any) -> dict[str, Any]:
    if not isinstance(answer, Mapping):
        raise InputError(
            f"the metric {metric_name!r} returned {answer!r}; expected numbers by name. "
            f"Try: return {{{metric_name!r}: ...}}"
        )
    return dict(answer)


def is_flat(values: NDArray[np.float64], dtype: torch.dtype) -> bool:
    """Tell whether ascending positive values are all equal, to the precision of a storage type.

    >>> is_flat(np.array([1.0, 1.0 + 1e-9]), torch.float32)
    True
    """
    return bool(values[-1] / values[0] - 1 < _EQUAL * _unit(dtype))


def is_tied(values: NDArray[np.float64], dtype: torch.dtype) -> bool:
    """Tell whether most of ascending positive values are equal to the next, up to rounding.

    Storage types of 16 bits and less cannot tell: there close values are no ties.

    >>> is_tied(np.array([1.0, 1.0, 1.0, 2.0]), torch.float32)
    True
    """
    unit = max(_unit(dtype), _SOLVER)
    if unit > _FINE or len(values) < 2:
        return False
    return bool((np.diff(values) <= _TIE * unit * values[1:]).mean() > 0.5)


def _unit(dtype: torch.dtype) -> float:
    exact = not (dtype.is_floating_point or dtype.is_complex)
    return float(torch.finfo(torch.float64 if exact else dtype).eps)


def _number(metric_name: str, name: str, value: Any) -> int | float:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise InputError(
            f"the metric {metric_name!r} returned {name}={value!r}; expected a number. "
            "Try: float(...), or math.nan where there is none"
        )
    return plain


def has_exponent(context: MetricContext) -> bool:
    """Tell whether a power law was fitted, which the costly metrics need."""
    return math.isfinite(context.numbers.get("alpha_ks", math.nan))
