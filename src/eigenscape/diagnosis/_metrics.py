"""The columns of a population: names, descriptions and ranges of the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from eigenscape.errors import InputError

Scalar = str | float | int | bool
Protocol = Mapping[str, Scalar]


class Metric(NamedTuple):
    """A metric of one configuration.

    Args:
        words: its name in a sentence.
        unit: its unit.
        low: the smallest value that is possible.
        high: the largest value that is possible.
    """

    words: str
    unit: str
    low: float
    high: float


_ANY = float("inf")
#: The smallest value of what must be more than nothing.
ABOVE_ZERO = 1e-300
#: Column name to metric. The names are those of the published tables of Zhou et al. (ICML 2024).
METRICS: dict[str, Metric] = {
    "train_error": Metric("training error", "%", 0.0, 100.0),
    "train_loss": Metric("training loss", "nat", 0.0, _ANY),
    "test_loss": Metric("test loss", "nat", 0.0, _ANY),
    "test_error": Metric("test error", "%", 0.0, 100.0),
    "mode_connectivity_peak": Metric("mode connectivity (peak)", "%", -100.0, 0.0),
    "mode_connectivity": Metric("mode connectivity (barrier)", "%", -100.0, 100.0),
    "hessian_t": Metric("ln Hessian trace", "1", -_ANY, _ANY),
    "hessian_e": Metric("ln top Hessian eigenvalue", "1", -_ANY, _ANY),
    "CKA": Metric("CKA similarity", "1", 0.0, 1.0),
}
#: What the knobs of a configuration may be; ``bs`` or ``lr``, or both, set the temperature.
KNOBS: dict[str, Metric] = {
    "width": Metric("width", "1", ABOVE_ZERO, _ANY),
    "data": Metric("amount of data", "1", ABOVE_ZERO, _ANY),
    "bs": Metric("batch size", "1", ABOVE_ZERO, _ANY),
    "lr": Metric("learning rate", "1", ABOVE_ZERO, _ANY),
}
#: Further columns that are kept where a table has them.
OTHERS: dict[str, Metric] = {
    "test_acc": Metric("test accuracy", "%", 0.0, 100.0),
    "test_acc_sd": Metric("seed noise of the test accuracy", "%", 0.0, _ANY),
    "para_amount": Metric("parameters", "1", ABOVE_ZERO, _ANY),
    "data_amount": Metric("training examples", "1", ABOVE_ZERO, _ANY),
}
COLUMNS = {**KNOBS, **OTHERS, **METRICS}

#: How the metrics of the published tables were measured (Zhou et al., ICML 2024, appendix; settings
#: of the code of Yang et al., NeurIPS 2021, which it names). ``classes`` sets the chance level.
PUBLISHED_PROTOCOL: dict[str, Scalar] = {
    "classes": 10,
    "seeds": 5,
    "train_error": "percent of the training labels, eval mode",
    "hessian": "mean cross-entropy, one batch of 200 training samples, eval mode, all parameters",
    "hessian_scale": "natural log of the mean over seeds",
    "curve": "quadratic Bezier, train error at t = 0, .25, .5, .75, 1, batch norm refreshed",
    "curve_bend": "random",
    "connectivity": "minus the largest train error at the interior points",
    "cka": "linear, softmax outputs, training images mixed by mixup Beta(16, 16)",
}


def protocol_differences(known: Protocol, seen: Protocol) -> tuple[str, ...]:
    """Return the items that two protocols state differently; an item of one alone is no difference.

    >>> protocol_differences({"hessian": "mean", "cka": "softmax"}, {"hessian": "sum"})
    ("hessian: 'mean' there, 'sum' here",)
    """
    shared = [key for key in known if key in seen]
    return tuple(
        f"{key}: {known[key]!r} there, {seen[key]!r} here"
        for key in shared
        if known[key] != seen[key]
    )


def check_protocol(known: Protocol, seen: Protocol, what: str) -> None:
    """Raise an error if metrics were measured in another way: thresholds do not carry over.

    Raises:
        InputError: naming every difference.
    """
    found = protocol_differences(known, seen)
    if found:
        raise InputError(
            f"the metrics of {what} were measured in another way than those of the tree's "
            f"population ({'; '.join(found)}); thresholds do not carry over. Try: measure as the "
            "population was measured, or train a population with this protocol"
        )
