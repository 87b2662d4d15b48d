"""What an ablation says in all: what the network uses on the data, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from eigenscape.results import Finding, counted, named

if TYPE_CHECKING:
    from eigenscape.ablation._result import AblatedLayer, AblationResult


def use(result: AblationResult) -> str:
    """How many layers the network uses, of how many, on how many data."""
    in_all = len(result) + len(result.left_out)
    of = f"{len(result)} changed layers (of {in_all})" if result.left_out else f"{in_all} layers"
    parts = [f"{len(result.read_as('unused'))} unused"]
    if result.read_as("better without"):
        parts.append(f"{len(result.read_as('better without'))} better shuffled")
    if result.read_as("not certain"):
        parts.append(f"{len(result.read_as('not certain'))} not certain")
    return (
        f"on {result.data_words} (loss {result.base_loss:.4g}) the network uses "
        f"{len(result.read_as('used'))} of {of}, {', '.join(parts)}"
    )


def findings(result: AblationResult) -> Iterator[Finding]:
    """What may be removed first, then what is not certain, then what most depends on."""
    unused, better = result.read_as("unused"), result.read_as("better without")
    if unused:
        yield Finding(
            text=f"{counted(len(unused), 'layer')} unused on these data: {named(unused)} "
            f"(within {result.nothing:.2g}{result.loss_unit} {result.changed_words}).",
            basis="measurement",
            todo="Measure on more data before you prune",
            layers=_names(unused),
        )
    if better:
        least = better[-1]
        yield Finding(
            text=f"The loss is lower without {named(better)}: {result.increase_words(least)} "
            f"{result.changed_words} ({least.name}).",
            basis="measurement",
            todo="Measure on more data",
            layers=_names(better),
        )
    unsure = result.read_as("not certain")
    if unsure:
        yield Finding(
            text=f"Use not certain of {counted(len(unsure), 'layer')}: {named(unsure)}.",
            basis="measurement",
            todo="Take more data",
            layers=_names(unsure),
        )
    used = result.read_as("used")
    if used:
        most = used[0]
        yield Finding(
            text=f"Most depends on {most.name}: {result.increase_words(most)} "
            f"{result.changed_words}.",
            basis="measurement",
            layers=(most.name,),
        )


def _names(layers: tuple[AblatedLayer, ...]) -> tuple[str, ...]:
    return tuple(one.name for one in layers)
