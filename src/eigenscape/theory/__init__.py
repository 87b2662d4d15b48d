"""Closed forms and exact laws: what random-matrix theory says before any weight is read."""

from eigenscape.theory._hill import HillFit as HillFit
from eigenscape.theory._hill import alpha_hill as alpha_hill
from eigenscape.theory._hill import hill_shift as hill_shift
from eigenscape.theory._marchenko_pastur import MarchenkoPastur as MarchenkoPastur
from eigenscape.theory._marchenko_pastur import marchenko_pastur_alpha as marchenko_pastur_alpha
from eigenscape.theory._random_spectra import HillNull as HillNull
from eigenscape.theory._random_spectra import hill_null as hill_null
from eigenscape.theory._random_spectra import wishart_eigenvalues as wishart_eigenvalues
from eigenscape.theory._single_index import InitialGradient as InitialGradient
from eigenscape.theory._single_index import SingleIndexMoments as SingleIndexMoments
from eigenscape.theory._single_index import gaussian_mean as gaussian_mean
from eigenscape.theory._single_index import initial_gradient as initial_gradient
from eigenscape.theory._single_index import single_index_moments as single_index_moments
from eigenscape.theory._single_index_spike import FirstStep as FirstStep
from eigenscape.theory._single_index_spike import first_step as first_step
from eigenscape.theory._single_index_spike import sign_gain as sign_gain
from eigenscape.theory._single_index_spike import spike_overlap as spike_overlap
from eigenscape.theory._single_index_spike import spiked_singular_value as spiked_singular_value
from eigenscape.theory._spikes import noise_edge as noise_edge
from eigenscape.theory._spikes import spike_position as spike_position
from eigenscape.theory._spikes import spike_strength as spike_strength
from eigenscape.theory._spikes import tracy_widom_quantile as tracy_widom_quantile

__all__ = [
    "FirstStep",
    "HillFit",
    "HillNull",
    "InitialGradient",
    "MarchenkoPastur",
    "SingleIndexMoments",
    "alpha_hill",
    "first_step",
    "gaussian_mean",
    "hill_null",
    "hill_shift",
    "initial_gradient",
    "marchenko_pastur_alpha",
    "noise_edge",
    "sign_gain",
    "single_index_moments",
    "spike_overlap",
    "spike_position",
    "spike_strength",
    "spiked_singular_value",
    "tracy_widom_quantile",
    "wishart_eigenvalues",
]
