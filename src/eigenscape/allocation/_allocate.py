"""From a metric for each layer to a budget for each layer, exact in its total."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.allocation._allocation import Allocation, LayerBudget
from eigenscape.allocation._fill import (
    fill,
    largest_remainder,
    mean_of,
    reach,
    reference_counts,
    weighted_remainder,
)
from eigenscape.allocation._layers import (
    Group,
    group_layers,
    metric_digest,
    raise_all,
    weights_digest,
)
from eigenscape.allocation._read import Metrics, MetricSource, read_metrics
from eigenscape.allocation._request import FULL_BITS, Request, make_request
from eigenscape.allocation._rules import all_equal, handed_out, neutral, real_share, shrink
from eigenscape.checkpoints import CheckpointLike, open_checkpoint
from eigenscape.errors import InputError
from eigenscape.results import Environment

Array = NDArray[np.float64]
Held = NDArray[np.bool_]
_ROUNDING = 1e-12
_TINY = 1e-150


def allocate(
    metric: MetricSource | Callable[[], MetricSource],
    *,
    kind: str = "lr",
    total: float | None = None,
    rule: str | None = None,
    of: str | None = None,
    column: str | None = None,
    group: str | None = None,
    weights: str | None = None,
    floor: float | None = None,
    cap: float | None = None,
    noise_aware: bool | None = None,
    reference: bool = False,
    seed: int = 0,
    checkpoint: CheckpointLike | None = None,
    **settings: Any,
) -> Allocation:
    """Give each layer a budget by its metric: the larger the metric, the larger the budget.

    Bits are the exception: a larger metric, fewer bits.

    Args:
        metric: layer names to numbers, or to fields (``alpha``, ``parameters``, ``block``,
            ``kind``, ``error``, ``tensors``), or a :class:`~eigenscape.spectra.SpectraResult`. Or a
            function that measures one of these: it is called when the options have been checked.
        kind: ``"lr"`` (learning-rate factors), ``"sparsity"``, ``"experts"``, ``"ranks"`` or
            ``"bits"``.
        total: total of the budgets: the mean factor, the sparsity of all parameters, the sum of
            the experts or ranks, the mean bits of a parameter. Groups count once.
        rule: a formula (``linear``, ``sqrt``, ``log2``, ``step``, ``sigmoid``, ``multiplicative``,
            ``additive``, ``power``; of sparsities ``density``, whose metric is what stays, and
            ``given``, whose metric is the budget), the method of a paper (``tb_linear`` ...
            ``tb_sigmoid``, ``alphapruning``, ``alphalora``, ``owl``), or a control (``uniform``,
            ``reversed``, ``shuffled``, ``depth_ramp``). By default the method made for the kind.
        of: the rule whose scores a control assigns to other groups; by default that of the kind.
        column: the field that is the metric; of a SpectraResult ``alpha_excess``, whose error alone
            was found both large enough for layers that are equal and small enough to tell others
            apart (``alpha_hill`` without ``noise_aware``, and for ``log2``); else ``alpha``.
        group: what shares a budget: each ``matrix`` alone, a ``block`` by the mean of its metrics,
            or a ``kind``. By default as the method has it.
        weights: what counts in the total: ``"parameters"`` or, ``"plain"``, each group once.
        floor: the smallest budget (0 for sparsity, 1 for experts and ranks, 2 for bits).
        cap: the largest budget (0.99 for sparsity, 8 for bits).
        noise_aware: narrow the range by the share of the spread that the errors of the metric can
            explain. None does so where every layer has an error, and not with ``reference``.
        reference: as the published code does it: sparsities not held below 1, experts rounded as in
            AlphaLoRA's repository, 1.5 for all layers that are equal under ``tb_linear``.
        seed: of the control ``shuffled``.
        checkpoint: the weights behind the metric; their hash is kept.
        **settings: of the rule: ``s1``, ``s2``, ``s`` (a number, or one for below and one for above
            the mean), ``tau``, ``epsilon``, ``beta``.

    Raises:
        InputError: naming every layer without a metric and every impossible setting; or a total out
            of reach, with the range that can be reached.

    >>> allocate({"a": 2.0, "b": 3.0, "c": 4.0}).layers
    {'a': 0.5, 'b': 1.0, 'c': 1.5}
    """
    request = make_request(
        kind=kind,
        total=total,
        rule=rule,
        of=of,
        group=group,
        weights=weights,
        floor=floor,
        cap=cap,
        reference=reference,
        noise_aware=noise_aware,
        seed=seed,
        settings=settings,
    )
    source = metric() if callable(metric) else metric
    metrics = read_metrics(source, column, exponent=request.exponent)
    groups, notes = group_layers(metrics.layers, request.group)
    work = _Work(request, metrics, groups, [*metrics.notes, *notes])
    budgets, held, reached = work.budgets()
    whole = request.kind.whole
    digest = weights_digest(open_checkpoint(checkpoint)) if checkpoint is not None else ""
    return Allocation(
        environment=Environment.capture(seed=seed if request.control == "shuffled" else None),
        kind=kind,
        metric=metrics.column,
        rule=request.asked,
        settings=request.as_settings(noise_aware=work.share is not None),
        rows=_rows(metrics, groups, budgets, held, whole=whole),
        target=work.target,
        total=reached,
        noise_share=work.share,
        wide=work.wide(),
        parameters_total=metrics.parameters_total,
        source=metrics.source,
        metric_hash=metric_digest(metrics.layers),
        weights_hash=digest,
        notes=tuple(work.notes),
    )


class _Work:
    """One allocation in the making; notes what happens to it."""

    def __init__(
        self, request: Request, metrics: Metrics, groups: list[Group], notes: list[str]
    ) -> None:
        self.request, self.column, self.groups, self.notes = request, metrics.column, groups, notes
        self.names = [group.name for group in groups]
        self.values = np.array([group.value for group in groups])
        self.share: float | None = None
        self.unnarrowed: Array | None = None
        self.target = request.total
        self.weights = self._weights()

    def budgets(self) -> tuple[Array, Held, float]:
        """Return the budgets, which of them a limit holds back, and their total."""
        raw = self._scores()
        self._see_noise()
        if self.share is not None:
            rule = self.request.rule
            narrow = shrink(raw, rule.form, self.share) if self.share else neutral(rule, len(raw))
            self.unnarrowed, raw = raw, narrow
        found = self._shared(self._handed_out(raw))
        if self.request.total is not None:
            self._warn_beyond(found[0])
        return found

    def wide(self) -> tuple[float, float] | None:
        """Return the ends of the budgets as they would be with noise left out of account."""
        if self.unnarrowed is None:
            return None
        try:
            budgets, _, _ = self._shared(self._handed_out(self.unnarrowed))
        except InputError:  # scores of 0 reach less than the narrowed ones
            return None
        low, high = float(budgets.min()), float(budgets.max())
        return (round(low), round(high)) if self.request.kind.whole else (low, high)

    def _shared(self, scores: Array) -> tuple[Array, Held, float]:
        """Share the total by some scores."""
        kind, asked = self.request.kind, self.request.total
        if asked is None:
            return self._without_total(scores)
        if self.request.reference and kind.adds_up:
            counts = reference_counts(scores, int(asked)).astype(float)
            return counts, np.zeros(len(counts), bool), round(counts.sum())
        mean = asked / len(scores) if self._sums else asked
        budgets, held = self._filled(scores, mean)
        if kind.whole:
            budgets = self._whole(budgets, asked)
        reached = round(budgets.sum()) if self._sums else mean_of(budgets, self.weights)
        return budgets, held, reached

    @property
    def _sums(self) -> bool:
        return self.request.kind.adds_up and self.request.weights == "plain"

    def _scores(self) -> Array:
        rule, values = self.request.rule, self.values
        low = [name for name, v in zip(self.names, values, strict=True) if v <= rule.above]
        raise_all(
            [f"{n}: the rule {rule.name} needs {self.column} above {rule.above:g}" for n in low]
        )
        equal = all_equal(values)
        if equal and self.request.reference and rule.name == "linear":
            scores = np.full(len(values), self.request.settings["s2"])
        elif equal:
            scores = neutral(rule, len(values))
        else:
            scores = rule.scores(values, **self.request.settings)
        if not np.isfinite(scores).all() or (rule.form != "shift" and not _steady(scores)):
            raise InputError(f"the rule {rule.name} overflows here. Try: choose smaller settings")
        if equal and len(values) > 1:
            self.notes.append(f"{self.column} is the same everywhere: budgets are equal")
        return scores

    def _handed_out(self, scores: Array) -> Array:
        control, seed = self.request.control, self.request.seed
        return handed_out(scores, self.values, self.names, control, seed) if control else scores

    def _see_noise(self) -> None:
        wanted = self.request.noise_aware
        if wanted is False:
            return
        unknown = [
            f"{group.name}: its {self.column} has no standard error, which noise_aware needs. "
            'Try: give "error" fields, or a SpectraResult and alpha_hill, alpha_excess or alpha_ks'
            for group in self.groups
            if group.error is None
        ]
        if unknown and wanted is None:
            return
        raise_all(unknown)
        errors = np.array([group.error for group in self.groups], dtype=float)
        self.share = real_share(self.values, errors)
        self.notes.append(
            f"the range is narrowed to {self.share:.3g} of its width: the rest of the spread of "
            f"{self.column} can be noise of its estimator"
        )

    def _weights(self) -> Array:
        count = len(self.groups)
        if self.request.weights == "plain":
            return np.ones(count)
        known = [group.parameters for group in self.groups if group.parameters is not None]
        if not known:
            self.notes.append("no parameter counts were given: every group counts alike")
            return np.ones(count)
        raise_all(
            [
                f"{group.name}: parameters are missing for a layer, which the total needs"
                for group in self.groups
                if group.parameters is None
            ]
        )
        return np.array(known, dtype=float)

    def _without_total(self, scores: Array) -> tuple[Array, Held, float]:
        """Learning rates: factors as the rule has them, or around 1 where it only has shares."""
        low, high = self.request.floor, self.request.cap
        if not self.request.rule.fixed:
            self.target = 1.0
            budgets, held = self._filled(scores, 1.0)
        else:
            budgets, held = np.clip(scores, low, high), (scores < low) | (scores > high)
        return budgets, held, mean_of(budgets, self.weights)

    def _filled(self, scores: Array, mean: float) -> tuple[Array, Held]:
        request, whole = self.request, self._whole_share
        low, high = request.floor, self._caps()
        if whole:  # the rule sets the share that is the rest of it
            low, high, mean = (1 - end / whole for end in (request.cap, low, mean))
        additive = request.rule.form == "shift"
        weights = self.weights
        if request.reference and additive:  # OWL's code takes the plain mean over blocks
            weights = np.ones(len(scores))
        ends = reach(scores, weights, additive=additive, floor=low, cap=high)
        if not ends[0] - _ROUNDING <= mean <= ends[1] + _ROUNDING:
            raise self._unreachable(ends)
        budgets, held = fill(scores, weights, mean, additive=additive, floor=low, cap=high)
        return (whole * (1 - budgets) if whole else budgets), held

    @property
    def _whole_share(self) -> float | None:
        """What budget and score share between them: bits kept and saved, zeros and density."""
        if self.request.kind.name == "bits":
            return FULL_BITS
        return 1.0 if self.request.rule.kept else None

    def _caps(self) -> float | Array:
        """The largest budgets: of ranks, no more than a layer's own matrix can have."""
        cap = self.request.cap
        sizes = [group.full_rank for group in self.groups]
        if self.request.kind.name != "ranks" or not any(sizes):
            return cap
        low = self.request.floor
        raise_all(
            [
                f"{group.name}: its full rank {group.full_rank} is below the floor {low:g}"
                for group in self.groups
                if group.full_rank is not None and group.full_rank < low
            ]
        )
        return np.array([cap if size is None else min(cap, size) for size in sizes], dtype=float)

    def _unreachable(self, ends: tuple[float, float]) -> InputError:
        request, count = self.request, len(self.names)
        whole = self._whole_share
        if whole:
            ends = (whole * (1 - ends[1]), whole * (1 - ends[0]))
        low, high = (max(0.0, end) * count for end in ends) if self._sums else ends
        upto = f"from {low:g} to {high:g}" if math.isfinite(high) else f"from {low:g} upwards"
        own = " and the layers' own sizes" if isinstance(self._caps(), np.ndarray) else ""
        return InputError(
            f"{request.kind.name}: a total of {request.total:g} over {count} groups cannot be "
            f"reached; {upto} can, with floor {request.floor:g} and cap {request.cap:g}{own}. "
            "Try: choose a total in that range, or another floor, cap or group"
        )

    def _whole(self, budgets: Array, asked: float) -> Array:
        sign = 1 if self.request.kind.name == "bits" else -1  # a larger metric goes first, or last
        ties = [(sign * v, name) for v, name in zip(self.values, self.names, strict=True)]
        if self._sums:
            return largest_remainder(budgets, int(asked), ties).astype(float)
        weights = self.weights.astype(np.int64)
        return weighted_remainder(budgets, weights, asked, ties).astype(float)

    def _warn_beyond(self, budgets: Array) -> None:
        limit = self.request.kind.limit
        if limit is not None and self.request.reference and budgets.max() > limit:
            count = int((budgets > limit).sum())
            self.notes.append(
                f"{count} of {len(budgets)} groups exceed {limit:g} (at most {budgets.max():.4f}): "
                "this published allocation cannot be carried out; leave out reference=True"
            )
        if self.request.kind.adds_up and budgets.min() < 1:
            count = int((budgets < 1).sum())
            self.notes.append(f"{count} of {len(budgets)} groups have none")


def _steady(scores: Array) -> bool:
    """Tell whether scores can be scaled to each other's size."""
    positive = scores[scores > 0]
    return bool(len(positive) and positive.min() >= _TINY * max(1.0, positive.max()))


def _rows(
    metrics: Metrics, groups: list[Group], budgets: Array, held: Held, *, whole: bool
) -> tuple[LayerBudget, ...]:
    """One row for each layer, in the order of the metric."""
    place = {layer.name: at for at, group in enumerate(groups) for layer in group.members}
    return tuple(
        LayerBudget(
            layer=layer,
            budget=round(budgets[at]) if whole else float(budgets[at]),
            group=groups[at].name,
            clipped=bool(held[at]),
        )
        for layer in metrics.layers
        for at in (place[layer.name],)
    )
