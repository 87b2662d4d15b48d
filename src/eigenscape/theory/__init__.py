"""Closed forms and exact laws: what random-matrix theory predicts before any weight is read."""

from eigenscape.theory._hill import alpha_hill as alpha_hill
from eigenscape.theory._hill import hill_shift as hill_shift
from eigenscape.theory._hill_null import hill_null as hill_null
from eigenscape.theory._marchenko_pastur import MarchenkoPastur as MarchenkoPastur
from eigenscape.theory._marchenko_pastur import marchenko_pastur_alpha as marchenko_pastur_alpha
from eigenscape.theory._marchenko_pastur import marchenko_pastur_median as marchenko_pastur_median
from eigenscape.theory._random_spectra import wishart_eigenvalues as wishart_eigenvalues
from eigenscape.theory._single_index import SingleIndexMoments as SingleIndexMoments
from eigenscape.theory._single_index import single_index_moments as single_index_moments
from eigenscape.theory._single_index_spike import FirstStep as FirstStep
from eigenscape.theory._single_index_spike import first_step as first_step
from eigenscape.theory._spikes import noise_edge as noise_edge
from eigenscape.theory._spikes import spike_edge as spike_edge
from eigenscape.theory._spikes import spike_strength as spike_strength

__all__ = [
    "FirstStep",
    "MarchenkoPastur",
    "SingleIndexMoments",
    "alpha_hill",
    "first_step",
    "hill_null",
    "hill_shift",
    "marchenko_pastur_alpha",
    "marchenko_pastur_median",
    "noise_edge",
    "single_index_moments",
    "spike_edge",
    "spike_strength",
    "wishart_eigenvalues",
]
