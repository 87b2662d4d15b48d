"""Spectra: layer -> matrices -> eigenvalues -> metrics, each with its interval and its grounds."""

from eigenscape.spectra._analyze import analyze as analyze
from eigenscape.spectra._callback import MonitorCallback as MonitorCallback
from eigenscape.spectra._compare import ComparisonResult as ComparisonResult
from eigenscape.spectra._compare import LayerChange as LayerChange
from eigenscape.spectra._compare import compare as compare
from eigenscape.spectra._layer import Histogram as Histogram
from eigenscape.spectra._layer import LayerSpectrum as LayerSpectrum
from eigenscape.spectra._monitor import SpectralMonitor as SpectralMonitor
from eigenscape.spectra._monitor import tensorboard_sink as tensorboard_sink
from eigenscape.spectra._overlap import Overlap as Overlap
from eigenscape.spectra._overlap import TopVectors as TopVectors
from eigenscape.spectra._overlap import decompose as decompose
from eigenscape.spectra._overlap import overlap as overlap
from eigenscape.spectra._plot import plot_spectrum as plot_spectrum
from eigenscape.spectra._recorder import UpdateRecorder as UpdateRecorder
from eigenscape.spectra._result import SpectraResult as SpectraResult
from eigenscape.spectra._trainer import trainer_callback as trainer_callback
from eigenscape.spectra._verdict import HEALTHY_ALPHA as HEALTHY_ALPHA
from eigenscape.spectra._verdict import LABELS as LABELS
from eigenscape.spectra._verdict import Verdict as Verdict

__all__ = [
    "HEALTHY_ALPHA",
    "LABELS",
    "ComparisonResult",
    "Histogram",
    "LayerChange",
    "LayerSpectrum",
    "MonitorCallback",
    "Overlap",
    "SpectraResult",
    "SpectralMonitor",
    "TopVectors",
    "UpdateRecorder",
    "Verdict",
    "analyze",
    "compare",
    "decompose",
    "overlap",
    "plot_spectrum",
    "tensorboard_sink",
    "trainer_callback",
]
