"""What the topology of a grid, and the check of one, say in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from eigenscape.results import Finding

if TYPE_CHECKING:
    from eigenscape.topology._check_grid import GridReport
    from eigenscape.topology._result import TopologyResult

_NEIGHBOURS = {
    "full": "diagonal neighbours count",
    "freudenthal": "neighbours as TTK triangulates",
    "cross": "neighbours along the axes only",
}
#: Pairs below this share of the range are called shallow; it is a key of ``counts_above``.
_SHALLOW = 0.001


def topology_answer(result: TopologyResult) -> str:
    """Return the counts and the persistence in one sentence."""
    leaf = "maximum" if result.superlevel else "minimum"
    leaves = f"{leaf[:-2]}a" if result.n_minima != 1 else leaf
    saddles = {0: "no saddle", 1: "1 saddle"}.get(result.n_saddles, f"{result.n_saddles} saddles")
    counted = f"{_NEIGHBOURS[result.connectivity]}; a plateau counts once"
    said = f"{result.n_minima} {leaves} and {saddles} on {_shape(result.shape)} samples ({counted})"
    if result.simplified > 0:
        said += (
            f", after pairs below {result.simplified:.3g} were cancelled "
            f"({result.unsimplified_minima} before)"
        )
    finite = result.n_pairs - result.infinite_pairs
    if not finite:
        return f"{said}; the losses span {result.range:.4g}."
    pairs = f"{finite} pairs persist" if finite > 1 else "1 pair persists"
    share = f", {100 * result.average_persistence / result.range:.3g} % of the range of the losses"
    return f"{said}; {pairs} {result.average_persistence:.4g} on average{share}."


def topology_findings(result: TopologyResult) -> tuple[Finding, ...]:
    """Return what a count may owe to: lost samples, the neighbours, shallow pairs."""
    found = (_lost(result), _sensitive(result), _shallow(result))
    return tuple(one for one in found if one is not None)


def _lost(result: TopologyResult) -> Finding | None:
    lost = 0 if result.values is None else int((~np.isfinite(result.values)).sum())
    if not lost:
        return None
    where = "below" if result.superlevel else "above"
    verb = "is" if lost == 1 else "are"
    text = f"{lost:,} of {int(np.prod(result.shape)):,} samples {verb} NaN or infinite, taken as "
    text += f"{where} all others"
    if result.infinite_pairs:
        pairs = result.infinite_pairs
        text += f"; {pairs} {'pair' if pairs == 1 else 'pairs'} of basins that meet only there "
        text += f"{'is' if pairs == 1 else 'are'} in no average"
    command = _command("check-grid", result.source)
    todo = "Look for the reason" if command else ""
    return Finding(text=f"{text}.", basis="measurement", todo=todo, command=command)


def _sensitive(result: TopologyResult) -> Finding | None:
    counts = {row.connectivity: row.n_minima_simplified for row in result.sensitivity}
    if len(set(counts.values())) < 2:
        return None
    said = ", ".join(f"{count} ({name})" for name, count in counts.items())
    leaves = "maxima" if result.superlevel else "minima"
    return Finding(
        text=f"The number of {leaves} depends on which samples are neighbours: {said}.",
        basis="measurement",
        todo="Compare counts of one connectivity only, or sample more finely",
    )


def _shallow(result: TopologyResult) -> Finding | None:
    finite = result.n_pairs - result.infinite_pairs
    shallow = finite - result.counts_above[f"{_SHALLOW:g}"]
    if shallow <= 0:
        return None
    return Finding(
        text=f"{shallow} of {finite} pairs persist no more than a thousandth of the range "
        f"({_SHALLOW * result.range:.2g}).",
        basis="measurement",
        todo="Count without them",
        command=_command("topology", result.source, "--simplify", f"{100 * _SHALLOW:g}%"),
    )


def grid_answer(report: GridReport) -> str:
    """Return how many faults and notes there are, and of which kinds."""
    on = f"on {_shape(report.shape)} samples"
    if not report.suspicions:
        return f"Nothing found {on} that would mislead a count of minima."
    faults, notes = len(report.faults), len(report.suspicions) - len(report.faults)
    counted = [
        f"{count} {word}{'s' * (count > 1)}"
        for count, word in ((faults, "fault"), (notes, "note"))
        if count
    ]
    names = ", ".join(dict.fromkeys(one.name for one in report.suspicions))
    tells = "a count of minima on it misleads" if faults else "none misleads a count of minima"
    return f"{' and '.join(counted)} {on}: {names}; {tells}."


def grid_findings(report: GridReport) -> tuple[Finding, ...]:
    """Return the suspicions as findings, faults first."""
    return tuple(
        Finding(
            text=f"{one.severity.capitalize()}: {one.sentence}.",
            basis="measurement",
            todo=one.remedy[:1].upper() + one.remedy[1:],
        )
        for one in report.suspicions
    )


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _command(verb: str, source: str, *words: str) -> str:
    """The command on a grid that was read from a file; empty for an array."""
    return "" if source == "array" else shlex.join(["eigenscape", verb, source, *words])
