"""Landscapes: the loss around a model: grids, curvature, paths, similarity of models.

Directions
    :func:`random_directions`, :func:`trajectory_directions`, :func:`difference_directions`,
    :func:`plane_through` (all give :class:`Directions`).
Grids
    :func:`sample` (a :class:`Landscape`).
Curvature
    :func:`hessian` (a :class:`HessianResult`), :func:`top_eigenpairs`, :func:`hessian_trace`,
    :func:`hessian_traces` of k networks, :func:`spectral_density`.
Paths
    :func:`connect` (a :class:`PathResult`, under :class:`CurveOptions`),
    :func:`mode_connectivity`, :func:`mode_connectivity_peak`, :func:`path_barrier`,
    :func:`check_twins`, :func:`train_curves`, :func:`bezier_point`.
Similarity
    :func:`linear_cka`, :func:`model_cka`, :func:`cka_matrix`, :func:`mean_over_pairs`,
    :func:`mixup`, :func:`probe_inputs`.
"""

from eigenscape.landscape.curvature._density import spectral_density as spectral_density
from eigenscape.landscape.curvature._eigenpairs import top_eigenpairs as top_eigenpairs
from eigenscape.landscape.curvature._hessian import hessian as hessian
from eigenscape.landscape.curvature._hessian_result import HessianResult as HessianResult
from eigenscape.landscape.curvature._trace import hessian_trace as hessian_trace
from eigenscape.landscape.curvature._trace import hessian_traces as hessian_traces
from eigenscape.landscape.grid._direction_makers import (
    difference_directions as difference_directions,
)
from eigenscape.landscape.grid._direction_makers import plane_through as plane_through
from eigenscape.landscape.grid._direction_makers import random_directions as random_directions
from eigenscape.landscape.grid._directions import Directions as Directions
from eigenscape.landscape.grid._landscape import Landscape as Landscape
from eigenscape.landscape.grid._sample import sample as sample
from eigenscape.landscape.grid._trajectory import trajectory_directions as trajectory_directions
from eigenscape.landscape.paths._bend import bezier_point as bezier_point
from eigenscape.landscape.paths._bend import train_curves as train_curves
from eigenscape.landscape.paths._connect import connect as connect
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
from eigenscape.landscape.similarity._model_cka import cka_matrix as cka_matrix
from eigenscape.landscape.similarity._model_cka import mean_over_pairs as mean_over_pairs
from eigenscape.landscape.similarity._model_cka import model_cka as model_cka

__all__ = [
    "CurveOptions",
    "Directions",
    "HessianResult",
    "Landscape",
    "PathResult",
    "bezier_point",
    "check_twins",
    "cka_matrix",
    "connect",
    "difference_directions",
    "hessian",
    "hessian_trace",
    "hessian_traces",
    "linear_cka",
    "mean_over_pairs",
    "mixup",
    "mode_connectivity",
    "mode_connectivity_peak",
    "model_cka",
    "path_barrier",
    "plane_through",
    "probe_inputs",
    "random_directions",
    "sample",
    "spectral_density",
    "top_eigenpairs",
    "train_curves",
    "trajectory_directions",
]
