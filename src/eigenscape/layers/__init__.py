"""Layers: which tensors are weight matrices and how, repeated blocks, and eigenvalues.

Finding layers
    :func:`find_layers` gives every tensor of a checkpoint a place: in a :class:`LayerMatrix`, or as
    :class:`Skipped` with the reason; :class:`LayerOptions` says which layers, and as what.
Adding kinds
    :func:`handler` registers a function that reads a :class:`Candidate`; :data:`HANDLERS` has them
    in the order in which they are asked.
Blocks
    :func:`blocks` recognises the repeated units of a network, :func:`role` what a layer does in it.
Eigenvalues
    :func:`eigenvalues` solves a stack of matrices, and its :class:`Spectrum` says how far to trust
    each value.
"""

from eigenscape.layers import (
    _adapters,
    _convolution,
    _declared,
    _linear,
    _lora,
    _packed,
    _refused,
)
from eigenscape.layers._blocks import blocks as blocks
from eigenscape.layers._find import FoundLayers as FoundLayers
from eigenscape.layers._find import find_layers as find_layers
from eigenscape.layers._handlers import HANDLERS as HANDLERS
from eigenscape.layers._handlers import handler as handler
from eigenscape.layers._matrix import Candidate as Candidate
from eigenscape.layers._matrix import LayerMatrix as LayerMatrix
from eigenscape.layers._matrix import Skipped as Skipped
from eigenscape.layers._options import LayerOptions as LayerOptions
from eigenscape.layers._role import role as role
from eigenscape.layers._solver import NonFiniteError as NonFiniteError
from eigenscape.layers._solver import Spectrum as Spectrum
from eigenscape.layers._solver import eigenvalues as eigenvalues

__all__ = [
    "HANDLERS",
    "Candidate",
    "FoundLayers",
    "LayerMatrix",
    "LayerOptions",
    "NonFiniteError",
    "Skipped",
    "Spectrum",
    "blocks",
    "eigenvalues",
    "find_layers",
    "handler",
    "role",
]

#: The families that register their handlers when this package is imported.
_FAMILIES = (_declared, _refused, _lora, _adapters, _packed, _convolution, _linear)
