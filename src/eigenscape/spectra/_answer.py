"""What a layer table says in all: its answer and its findings, for the first screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from eigenscape.layers import role
from eigenscape.results import Finding, as_argument, counted, is_file_name, named, rounded
from eigenscape.spectra._description import CERTAIN, PUBLISHED_ALPHA
from eigenscape.spectra._groups import joined_names

if TYPE_CHECKING:
    from eigenscape.spectra._layer import LayerSpectrum
    from eigenscape.spectra._result import SpectraResult

_ATTENTION = ("query", "key", "value", "query-key-value")
_NOT_TOLD = "weights alone do not say how well it is trained"
#: Where less of the parameters was examined, that is a finding.
_HALF = 0.5
#: The share of random matrices outside the band of their size, which holds 99 %.
_OUTSIDE = 0.01
#: More of them than come in one network of a hundred are not by chance.
_RARE = 0.01


def scope(result: SpectraResult) -> str:
    """How many layers there are, and what share of the parameters they hold."""
    summary = result.summary
    total = summary["parameters_total"]
    if not total:
        return counted(len(result), "layer")
    share = summary["parameters_examined"] / total
    return f"{counted(len(result), 'layer')} ({share:.0%} of {rounded(total)} parameters)"


def counts(result: SpectraResult) -> str:
    """How many layers have which label."""
    labels = result.summary["labels"]
    return ", ".join(f"{count} {label}" for label, count in labels.items()) or "no label"


def answer(result: SpectraResult) -> str:
    """One sentence: what cannot be used, what the spectra are, and what is not told."""
    if not len(result):
        return f"No layer was examined, of {counted(len(result.skipped), 'tensor')}."
    labels = result.summary["labels"]
    broken = labels.get("not-finite", 0)
    if broken:
        return (
            f"{broken} of {scope(result)} {_has(broken, 'hold')} NaN or infinite weights, so that "
            f"the network cannot be used as it is: {counts(result)}."
        )
    random_like = labels.get("random-like", 0)
    if random_like and _by_chance(len(result) - random_like, len(result)):
        exact = random_like == len(result)
        but = "" if exact else f" ({_OUTSIDE:.0%} of random ones lie outside)"
        return (
            f"{'All' if exact else f'{random_like} of'} {scope(result)} "
            f"{_has(random_like, 'have')} the spectrum of a random matrix{but}, as before any "
            "training; weights alone do not say whether it was trained."
        )
    return f"{scope(result)}: {counts(result)}; {_NOT_TOLD}."


def _by_chance(outside: int, number: int) -> bool:
    """Whether so many of random matrices lie outside their 99 % band in one case of 100."""
    fewer = sum(
        math.comb(number, k) * _OUTSIDE**k * (1 - _OUTSIDE) ** (number - k) for k in range(outside)
    )
    return 1 - fewer >= _RARE


def findings(result: SpectraResult) -> Iterator[Finding]:
    """What is certain, worst first; then what data can tell of; then what is no fault."""
    found = False
    for label in (*CERTAIN, "random-like"):
        group = [layer for layer in result if layer.label == label]
        if group:
            yield _OF_LABEL[label](result, group)
            found = True
    if len(result) and not found:
        yield Finding(
            text="No layer is NaN, zero, of low rank or random-like.",
            basis="measurement",
            todo="Measure on data what the layers do",
            command=data_command(result),
        )
    yield from _not_examined(result)
    yield from _out_of_range(result)


def data_command(result: SpectraResult) -> str:
    """The command that measures, on data, what the layers contribute."""
    reads_text = any(role(layer.layer) in _ATTENTION for layer in result)
    if reads_text and not is_file_name(result.source):
        return f"eigenscape checkup {as_argument(result.source)} --text FILE"
    return "eigenscape checkup --probe FILE.py:FUNCTION"


def _not_finite(result: SpectraResult, group: Sequence[LayerSpectrum]) -> Finding:
    first = group[0]
    evidence = first.description.evidence if first.description else ""
    where = evidence if len(group) == 1 else f"the first: {evidence}"
    return Finding(
        text=f"NaN or infinite weights in {_listed(result, group)} ({where}).",
        basis="measurement",
        todo="Go back to the last checkpoint that is finite",
        layers=_names(group),
    )


def _dead(result: SpectraResult, group: Sequence[LayerSpectrum]) -> Finding:
    return Finding(
        text=f"Every weight is zero in {_listed(result, group)}.",
        basis="measurement",
        todo="Check that this is meant: pruned layers and updates before their training are so",
        layers=_names(group),
    )


def _rank_deficient(result: SpectraResult, group: Sequence[LayerSpectrum]) -> Finding:
    first = group[0]
    one = f"rank {first.rank} of {first.n_eigenvalues}"
    return Finding(
        text=f"Rank below half of the full one in {_listed(result, group)} "
        f"({one if len(group) == 1 else f'the first: {one}'}).",
        basis="measurement",
        todo="See whether the network uses them" if len(group) > 1 else _SEE,
        command=data_command(result),
        layers=_names(group),
    )


_SEE = "See whether the network uses it"


def _random_like(result: SpectraResult, group: Sequence[LayerSpectrum]) -> Finding:
    moved = [layer for layer in group if layer.left_its_start]
    share = f"{len(group)} of {len(result)} layers: " if len(group) > 1 else ""
    text = f"Random-like spectrum in {share}{_named(result, group)}"
    if len(moved) == len(group):
        text += "; its norms are not those of a random start"
    elif moved:
        text += f"; in {len(moved)} the norms are not those of a random start"
    return Finding(
        text=f"{text}.",
        basis="description",
        todo="See whether the network uses them" if len(group) > 1 else _SEE,
        command=data_command(result),
        layers=_names(group),
    )


_OF_LABEL: dict[str, Callable[[SpectraResult, Sequence[LayerSpectrum]], Finding]] = {
    "not-finite": _not_finite,
    "dead": _dead,
    "rank-deficient": _rank_deficient,
    "random-like": _random_like,
}


def _not_examined(result: SpectraResult) -> Iterator[Finding]:
    summary = result.summary
    total, examined = summary["parameters_total"], summary["parameters_examined"]
    if not total or examined / total >= _HALF:
        return
    largest = max(result.skipped, key=lambda item: _entries(item.shape), default=None)
    most = f", most of all {largest.name} ({largest.reason})" if largest else ""
    yield Finding(
        text=f"{1 - examined / total:.0%} of the parameters are in no row{most}.",
        basis="measurement",
        todo="Read the list of tensors without a row",
        command=f"eigenscape spectra {as_argument(result.source)} --format json",
    )


def _entries(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _out_of_range(result: SpectraResult) -> Iterator[Finding]:
    outside = [layer for layer in result if layer.label in ("below-range", "above-range")]
    if not outside:
        return
    low, high = PUBLISHED_ALPHA
    both = [
        f"{sum(layer.label == label for layer in outside)} {word}"
        for label, word in (("below-range", "below"), ("above-range", "above"))
        if any(layer.label == label for layer in outside)
    ]
    yield Finding(
        text=f"Alpha outside {low:g} to {high:g} in {counted(len(outside), 'layer')} "
        f"({', '.join(both)}), which is no fault.",
        basis="description",
        layers=_names(outside),
    )


def _listed(result: SpectraResult, group: Sequence[LayerSpectrum]) -> str:
    names = _named(result, group)
    return names if len(group) <= 1 else f"{len(group)} layers: {names}"


def _named(result: SpectraResult, group: Sequence[LayerSpectrum]) -> str:
    return named(joined_names(_names(group), (layer.name for layer in result)))


def _names(group: Sequence[LayerSpectrum]) -> tuple[str, ...]:
    return tuple(layer.name for layer in group)


def _has(number: int, plural: str) -> str:
    return plural if number != 1 else {"have": "has", "hold": "holds"}[plural]
