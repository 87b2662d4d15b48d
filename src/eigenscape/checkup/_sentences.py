"""Findings that summarise a layer table: what the spectra are, and what they do not tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

from eigenscape.results import Finding
from eigenscape.spectra import CERTAIN, LABELS, LayerSpectrum, SpectraResult, precisions
from eigenscape.stats import Precision

_NAMED = 3
#: Dispersion beyond which entries were not drawn independently: of 16 rows of independent entries
#: two matrices in ten thousand go so far, of 64 rows and more fewer than one.
_DEPARTS = 5.0
#: Dispersion below which layers were judged by the study ``verdicts`` as if at a random start.
_INDEPENDENT = 3.0


def described(
    result: SpectraResult, table: Sequence[Precision] | None = None
) -> tuple[Finding, ...]:
    """Return what was examined, what the spectra are, what is certain, and what they do not tell.

    Args:
        result: the layer table.
        table: how often rules on such tables were right; by default the one that is shipped.
    """
    table = precisions() if table is None else table
    return (
        Finding(text=_scope(result), basis="measurement"),
        Finding(text=_state(result), basis="description"),
        *_certain(result),
        *second_look(result, table),
        Finding(text=not_told(table), basis="description"),
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
    labels = result.summary["labels"]
    if not labels:
        return "No layer has enough eigenvalues for a description (see --min-eigenvalues)."
    counts = ", ".join(f"{count} {label}" for label, count in labels.items())
    excess = result.summary["alpha_excess"]
    if not excess["layers"]:
        return f"What the spectra are: {counts}."
    return (
        f"What the spectra are: {counts}; the median alpha_excess is {excess['median']:.2f} (1 is "
        "a random matrix of the same shape, below 1 the tail is heavier, above 1 lighter)."
    )


def _certain(result: SpectraResult) -> Iterator[Finding]:
    """What follows from the weights whatever the network is for, worst first."""
    for label in CERTAIN:
        found = labelled(result, label)
        descriptions = [layer.description for layer in found if layer.description]
        if not descriptions:
            continue
        first = descriptions[0]
        one = len(found) == 1
        words = LABELS[label]
        text = f"{words[0].upper()}{words[1:]}: {named(found)} ({'' if one else 'the first: '}"
        text += first.evidence
        text += f"; {first.consequence})." if first.consequence else ")."
        yield Finding(text=text, basis="measurement")


def second_look(result: SpectraResult, table: Sequence[Precision]) -> Iterator[Finding]:
    """Whether layers of random-like spectrum have the norms of independent entries, too."""
    known = next((row for row in table if row.statement == "at its random start"), None)
    random_like = labelled(result, "random-like")
    if not random_like:
        return
    moved = [layer for layer in random_like if _departure(layer) > _DEPARTS]
    rest = [layer for layer in random_like if _departure(layer) < _INDEPENDENT]
    parts = []
    if moved:
        most = max(moved, key=_departure)
        one = len(moved) == 1
        far = f"by {_departure(most):.0f} standard deviations"
        far = far if one else f"most in {most.name}, {far}"
        parts.append(
            f"{len(moved)} of {_count(len(random_like), 'random-like layer')} ({named(moved)}; "
            f"{far}) {'has' if one else 'have'} rows or columns whose norms do not vary as those "
            f"of independent entries would: {'it' if one else 'they'} did not keep such a start"
        )
    if rest:
        parts.append(
            f"{named(rest)}: neither the spectrum nor the norms of rows and columns differ from "
            "independent entries, as at a random start. That does not show that they are at one"
            + (
                f": of {known.given} such layers of known state, {known.right} were"
                if known and known.given
                else ""
            )
        )
    if parts:
        yield Finding(text=". ".join(parts) + ".", basis="measurement")


def _departure(layer: LayerSpectrum) -> float:
    """The larger of the two dispersions, either way; NaN where there is none."""
    both = (abs(layer.row_dispersion), abs(layer.column_dispersion))
    return max((value for value in both if math.isfinite(value)), default=math.nan)


def not_told(table: Sequence[Precision]) -> str:
    """Say what spectra do not tell, with the measured reason where there is one."""
    text = (
        "A spectrum does not tell whether the network is well trained: held-out loss does "
        "(--probe, --text)."
    )
    rules = [row for row in table if row.unit == "networks" and row.kind != "description"]
    dropped = [row for row in rules if row.kind == "diagnosis" and row.given and not row.printed]
    if not dropped:
        return text
    best = max(dropped, key=lambda row: row.low)
    kept = sum(row.printed for row in rules)
    often = f", looked at {best.looks} times" if best.looks > 1 else ""
    return (
        f"{text} Of {len(rules)} rules on weights that were judged on {best.networks} networks of "
        f"known state{often}, {kept or 'none'} {'is' if kept < 2 else 'are'} right often enough to "
        f"be printed; the most certain {'other ' if kept else ''}diagnosis was right {best.right} "
        f"of {best.given} times ({best.interval.words(2)})."
    )


def labelled(result: SpectraResult, label: str) -> list[LayerSpectrum]:
    """Return the layers with that label."""
    return [layer for layer in result if layer.label == label]


class HasName(Protocol):
    """What has a name."""

    @property
    def name(self) -> str:
        """The name."""


def named(layers: Sequence[HasName]) -> str:
    """Name a few layers and count the rest."""
    names = ", ".join(layer.name for layer in layers[:_NAMED])
    rest = len(layers) - _NAMED
    return f"{names} and {rest} more" if rest > 0 else names


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
