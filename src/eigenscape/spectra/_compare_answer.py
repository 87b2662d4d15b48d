"""What a comparison says in all: how many layers moved beyond rounding, and how far."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from eigenscape.results import Finding, as_argument, counted, is_file_name, named
from eigenscape.spectra._groups import joined_names

if TYPE_CHECKING:
    from eigenscape.spectra._compare import ComparisonResult, LayerChange

_ELSEWHERE = ("removed", "added", "shape")


def answer(result: ComparisonResult) -> str:
    """One sentence: what cannot be used, what moved and how far, what did not move."""
    layers = [change for change in result.changes if change.examined]
    others = len(result.changes) - len(layers)
    if all(one.state == "same" for one in result.changes):
        return f"All {counted(len(layers), 'layer')} are equal bit for bit, and every other tensor."
    moved = [one for one in layers if one.moved]
    parts = [
        f"{len(moved) or 'none'} of {counted(len(layers), 'layer')} moved beyond rounding"
        f"{_far(moved)}"
    ]
    for number, words in (
        (_count(layers, lambda one: one.weight_change > 0 and not one.moved), "within it"),
        (_count(layers, lambda one: one.state == "same"), "unchanged bit for bit"),
        (_count(layers, lambda one: one.state in _ELSEWHERE), "without a counterpart"),
    ):
        parts += [f"{number} {words}"] if number else []
    clear = _count(layers, lambda one: one.clear)
    parts[-1] += f"; the alpha of {clear or 'none'} changed beyond its noise"
    parts += [f"and {counted(others, 'other tensor')} changed"] if others else []
    broken = _count(layers, lambda one: one.state == "unreadable")
    first = f"{counted(broken, 'layer')} with NaN or infinite weights; " if broken else ""
    text = f"{first}{', '.join(parts)}."
    return text[0].upper() + text[1:]


def findings(result: ComparisonResult) -> Iterator[Finding]:
    """What cannot be used, what moved by more than was there, what has no counterpart or froze."""
    layers = [change for change in result.changes if change.examined]
    yield from _unreadable(result)
    yield from _beyond_norm(result, layers)
    lost = [one for one in result.changes if one.state in _ELSEWHERE]
    if lost:
        yield Finding(
            text=f"{counted(len(lost), 'tensor')} in one of the two alone, or of another shape: "
            f"{named(lost)}.",
            basis="measurement",
            todo="Check that both are of one network",
            layers=_names(lost),
        )
    yield from _frozen(layers)
    yield from _clear(layers)
    yield from _relabelled(layers)


def _unreadable(result: ComparisonResult) -> Iterator[Finding]:
    broken = [one for one in result.changes if one.state == "unreadable"]
    after = [one for one in broken if one.label_before != "not-finite"]
    if after:
        yield Finding(
            text=f"NaN or infinite weights after, finite before: {named(after)}.",
            basis="measurement",
            todo="Go back to the last checkpoint that is finite",
            layers=_names(after),
        )
    before = [one for one in broken if one.label_before == "not-finite"]
    if before:
        yield Finding(
            text=f"NaN or infinite weights before already: {named(before)}.",
            basis="measurement",
            todo="Compare with a checkpoint that is finite",
            layers=_names(before),
        )


def _beyond_norm(result: ComparisonResult, layers: Sequence[LayerChange]) -> Iterator[Finding]:
    """A change that is larger than what it changes: the first weights are the smaller part."""
    far = [one for one in layers if one.weight_change > 1 and math.isfinite(one.weight_change)]
    if not far:
        return
    most = max(far, key=lambda one: one.weight_change)
    reads_text = any("attn" in one.name or "attention" in one.name for one in layers)
    folder = not is_file_name(result.after) and as_argument(result.after, "")
    yield Finding(
        text=f"{len(far)} of {counted(len(layers), 'layer')} moved by more than their own norm "
        f"(most {most.name}, {size(most.weight_change)}): what was there before is the smaller "
        "part.",
        basis="measurement",
        todo="Measure the loss of both on held-out data",
        command=f"eigenscape perplexity {folder} --text FILE" if reads_text and folder else "",
        layers=_names(far),
    )


def _frozen(layers: Sequence[LayerChange]) -> Iterator[Finding]:
    same = [one for one in layers if one.state == "same"]
    moved = _count(layers, lambda one: one.moved)
    if same and moved:
        yield Finding(
            text=f"Unchanged bit for bit while {counted(moved, 'layer')} moved (frozen?): "
            f"{named(joined_names(_names(same), _names(layers)))}.",
            basis="measurement",
            todo="Check that this is meant",
            layers=_names(same),
        )


def _clear(layers: Sequence[LayerChange]) -> Iterator[Finding]:
    clear = [one for one in layers if one.clear]
    if clear:
        most = max(clear, key=lambda one: abs(one.alpha_hill_z))
        yield Finding(
            text=f"Alpha changed beyond its noise in {counted(len(clear), 'layer')}, most in "
            f"{most.name}: {most.alpha_hill_before:.3g} to {most.alpha_hill_after:.3g}.",
            basis="measurement",
            layers=_names(clear),
        )


def _relabelled(layers: Sequence[LayerChange]) -> Iterator[Finding]:
    new = [one for one in layers if one.label_before and one.label_after]
    new = [one for one in new if one.label_before != one.label_after]
    if new:
        pairs = Counter((one.label_before, one.label_after) for one in new)
        (old, label), count = pairs.most_common(1)[0]
        often = f"{count} of them" if len(new) > 1 else new[0].name
        yield Finding(
            text=f"{counted(len(new), 'layer')} with another label: {often} {label}, {old} before.",
            basis="description",
            layers=_names(new),
        )


def size(change: float) -> str:
    """Return a relative change in words.

    >>> size(0.0123), size(4.13), size(0.99999)
    ('1.2 %', '4.1 times', '1 times')
    """
    if change < 0.995:
        return f"{100 * change:.2g} %"
    return f"{change:.2g} times"


def _far(moved: Sequence[LayerChange]) -> str:
    known = [one for one in moved if math.isfinite(one.weight_change)]
    if not known:
        return ""
    low = min(known, key=lambda one: one.weight_change)
    high = max(known, key=lambda one: one.weight_change)
    ends = [size(low.weight_change), size(high.weight_change)]
    if ends[0].split()[1] == ends[1].split()[1]:
        ends[0] = ends[0].split()[0]
    much = ends[1] if low is high or ends[0] == ends[1].split()[0] else f"{ends[0]} to {ends[1]}"
    of = "" if much.endswith("times") else " of"
    most = f", most {high.name}" if len(known) > 1 else f": {high.name}"
    return f" (by {much}{of} their norm{most})"


def _count(changes: Sequence[LayerChange], holds: Callable[[LayerChange], bool]) -> int:
    return sum(map(holds, changes))


def _names(changes: Sequence[LayerChange]) -> tuple[str, ...]:
    return tuple(one.name for one in changes)
