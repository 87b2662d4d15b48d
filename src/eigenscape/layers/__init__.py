"""Which tensors are weight matrices, and how: one small file for each family of layers.

The order of these imports is the order of precedence, from the most general to the most special:
the handler registered last is asked first.
"""

# ruff: noqa: I001
from eigenscape.layers import _linear
from eigenscape.layers import _convolution
from eigenscape.layers import _experts
from eigenscape.layers import _embedding
from eigenscape.layers import _spectral_convolution
from eigenscape.layers import _attention
from eigenscape.layers import _recurrent
from eigenscape.layers import _lora
from eigenscape.layers import _refused
from eigenscape.layers import _declared
from eigenscape.layers._matrix import Candidate as Candidate
from eigenscape.layers._matrix import LayerMatrix as LayerMatrix
from eigenscape.layers._matrix import Skipped as Skipped
from eigenscape.layers._options import COSTLY_METRICS as COSTLY_METRICS
from eigenscape.layers._options import SpectraOptions as SpectraOptions
from eigenscape.layers._registry import layer_handler as layer_handler
from eigenscape.layers._registry import read_tensor as read_tensor

__all__ = [
    "COSTLY_METRICS",
    "Candidate",
    "LayerMatrix",
    "Skipped",
    "SpectraOptions",
    "layer_handler",
    "read_tensor",
]

_FAMILIES = (
    _linear, _convolution, _experts, _embedding, _spectral_convolution, _attention, _recurrent,
    _lora, _refused, _declared,
)  # fmt: skip
