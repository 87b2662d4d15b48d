"""eigenscape: what state is a trained neural network in, why, and what to do about it.

The packages are imported on first use, so that ``import eigenscape`` stays cheap::

    import eigenscape as es
    result = es.analyze("model.safetensors")   # the layer table, with an interval on every alpha
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eigenscape.checkpoints import open_checkpoint as open_checkpoint
    from eigenscape.checkup import checkup as checkup
    from eigenscape.spectra import SpectralMonitor as SpectralMonitor
    from eigenscape.spectra import analyze as analyze
    from eigenscape.spectra import compare as compare

try:
    __version__ = version("eigenscape")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

_HOMES = {
    "SpectralMonitor": "spectra",
    "analyze": "spectra",
    "checkup": "checkup",
    "compare": "spectra",
    "open_checkpoint": "checkpoints",
}

__all__ = ["SpectralMonitor", "__version__", "analyze", "checkup", "compare", "open_checkpoint"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'eigenscape' has no attribute {name!r}")
    return getattr(import_module(f"eigenscape.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
