"""Sentences that summarise a layer table."""

from __future__ import annotations

from collections.abc import Sequence

from eigenscape.checkup._finding import Finding
from eigenscape.spectra import LayerSpectrum, SpectraResult

#: Most severe first; the first of these in a network is the one to act on.
_SEVERITY = (
    "not-finite",
    "all-zero",
    "rank-collapsed",
    "random-like",
    "over-trained",
    "under-trained",
)
_NAMED = 3


def described(result: SpectraResult) -> tuple[Finding, Finding, Finding]:
    """Return three findings: what was examined, what state it is in, what to look at."""
    return (
        Finding(text=_scope(result), basis="measurement"),
        Finding(text=_state(result), basis="description"),
        Finding(text=_advice(result), basis="guess"),
    )


def _scope(result: SpectraResult) -> str:
    summary = result.summary
    total = summary["parameters_total"]
    share = (
        f"{summary['parameters_examined'] / total:.0%} of the parameters" if total else "nothing"
    )
    return (
        f"{_count(len(result), 'layer')} examined, holding {share}; "
        f"{_count(len(result.skipped), 'tensor')} not examined, each listed with its reason."
    )


def _state(result: SpectraResult) -> str:
    verdicts = result.summary["verdicts"]
    if not verdicts:
        return "No layer has enough eigenvalues for a verdict (see --min-eigenvalues)."
    counts = ", ".join(f"{count} {label}" for label, count in verdicts.items())
    excess = result.summary["alpha_excess"]
    if not excess["layers"]:
        return f"Verdicts: {counts}."
    return (
        f"Verdicts: {counts}; the median alpha_excess is {excess['median']:.2f} "
        "(1 is a random matrix, lower is a heavier tail)."
    )


def _advice(result: SpectraResult) -> str:
    for label in _SEVERITY:
        found = labelled(result, label)
        if found:
            verdict = found[0].verdict
            assert verdict is not None
            start = "A weak hint only: look" if verdict.confidence == "low" else "Look first"
            return (
                f"{start} at the {label} {'layers' if len(found) > 1 else 'layer'} "
                f"({named(found)}): {verdict.next_action} (confidence {verdict.confidence}; "
                f"it would be wrong if {verdict.counter_indication})."
            )
    if labelled(result, "heavy-tailed"):
        return (
            "No layer asks for action; the layers with the largest alpha_excess, "
            f"{named(_flattest(result))}, are the first candidates for pruning or a larger "
            "learning rate."
        )
    return (
        "No verdict is certain enough to act on; compare alpha_excess between the layers instead."
    )


def labelled(result: SpectraResult, label: str) -> list[LayerSpectrum]:
    """Return the layers with that verdict."""
    return [layer for layer in result if layer.verdict and layer.verdict.label == label]


def named(layers: Sequence[LayerSpectrum]) -> str:
    """Name a few layers and count the rest."""
    names = ", ".join(layer.name for layer in layers[:_NAMED])
    rest = len(layers) - _NAMED
    return f"{names} and {rest} more" if rest > 0 else names


def _flattest(result: SpectraResult) -> list[LayerSpectrum]:
    known = [layer for layer in result if layer.alpha_excess == layer.alpha_excess]
    return sorted(known, key=lambda layer: -layer.alpha_excess)[:_NAMED]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
