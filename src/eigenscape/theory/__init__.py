"""Closed forms and exact laws: what random-matrix theory says before any weight is read."""

from eigenscape.theory._marchenko_pastur import MarchenkoPastur as MarchenkoPastur
from eigenscape.theory._marchenko_pastur import marchenko_pastur_alpha as marchenko_pastur_alpha
from eigenscape.theory._random_spectra import HillNull as HillNull
from eigenscape.theory._random_spectra import hill_null as hill_null
from eigenscape.theory._random_spectra import wishart_eigenvalues as wishart_eigenvalues
from eigenscape.theory._spikes import noise_edge as noise_edge
from eigenscape.theory._spikes import spike_position as spike_position
from eigenscape.theory._spikes import spike_strength as spike_strength
from eigenscape.theory._spikes import tracy_widom_quantile as tracy_widom_quantile

__all__ = [
    "HillNull",
    "MarchenkoPastur",
    "hill_null",
    "marchenko_pastur_alpha",
    "noise_edge",
    "spike_position",
    "spike_strength",
    "tracy_widom_quantile",
    "wishart_eigenvalues",
]
