"""Pruning: an allocation says how many weights of each matrix become zero, a criterion which.

:func:`prune` takes a module with calibration data and :class:`PruneOptions`, and returns a
:class:`Pruning` with a :class:`PrunedLayer` for each matrix; :func:`prune_folder` takes a Hugging
Face folder of any size, one block in memory at a time. :data:`CRITERIA` choose which weights
of a matrix go, :data:`ALLOCATIONS` how many of each; :func:`find_targets` says beforehand what a
network loses weights in.
"""

from eigenscape.pruning._allocations import ALLOCATIONS as ALLOCATIONS
from eigenscape.pruning._criteria import CRITERIA as CRITERIA
from eigenscape.pruning._folder import prune_folder as prune_folder
from eigenscape.pruning._prune import PruneOptions as PruneOptions
from eigenscape.pruning._prune import prune as prune
from eigenscape.pruning._result import PrunedLayer as PrunedLayer
from eigenscape.pruning._result import Pruning as Pruning
from eigenscape.pruning._targets import find_targets as find_targets

__all__ = [
    "ALLOCATIONS",
    "CRITERIA",
    "PruneOptions",
    "PrunedLayer",
    "Pruning",
    "find_targets",
    "prune",
    "prune_folder",
]
