"""Balancing: a learning rate for each layer while a network trains, on any scheduler.

Balancing
    :class:`TempBalance` measures the spectra of a training network at intervals, and multiplies
    each layer's learning rate within ``optimizer.step()``; :class:`BalanceCallback` does it within
    :func:`eigenscape.models.fit`, :func:`balance_callback` within the Hugging Face Trainer.
Results
    A :class:`BalancingTrace` has one row for each layer and update, a picture and a file.
Beside it
    :class:`SpectralNormRegularizer` penalizes the largest singular value of every matrix.
"""

from eigenscape.balancing._callbacks import BalanceCallback as BalanceCallback
from eigenscape.balancing._callbacks import balance_callback as balance_callback
from eigenscape.balancing._spectral_norm import SpectralNormRegularizer as SpectralNormRegularizer
from eigenscape.balancing._tempbalance import TempBalance as TempBalance
from eigenscape.balancing._trace import BalancingTrace as BalancingTrace

__all__ = [
    "BalanceCallback",
    "BalancingTrace",
    "SpectralNormRegularizer",
    "TempBalance",
    "balance_callback",
]
