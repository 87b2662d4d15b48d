"""One piece of advice from the leaves of several trees."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eigenscape.diagnosis._labels import ACTION_OF, Labels
from eigenscape.diagnosis._leaves import LeafRecord

if TYPE_CHECKING:
    from eigenscape.diagnosis._population import Population
    from eigenscape.diagnosis._tree import MDTree

#: What is advised where no change gains more than the seed noise.
NOTHING = "nothing"
#: Configurations of a leaf below which its answer is not told: were all of five right, the 95 %
#: interval (Wilson) of how often it is would still reach down to .57, below the .60 that an outcome
#: needs (:attr:`eigenscape.stats.Precision.printed`); with six it is .61.
FEWEST = 6
_ACTION_BY = {"width": "widen", "data": "add data"}


class Advice(NamedTuple):
    """What to do.

    Args:
        action: ``"nothing"`` where the best gain is below the seed noise; None where no leaf names
            one.
        gain: its mean gain in the leaf that suggests it.
        ratio: the factor on the hyperparameter.
        place: the question and the description of that leaf; networks of one place are alike.
    """

    action: str | None
    gain: float
    ratio: float
    place: str = ""


def advise(
    leaves: Mapping[str, LeafRecord],
    noise: float = -math.inf,
    without: Collection[str] = (),
    told: Collection[str] | None = None,
) -> Advice:
    """Return the action of the largest mean gain among those that a leaf suggests.

    Each tree's leaf suggests the action that its answer names. Where the temperature tree alone
    was asked, its leaf decides on width and data too: what they gained in networks like this one.
    Where no change gained more than the seed noise in the temperature's leaf, nothing is advised.
    The study ``md_tree_population`` measures the gain of such advice.

    Args:
        leaves: question to the leaf that the model ends in.
        noise: the gain in points below which nothing is advised.
        without: actions on which the population has no data.
        told: the places of the leaves whose answer is told; None for all.
    """
    found: list[Advice] = []
    for question, leaf in leaves.items():
        place = place_of(question, leaf)
        named = [ACTION_OF[leaf.label]] if leaf.label in ACTION_OF else []
        if told is not None and place not in told:
            named = []
        if set(leaves) == {"temperature"}:
            named += ["widen", "add data"]
        if leaf.size >= FEWEST:
            found += [
                Advice(action, leaf.gains[action], leaf.ratios.get(action, math.nan), place)
                for action in named
                if action not in without and not math.isnan(leaf.gains[action])
            ]
    own = leaves.get("temperature")
    if own is not None and own.size >= FEWEST:
        most = max((g for a, g in own.gains.items() if a not in without and g == g), default=noise)
        if most < noise:
            return Advice(NOTHING, most, math.nan, place_of("temperature", own))
    best = max(found, key=lambda advice: advice.gain, default=Advice(None, math.nan, math.nan))
    return best if best.gain >= noise else Advice(None, math.nan, math.nan)


def advised(
    trees: Mapping[str, MDTree],
    models: Population,
    noise: float = -math.inf,
    told: Collection[str] | None = None,
    most: Mapping[str, float] | None = None,
) -> list[Advice]:
    """Return the advice for every configuration.

    Args:
        trees: question to its fitted tree.
        models: with the metrics of all trees.
        noise: as :func:`advise`.
        told: as :func:`advise`.
        most: the largest ``width`` and ``data`` of the population, beyond which nothing is known;
            None to advise these without end.
    """
    ends = {question: tree.leaf_of(models) for question, tree in trees.items()}
    found = []
    for i, (_, row) in enumerate(models.table.iterrows()):
        leaves = {name: tree.leaves[ends[name][i]] for name, tree in trees.items()}
        last = [_ACTION_BY[knob] for knob, end in (most or {}).items() if row[knob] >= end]
        found.append(advise(leaves, noise, last, told))
    return found


def place_of(question: str, leaf: LeafRecord) -> str:
    """Return the name of a leaf among those of all trees."""
    return f"{question}: {leaf.words}"


def advised_actions(trees: Mapping[str, MDTree], population: Population) -> Labels:
    """Return the advised action for every configuration, ``"none"`` where there is none.

    Args:
        trees: question to its fitted tree.
        population: with the metrics of all trees.
    """
    return np.array([found.action or "none" for found in advised(trees, population)])
