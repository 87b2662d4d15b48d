"""Landscapes: the loss around a model, seen on grids, through its curvature, and along paths.

Directions
    :func:`random_directions`, :func:`hessian_directions`, :func:`trajectory_directions`,
    :func:`difference_directions`, :func:`plane_through` (all give :class:`Directions`),
    :func:`rayleigh_quotients`, :data:`Normalization`, :data:`Unit`.
Grids
    :func:`sample` (a :class:`Landscape`; :class:`Estimate` of its cost).
Curvature
    :func:`hessian` (a :class:`HessianResult`), :func:`top_eigenpairs` (:class:`Eigenpairs`),
    :func:`hessian_trace` (a :class:`TraceEstimate` of :class:`GroupTrace`),
    :func:`hessian_traces` of k networks, :func:`spectral_density`
    (a :class:`SpectralDensity`).
Paths
    :func:`connect` (a :class:`PathResult` of :class:`PathValues`, under :class:`CurveOptions`),
    :func:`mode_connectivity`, :func:`mode_connectivity_peak`, :func:`path_barrier`,
    :func:`classification_error`, :func:`check_twins`, :func:`train_curves`,
    :func:`bezier_point`, :func:`bend_share`, :func:`bend_rate`.
Similarity
    :func:`linear_cka`, :func:`model_cka` (a :class:`ModelCKA`), :func:`cka_matrix`,
    :func:`mean_over_pairs`, :func:`parameter_distance`, :func:`mixup`, :func:`probe_inputs`.
"""

from eigenscape.landscape.curvature._density import SpectralDensity as SpectralDensity
from eigenscape.landscape.curvature._density import spectral_density as spectral_density
from eigenscape.landscape.curvature._eigenpairs import Eigenpairs as Eigenpairs
from eigenscape.landscape.curvature._eigenpairs import top_eigenpairs as top_eigenpairs
from eigenscape.landscape.curvature._hessian import hessian as hessian
from eigenscape.landscape.curvature._hessian_result import HessianResult as HessianResult
from eigenscape.landscape.curvature._trace import GroupTrace as GroupTrace
from eigenscape.landscape.curvature._trace import TraceEstimate as TraceEstimate
from eigenscape.landscape.curvature._trace import hessian_trace as hessian_trace
from eigenscape.landscape.curvature._trace import hessian_traces as hessian_traces
from eigenscape.landscape.grid._direction_makers import (
    difference_directions as difference_directions,
)
from eigenscape.landscape.grid._direction_makers import hessian_directions as hessian_directions
from eigenscape.landscape.grid._direction_makers import plane_through as plane_through
from eigenscape.landscape.grid._direction_makers import random_directions as random_directions
from eigenscape.landscape.grid._direction_makers import rayleigh_quotients as rayleigh_quotients
from eigenscape.landscape.grid._direction_scale import Normalization as Normalization
from eigenscape.landscape.grid._directions import Directions as Directions
from eigenscape.landscape.grid._directions import Unit as Unit
from eigenscape.landscape.grid._landscape import Landscape as Landscape
from eigenscape.landscape.grid._sample import sample as sample
from eigenscape.landscape.grid._sample_estimate import Estimate as Estimate
from eigenscape.landscape.grid._trajectory import trajectory_directions as trajectory_directions
from eigenscape.landscape.paths._bend import bend_rate as bend_rate
from eigenscape.landscape.paths._bend import bend_share as bend_share
from eigenscape.landscape.paths._bend import bezier_point as bezier_point
from eigenscape.landscape.paths._bend import train_curves as train_curves
from eigenscape.landscape.paths._connect import connect as connect
from eigenscape.landscape.paths._path import PathValues as PathValues
from eigenscape.landscape.paths._path_metrics import (
    classification_error as classification_error,
)
from eigenscape.landscape.paths._path_metrics import mode_connectivity as mode_connectivity
from eigenscape.landscape.paths._path_metrics import (
    mode_connectivity_peak as mode_connectivity_peak,
)
from eigenscape.landscape.paths._path_metrics import path_barrier as path_barrier
from eigenscape.landscape.paths._path_result import CurveOptions as CurveOptions
from eigenscape.landscape.paths._path_result import PathResult as PathResult
from eigenscape.landscape.paths._twin_check import check_twins as check_twins
from eigenscape.landscape.similarity._cka import linear_cka as linear_cka
from eigenscape.landscape.similarity._features import mixup as mixup
from eigenscape.landscape.similarity._features import probe_inputs as probe_inputs
from eigenscape.landscape.similarity._model_cka import ModelCKA as ModelCKA
from eigenscape.landscape.similarity._model_cka import cka_matrix as cka_matrix
from eigenscape.landscape.similarity._model_cka import mean_over_pairs as mean_over_pairs
from eigenscape.landscape.similarity._model_cka import model_cka as model_cka
from eigenscape.landscape.similarity._model_cka import parameter_distance as parameter_distance

__all__ = [
    "CurveOptions",
    "Directions",
    "Eigenpairs",
    "Estimate",
    "GroupTrace",
    "HessianResult",
    "Landscape",
    "ModelCKA",
    "Normalization",
    "PathResult",
    "PathValues",
    "SpectralDensity",
    "TraceEstimate",
    "Unit",
    "bend_rate",
    "bend_share",
    "bezier_point",
    "check_twins",
    "cka_matrix",
    "classification_error",
    "connect",
    "difference_directions",
    "hessian",
    "hessian_directions",
    "hessian_trace",
    "hessian_traces",
    "linear_cka",
    "mean_over_pairs",
    "mixup",
    "mode_connectivity",
    "mode_connectivity_peak",
    "model_cka",
    "parameter_distance",
    "path_barrier",
    "plane_through",
    "probe_inputs",
    "random_directions",
    "rayleigh_quotients",
    "sample",
    "spectral_density",
    "top_eigenpairs",
    "train_curves",
    "trajectory_directions",
]
