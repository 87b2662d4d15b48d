"""Metrics of one spectrum: pure functions of its eigenvalues."""

from eigenscape.spectra.metrics._bulk import BulkFit as BulkFit
from eigenscape.spectra.metrics._bulk import fit_bulk as fit_bulk
from eigenscape.spectra.metrics._hill import HillFit as HillFit
from eigenscape.spectra.metrics._hill import alpha_hill as alpha_hill
from eigenscape.spectra.metrics._norms import erg_tail as erg_tail
from eigenscape.spectra.metrics._norms import log_alpha_norm as log_alpha_norm
from eigenscape.spectra.metrics._norms import spectral_entropy as spectral_entropy
from eigenscape.spectra.metrics._norms import stable_rank as stable_rank
from eigenscape.spectra.metrics._power_law import PowerLawFit as PowerLawFit
from eigenscape.spectra.metrics._power_law import fit_power_law as fit_power_law
from eigenscape.spectra.metrics._shuffle import Shuffled as Shuffled
from eigenscape.spectra.metrics._shuffle import compare_shuffled as compare_shuffled
from eigenscape.spectra.metrics._shuffle import shuffled_stack as shuffled_stack
from eigenscape.spectra.metrics._truncated import TruncatedFit as TruncatedFit
from eigenscape.spectra.metrics._truncated import fit_truncated_power_law as fit_truncated_power_law

__all__ = [
    "BulkFit",
    "HillFit",
    "PowerLawFit",
    "Shuffled",
    "TruncatedFit",
    "alpha_hill",
    "compare_shuffled",
    "erg_tail",
    "fit_bulk",
    "fit_power_law",
    "fit_truncated_power_law",
    "log_alpha_norm",
    "shuffled_stack",
    "spectral_entropy",
    "stable_rank",
]
