"""What a layer's spectrum is, in a word, and what that word does not tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.spectra._layer import LayerSpectrum

#: The range in which Martin and Mahoney (2021) report the fitted exponent of most layers of large
#: pretrained models. It is of the KS fit; it must never be applied to PL_Alpha_Hill.
PUBLISHED_ALPHA = (2.0, 6.0)
#: Every label in words, the certain ones first.
LABELS = {
    "not-finite": "NaN or infinite weights",
    "dead": "all weights are zero",
    "rank-deficient": "rank below half of the full rank",
    "random-like": "random-like spectrum",
    "below-range": "alpha below the published range",
    "above-range": "alpha above the published range",
    "range-border": "alpha on a border of the published range",
    "no-fit": "no fitted alpha",
    "heavy-tail": "heavy tail, alpha inside the published range",
}
#: Labels that are facts about the weights, whatever law their spectrum has.
CERTAIN = ("not-finite", "dead", "rank-deficient")
_DEFICIENT = 0.5
_ERRORS = 2
_NOT_TRAINING = (
    "whether the layer or the network is well trained, under-trained or over-fitted: held-out loss "
    "tells that. The range 2 to 6 is its authors' report on large pretrained models (Martin and "
    "Mahoney 2021)"
)


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a spectrum is: a label for numbers, and no judgement of the training.

    Args:
        label: one of :data:`LABELS`.
        rule: the rule that gave the label.
        evidence: the numbers that met the rule.
        not_told: what one might read into the label, and it does not say.
        consequence: what follows for certain, whatever the network is for; or empty.

    Raises:
        InputError: an unknown label.
    """

    label: str
    rule: str
    evidence: str
    not_told: str
    consequence: str = ""

    def __post_init__(self) -> None:
        if self.label not in LABELS:
            raise InputError(f"label is {self.label!r}; expected one of {', '.join(LABELS)}")

    @property
    def words(self) -> str:
        """The label in words."""
        return LABELS[self.label]


def describe(layer: LayerSpectrum) -> Description:
    """Return the description by the first rule that the layer meets."""
    for rule in (_rank_deficient, _random_like, _no_fit):
        found = rule(layer)
        if found is not None:
            return found
    return _by_exponent(layer)


def not_finite(count: int, total: int) -> Description:
    """Describe a layer with NaN or infinite weights."""
    return Description(
        label="not-finite",
        rule="any weight is NaN or infinite",
        evidence=f"{count:,} of {total:,} weights are NaN or infinite",
        not_told="what made them so: an overflow in low precision and a loss that diverged look "
        "alike",
        consequence="such a layer cannot be used: go back to the last finite checkpoint",
    )


def dead(parameters: int) -> Description:
    """Describe a layer without a single non-zero weight."""
    return Description(
        label="dead",
        rule="every weight is zero",
        evidence=f"all {parameters:,} weights are 0",
        not_told="whether that is meant: an update that starts at zero (LoRA's B) is so before its "
        "training, and so is what was pruned",
        consequence=f"the {parameters:,} weights need not be stored",
    )


def _rank_deficient(layer: LayerSpectrum) -> Description | None:
    if layer.rank is None or layer.rank >= _DEFICIENT * layer.n_eigenvalues:
        return None
    if layer.kind == "lora_update":  # of low rank by design
        return None
    thin = layer.rank * (layer.rows + layer.cols)
    share = thin / layer.parameters
    return Description(
        label="rank-deficient",
        rule=f"numerical rank below {_DEFICIENT:.0%} of the full rank, at storage precision",
        evidence=f"rank {layer.rank} of {layer.n_eigenvalues}",
        not_told="why: dead units before the layer, pruning by rows, and low rank on purpose look "
        "alike",
        consequence=f"two thin factors hold the layer in {thin:,} entries, {share:.0%} of its "
        f"{layer.parameters:,}"
        if share < 1
        else "",
    )


def _random_like(layer: LayerSpectrum) -> Description | None:
    inside = layer.alpha_null_low <= layer.alpha_hill <= layer.alpha_null_high
    if not inside or layer.spikes:
        return None
    return Description(
        label="random-like",
        rule="PL_Alpha_Hill inside the 99 % band of random matrices of this shape, and no spike",
        evidence=f"alpha_hill {layer.alpha_hill:.3f} in [{layer.alpha_null_low:.3f}, "
        f"{layer.alpha_null_high:.3f}], 0 spikes",
        not_told="whether the layer was trained, and whether the network needs it: a layer on "
        "which much depends can have such a spectrum. An earlier checkpoint tells the first "
        "(eigenscape compare), the loss without the layer the second",
    )


def _no_fit(layer: LayerSpectrum) -> Description | None:
    if layer.kind == "lora_update":
        rule = "the labels are for whole weights, not for low-rank updates"
        evidence = (
            "a product of two thin factors; neither the range nor the random law holds for it"
        )
    elif not math.isfinite(layer.alpha_ks):
        rule, evidence = "the labels need the KS-optimal exponent", "no fit"
    elif layer.fit != "ks":
        rule = "the labels need the KS-optimal exponent"
        evidence = f"the fit is {layer.fit!r}, not 'ks'"
    else:
        return None
    return Description(
        label="no-fit",
        rule=rule,
        evidence=evidence,
        not_told="anything about the tail; norms and ranks are as measured",
    )


def _by_exponent(layer: LayerSpectrum) -> Description:
    low = layer.alpha_ks - _ERRORS * layer.sigma
    high = layer.alpha_ks + _ERRORS * layer.sigma
    floor, ceiling = PUBLISHED_ALPHA
    if high < floor:
        label, rule = "below-range", f"KS alpha below {floor:g} by more than two standard errors"
    elif low > ceiling:
        label, rule = "above-range", f"KS alpha above {ceiling:g} by more than two standard errors"
    elif low >= floor and high <= ceiling:
        label = "heavy-tail"
        rule = f"KS alpha with two standard errors inside {floor:g} to {ceiling:g}"
    else:
        label = "range-border"
        rule = f"two standard errors around KS alpha include {floor:g} or {ceiling:g}"
    return Description(
        label=label,
        rule=rule,
        evidence=f"alpha_ks {layer.alpha_ks:.2f} [{low:.2f}, {high:.2f}], {layer.tail_size} in the "
        f"tail, D {layer.ks_distance:.3f}",
        not_told=_NOT_TRAINING,
    )
