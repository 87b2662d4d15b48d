"""Allocation: a metric for each layer gives a budget for each layer, exact in its total.

:func:`allocate` turns a table of numbers or a spectral examination into an :class:`Allocation`
of learning rates, sparsities, experts, ranks or bits, by the rule of a paper or by a control;
:func:`read_metric` reads such a table from a JSON file. An :class:`Allocation` has one budget for
each layer, the parameter groups of an optimizer, the entries to prune, a table, a picture and a
file; :data:`GROUPINGS` are the ways in which layers share a budget.
"""

from eigenscape.allocation._allocate import allocate as allocate
from eigenscape.allocation._allocation import Allocation as Allocation
from eigenscape.allocation._layers import GROUPINGS as GROUPINGS
from eigenscape.allocation._read import read_metric as read_metric

__all__ = [
    "GROUPINGS",
    "Allocation",
    "allocate",
    "read_metric",
]
