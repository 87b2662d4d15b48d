"""Spectra: layer -> matrices -> eigenvalues -> metrics, each with its interval and evidence."""

from eigenscape.spectra._analyze import analyze as analyze
from eigenscape.spectra._callbacks import MonitorCallback as MonitorCallback
from eigenscape.spectra._callbacks import trainer_callback as trainer_callback
from eigenscape.spectra._compare import ComparisonResult as ComparisonResult
from eigenscape.spectra._compare import LayerChange as LayerChange
from eigenscape.spectra._compare import compare as compare
from eigenscape.spectra._description import CERTAIN as CERTAIN
from eigenscape.spectra._description import LABELS as LABELS
from eigenscape.spectra._examine import examine as examine
from eigenscape.spectra._groups import LayerGroup as LayerGroup
from eigenscape.spectra._groups import name_numbers as name_numbers
from eigenscape.spectra._groups import name_pattern as name_pattern
from eigenscape.spectra._layer import NUMBERS as NUMBERS
from eigenscape.spectra._layer import LayerSpectrum as LayerSpectrum
from eigenscape.spectra._monitor import SpectralMonitor as SpectralMonitor
from eigenscape.spectra._monitor import tensorboard_sink as tensorboard_sink
from eigenscape.spectra._options import SpectraOptions as SpectraOptions
from eigenscape.spectra._overlap import TopVectors as TopVectors
from eigenscape.spectra._overlap import decompose as decompose
from eigenscape.spectra._overlap import overlap as overlap
from eigenscape.spectra._own_reference import add_to_reference as add_to_reference
from eigenscape.spectra._own_reference import remove_from_reference as remove_from_reference
from eigenscape.spectra._place import Place as Place
from eigenscape.spectra._place import Placement as Placement
from eigenscape.spectra._precisions import precisions as precisions
from eigenscape.spectra._recorder import UpdateRecorder as UpdateRecorder
from eigenscape.spectra._reference import Reference as Reference
from eigenscape.spectra._reference import reference as reference
from eigenscape.spectra._reference_model import MeasuredWith as MeasuredWith
from eigenscape.spectra._reference_model import ReferenceModel as ReferenceModel
from eigenscape.spectra._result import SpectraResult as SpectraResult
from eigenscape.spectra.metrics._bulk import fit_bulk as fit_bulk
from eigenscape.spectra.metrics._norms import stable_rank as stable_rank
from eigenscape.spectra.metrics._power_law import fit_power_law as fit_power_law
from eigenscape.spectra.metrics._registry import METRICS as METRICS
from eigenscape.spectra.metrics._registry import MetricContext as MetricContext
from eigenscape.spectra.metrics._registry import costly_metrics as costly_metrics
from eigenscape.spectra.metrics._registry import metric as metric
from eigenscape.spectra.metrics._table import hill_numbers as hill_numbers
from eigenscape.spectra.metrics._table import standard_error as standard_error

__all__ = [
    "CERTAIN",
    "LABELS",
    "METRICS",
    "NUMBERS",
    "ComparisonResult",
    "LayerChange",
    "LayerGroup",
    "LayerSpectrum",
    "MeasuredWith",
    "MetricContext",
    "MonitorCallback",
    "Place",
    "Placement",
    "Reference",
    "ReferenceModel",
    "SpectraOptions",
    "SpectraResult",
    "SpectralMonitor",
    "TopVectors",
    "UpdateRecorder",
    "add_to_reference",
    "analyze",
    "compare",
    "costly_metrics",
    "decompose",
    "examine",
    "fit_bulk",
    "fit_power_law",
    "hill_numbers",
    "metric",
    "name_numbers",
    "name_pattern",
    "overlap",
    "precisions",
    "reference",
    "remove_from_reference",
    "stable_rank",
    "standard_error",
    "tensorboard_sink",
    "trainer_callback",
]
