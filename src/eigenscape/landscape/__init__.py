"""Landscapes: the loss around a model, seen on grids, through its curvature, and along paths.

The loss
    :class:`Objective`, :class:`ParameterSpace`, :data:`BatchNormPolicy`.
"""

from eigenscape.landscape._modes import BatchNormPolicy as BatchNormPolicy
from eigenscape.landscape._objective import Objective as Objective
from eigenscape.landscape._parameters import ParameterSpace as ParameterSpace

__all__ = [
    "BatchNormPolicy",
    "Objective",
    "ParameterSpace",
]
