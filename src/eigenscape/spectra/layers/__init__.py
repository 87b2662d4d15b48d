"""Which tensors are weight matrices, and how: one small file for each family of layers.

The order of these imports is the order of precedence, from the most general to the most special:
the handler registered last is asked first.
"""

# ruff: noqa: I001
from eigenscape.spectra.layers import _linear
from eigenscape.spectra.layers import _convolution
from eigenscape.spectra.layers import _experts
from eigenscape.spectra.layers import _embedding
from eigenscape.spectra.layers import _spectral_convolution
from eigenscape.spectra.layers import _attention
from eigenscape.spectra.layers import _recurrent
from eigenscape.spectra.layers import _lora
from eigenscape.spectra.layers import _refused
from eigenscape.spectra.layers import _declared
from eigenscape.spectra.layers._registry import layer_handler as layer_handler
from eigenscape.spectra.layers._registry import read_tensor as read_tensor

__all__ = ["layer_handler", "read_tensor"]

_FAMILIES = (
    _linear, _convolution, _experts, _embedding, _spectral_convolution, _attention, _recurrent,
    _lora, _refused, _declared,
)  # fmt: skip
