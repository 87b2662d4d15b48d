"""Metrics of one spectrum: pure functions of its eigenvalues, and the table that they fill."""

from eigenscape.spectra.metrics import _table
from eigenscape.spectra.metrics._bulk import BulkFit as BulkFit
from eigenscape.spectra.metrics._bulk import fit_bulk as fit_bulk
from eigenscape.spectra.metrics._norms import erg_tail as erg_tail
from eigenscape.spectra.metrics._norms import log_alpha_norm as log_alpha_norm
from eigenscape.spectra.metrics._norms import spectral_entropy as spectral_entropy
from eigenscape.spectra.metrics._norms import stable_rank as stable_rank
from eigenscape.spectra.metrics._power_law import PowerLawFit as PowerLawFit
from eigenscape.spectra.metrics._power_law import TruncatedFit as TruncatedFit
from eigenscape.spectra.metrics._power_law import fit_power_law as fit_power_law
from eigenscape.spectra.metrics._power_law import fit_truncated_power_law as fit_truncated_power_law
from eigenscape.spectra.metrics._registry import METRICS as METRICS
from eigenscape.spectra.metrics._registry import MetricContext as MetricContext
from eigenscape.spectra.metrics._registry import costly_metrics as costly_metrics
from eigenscape.spectra.metrics._registry import is_flat as is_flat
from eigenscape.spectra.metrics._registry import metric as metric
from eigenscape.spectra.metrics._shuffle import Shuffled as Shuffled
from eigenscape.spectra.metrics._shuffle import compare_shuffled as compare_shuffled
from eigenscape.spectra.metrics._shuffle import shuffled_stack as shuffled_stack

__all__ = [
    "METRICS",
    "BulkFit",
    "MetricContext",
    "PowerLawFit",
    "Shuffled",
    "TruncatedFit",
    "compare_shuffled",
    "costly_metrics",
    "erg_tail",
    "fit_bulk",
    "fit_power_law",
    "fit_truncated_power_law",
    "is_flat",
    "log_alpha_norm",
    "metric",
    "shuffled_stack",
    "spectral_entropy",
    "stable_rank",
]

#: Registers the metrics of this package.
_OWN = _table
