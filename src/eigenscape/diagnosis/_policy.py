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

#: Configurations of a leaf below which its mean gain says nothing.
_FEWEST = 3


class Advice(NamedTuple):
    """What to do.

    Args:
        action: None where no leaf names one.
        gain: its mean gain in the leaf that suggests it.
        ratio: the factor on the hyperparameter, the leaf's median.
    """

    action: str | None
    gain: float
    ratio: float


def advise(leaves: Mapping[str, LeafRecord], without: Collection[str] = ()) -> Advice:
    """Return the action of the largest mean gain among those that a leaf suggests.

    Each tree's leaf suggests the action that its answer names. Where the temperature tree alone
    was asked, its leaf decides on width and data too: what they gained in networks like this one.
    The study ``md_tree_population`` measures the gain of such advice.

    Args:
        leaves: question to the leaf that the model ends in.
        without: actions on which the population has no data.
    """
    found: list[Advice] = []
    for leaf in leaves.values():
        named = ACTION_OF.get(leaf.label)
        if named is not None and named not in without and leaf.size >= _FEWEST:
            found.append(_of(leaf, named))
    if set(leaves) == {"temperature"} and leaves["temperature"].size >= _FEWEST:
        others = [action for action in ("widen", "add data") if action not in without]
        found += [_of(leaves["temperature"], action) for action in others]
    return max(found, key=lambda advice: advice.gain, default=Advice(None, math.nan, math.nan))


def _of(leaf: LeafRecord, action: str) -> Advice:
    return Advice(action, leaf.gains[action], leaf.ratios.get(action, math.nan))


def advised_actions(trees: Mapping[str, MDTree], population: Population) -> Labels:
    """Return the advised action for every configuration, ``"none"`` where there is none.

    Args:
        trees: question to its fitted tree.
        population: with the metrics of all trees.
    """
    places = {question: tree.leaf_of(population) for question, tree in trees.items()}
    found = [
        advise({question: tree.leaves[places[question][i]] for question, tree in trees.items()})
        for i in range(len(population))
    ]
    return np.array([advice.action or "none" for advice in found])
