"""The verdict on a layer's spectrum, and its confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eigenscape.spectra._layer import LayerSpectrum

#: The range of the fitted exponent in well-trained layers (Martin and Mahoney 2021). It was found
#: for the KS fit on large pretrained models; it must never be applied to PL_Alpha_Hill.
HEALTHY_ALPHA = (2.0, 6.0)
#: Every label, most severe first.
LABELS = (
    "not-finite",
    "all-zero",
    "rank-collapsed",
    "random-like",
    "over-trained",
    "under-trained",
    "borderline",
    "no-fit",
    "heavy-tailed",
)
_MANY = 100
#: Eigenvalues from which the range deserves more than low confidence: the width of the smallest
#: layers of the models that it was found on. Good MLPs of width 256 leave it (BENCHMARKS.md).
_CALIBRATED = 512
_COLLAPSED = 0.5
_CALIBRATION = (
    "the layer is small or fine-tuned: the range 2 to 6 was found on large pretrained models, and "
    "elsewhere alpha can leave it while accuracy is good, and the reverse"
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One layer's state, with the evidence for it.

    Args:
        label: ``not-finite``, ``all-zero``, ``rank-collapsed``, ``random-like``, ``under-trained``,
            ``over-trained``, ``heavy-tailed``, ``borderline`` or ``no-fit``.
        rule: the rule that gave the label.
        evidence: the numbers that met the rule.
        confidence: ``high``, ``moderate`` or ``low``.
        counter_indication: what would make the label wrong, to be read after "if".
        next_action: what to look at or change.
    """

    label: str
    rule: str
    evidence: str
    confidence: str
    counter_indication: str
    next_action: str


def judge(layer: LayerSpectrum) -> Verdict:
    """Return the first rule that the layer meets; the order is from certain to uncertain."""
    for rule in (_rank_collapsed, _random_like, _no_fit, _by_exponent):
        verdict = rule(layer)
        if verdict is not None:
            return verdict
    return _borderline(layer)


def not_finite(count: int, total: int) -> Verdict:
    """Return the verdict on a layer with NaN or infinite weights."""
    return Verdict(
        label="not-finite",
        rule="any weight is NaN or infinite",
        evidence=f"{count} of {total} weights are NaN or infinite",
        confidence="high",
        counter_indication="nothing: such a layer cannot be used",
        next_action="go back to the last finite checkpoint; look for an overflow in low precision, "
        "or a learning rate at which the loss diverged",
    )


def all_zero() -> Verdict:
    """Return the verdict on a layer without a single non-zero weight."""
    return Verdict(
        label="all-zero",
        rule="every weight is zero",
        evidence="the largest eigenvalue is 0",
        confidence="high",
        counter_indication="the layer is an update that starts at zero (LoRA's B), not yet trained",
        next_action="check that the layer was trained and saved; a pruned layer can be removed",
    )


def _rank_collapsed(layer: LayerSpectrum) -> Verdict | None:
    if layer.rank is None or layer.rank >= _COLLAPSED * layer.n_eigenvalues:
        return None
    if layer.kind == "lora_update":  # of low rank by design
        return None
    return Verdict(
        label="rank-collapsed",
        rule=f"numerical rank below {_COLLAPSED:.0%} of the full rank, at storage precision",
        evidence=f"rank {layer.rank} of {layer.n_eigenvalues}",
        confidence="high",
        counter_indication="the layer is of low rank on purpose, or pruned by rows or columns",
        next_action="look for dead units before the layer; if none, store it as two thin factors",
    )


def _random_like(layer: LayerSpectrum) -> Verdict | None:
    inside = layer.alpha_null_low <= layer.alpha_hill <= layer.alpha_null_high
    if not inside or layer.spikes:
        return None
    return Verdict(
        label="random-like",
        rule="PL_Alpha_Hill inside the 99 % band of random matrices of this shape, and no spike",
        evidence=f"alpha_hill {layer.alpha_hill:.3f} in [{layer.alpha_null_low:.3f}, "
        f"{layer.alpha_null_high:.3f}], 0 spikes",
        confidence="high" if layer.n_eigenvalues >= _MANY else "moderate",
        counter_indication="the layer only rotated its random weights, or learned below the noise, "
        "neither of which shows in a spectrum",
        next_action="check that the layer is trained at all (frozen? gradients? learning rate?); "
        "if it is, train longer or with a larger learning rate",
    )


def _no_fit(layer: LayerSpectrum) -> Verdict | None:
    update = layer.kind == "lora_update"
    if math.isfinite(layer.alpha_ks) and layer.fit == "ks" and not update:
        return None
    if update:
        why = "a product of two thin factors; neither the range nor the random law is known for it"
        return Verdict(
            label="no-fit",
            rule="the labels are for whole weights, not for low-rank updates",
            evidence=why,
            confidence="low",
            counter_indication="nothing",
            next_action="judge the merged matrix; compare updates with each other",
        )
    why = "no fit" if not math.isfinite(layer.alpha_ks) else f"the fit is {layer.fit!r}, not 'ks'"
    return Verdict(
        label="no-fit",
        rule="the labels need the KS-optimal exponent",
        evidence=why,
        confidence="low",
        counter_indication="nothing",
        next_action="compare alpha_excess between layers instead",
    )


def _by_exponent(layer: LayerSpectrum) -> Verdict | None:
    low, high = layer.alpha_ks - 2 * layer.sigma, layer.alpha_ks + 2 * layer.sigma
    floor, ceiling = HEALTHY_ALPHA
    evidence = (
        f"alpha_ks {layer.alpha_ks:.2f} [{low:.2f}, {high:.2f}], {layer.tail_size} in the tail, "
        f"D {layer.ks_distance:.3f}"
    )
    enough = layer.n_eigenvalues >= _CALIBRATED and layer.tail_size >= _MANY // 2
    confidence = "moderate" if enough else "low"
    if low > ceiling:
        return Verdict(
            label="under-trained",
            rule=f"KS alpha above {ceiling:g} by more than two standard errors",
            evidence=evidence,
            confidence=confidence,
            counter_indication=_CALIBRATION,
            next_action="train the layer more: a larger learning rate for it (TempBalance), more "
            "steps or more data; prune it first where a model must shrink (AlphaPruning)",
        )
    if high < floor:
        return Verdict(
            label="over-trained",
            rule=f"KS alpha below {floor:g} by more than two standard errors",
            evidence=evidence,
            confidence=confidence,
            counter_indication=_CALIBRATION,
            next_action="look at held-out loss; lower the layer's learning rate or stop earlier",
        )
    if low >= floor and high <= ceiling:
        return Verdict(
            label="heavy-tailed",
            rule=f"KS alpha with two standard errors inside {floor:g} to {ceiling:g}",
            evidence=evidence,
            confidence=confidence,
            counter_indication=_CALIBRATION,
            next_action="nothing: this is what well-trained layers look like",
        )
    return None


def _borderline(layer: LayerSpectrum) -> Verdict:
    low, high = layer.alpha_ks - 2 * layer.sigma, layer.alpha_ks + 2 * layer.sigma
    borders = " and ".join(f"{edge:g}" for edge in HEALTHY_ALPHA if low < edge < high)
    return Verdict(
        label="borderline",
        rule="two standard errors around KS alpha reach over a border of the range",
        evidence=f"alpha_ks {layer.alpha_ks:.2f} [{low:.2f}, {high:.2f}] over {borders}"
        f", {layer.tail_size} in the tail",
        confidence="low",
        counter_indication=_CALIBRATION,
        next_action="do not act on this layer alone; compare alpha_excess with its neighbours'",
    )
