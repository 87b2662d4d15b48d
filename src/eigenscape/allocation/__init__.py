"""Allocation: a metric for each layer becomes a budget for each layer, exact in its total.

Making one
    :func:`allocate` turns a table of numbers or a spectral examination into an :class:`Allocation`
    of learning rates, sparsities, experts, ranks or bits, by the rule of a paper or by a control;
    :func:`read_metric` reads such a table from a JSON file.
What it holds
    An :class:`Allocation` has one :class:`LayerBudget` for each layer, the parameter groups of an
    optimizer, the entries to prune, a table, a picture and a file.
What there is to choose
    :data:`KINDS`, :data:`RULES`, :data:`METHODS`, :data:`CONTROLS` and :data:`GROUPINGS`.
"""

from eigenscape.allocation._allocate import allocate as allocate
from eigenscape.allocation._allocation import Allocation as Allocation
from eigenscape.allocation._allocation import LayerBudget as LayerBudget
from eigenscape.allocation._layers import GROUPINGS as GROUPINGS
from eigenscape.allocation._read import read_metric as read_metric
from eigenscape.allocation._request import KINDS as KINDS
from eigenscape.allocation._rules import CONTROLS as CONTROLS
from eigenscape.allocation._rules import METHODS as METHODS
from eigenscape.allocation._rules import RULES as RULES

__all__ = [
    "CONTROLS",
    "GROUPINGS",
    "KINDS",
    "METHODS",
    "RULES",
    "Allocation",
    "LayerBudget",
    "allocate",
    "read_metric",
]
