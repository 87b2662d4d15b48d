"""What a check-up says in all: the answers of its parts, and their findings in one order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from eigenscape.ablation import AblationResult
from eigenscape.results import Finding, named
from eigenscape.spectra import CERTAIN, LABELS, SpectraResult

if TYPE_CHECKING:
    from eigenscape.checkup._result import CheckupResult


def answer(result: CheckupResult) -> str:
    """One sentence; of networks side by side, the first of the statements."""
    if len(result.examined) > 1:
        return result.statements[0].text if result.statements else ""
    examined = next(iter(result.examined.values()))
    use = _use(result)
    if not use or "not-finite" in examined.summary["labels"]:
        return examined.answer
    return f"{examined.scope}: {use[0].use}; by their weights {examined.label_counts}."


def findings(result: CheckupResult) -> Iterator[Finding]:
    """The findings of all parts, no command twice."""
    seen: set[str] = set()
    for found in _ordered(result):
        if found.text not in seen:
            seen.add(found.text)
            yield found


def _ordered(result: CheckupResult) -> Iterator[Finding]:
    spectral = list(result.examined.items())
    broken: list[Finding] = []
    rest: list[Finding] = []
    for label, examined in spectral:
        for found in examined.findings:
            kept = broken if _is_certain(examined, found) else rest
            kept.append(_by_name(result, label, found))
    yield from broken
    yield from (one for one in result.statements if one.todo or one.is_advice)
    use = _use(result)
    if len(spectral) == 1:
        for measured in use:
            yield from _suspects(measured, spectral[0][1])
    around = [
        _by_name(result, label, found)
        for label, part in result.around.items()
        for found in part.findings
    ]
    if len(spectral) == 1:
        yield from around
    known = {layer.name for measured in use for layer in measured}
    asked = bool(use) or bool(around)  # what is left to do is then known better
    for found in rest:
        if not (found.todo and (set(found.layers) <= known if found.layers else asked)):
            yield found
    if len(spectral) > 1:
        yield from around


def _suspects(measured: AblationResult, examined: SpectraResult) -> Iterator[Finding]:
    """What the data say of layers whose spectrum raises the question whether they are used."""
    labels = {layer.name: layer.label for layer in examined}
    for label in ("rank-deficient", "random-like"):
        used = [one for one in measured.read_as("used") if labels.get(one.name) == label]
        if used:
            first = used[0]
            each = f"most {first.name}, " if len(used) > 1 else ""
            yield Finding(
                text=f"{LABELS[label][:1].upper()}{LABELS[label][1:]}, yet used: {named(used)} "
                f"({each}{measured.increase_words(first)} {measured.changed_words}).",
                basis="measurement",
                layers=tuple(one.name for one in used),
            )


def _use(result: CheckupResult) -> list[AblationResult]:
    return [one for one in result.around.values() if isinstance(one, AblationResult)]


def _is_certain(examined: SpectraResult, found: Finding) -> bool:
    """Whether a finding is of layers that are broken whatever the network is for."""
    return bool(found.layers) and examined[found.layers[0]].label in CERTAIN


def _by_name(result: CheckupResult, label: str, found: Finding) -> Finding:
    """Say of which network a finding and its layers are, where there are several."""
    if len(result.examined) == 1:
        return found
    layers = tuple(f"{label}: {name}" for name in found.layers)
    return replace(found, text=f"{label}: {found.text}", layers=layers)
