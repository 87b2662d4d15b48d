"""Models: networks with data, as functions of their parameters; and how networks are trained.

Functions of parameters
    :class:`Objective`: the loss of k networks of one architecture on fixed :class:`Data` (or
    :class:`NetworkData`, samples of each network's own), over a :class:`ParameterSpace`; under a
    :data:`BatchNormPolicy`; products with a :data:`Matrix`;
    :func:`sample_losses`, the :class:`SampleLosses` that it is the mean of, one
    for each :data:`Unit`.
Language models
    :class:`LanguageModel`, its :class:`Perplexity` on :class:`Tokens`.
Training
    :func:`fit` (a :class:`Fit`; its :class:`TrainingLog`), :class:`Callback`, :class:`Recipe`,
    :class:`Schedule`, :func:`clipped`; a :class:`Task` is what is trained.
A user's own file
    :func:`load_probe` calls a function of it, :func:`load_objective` makes an objective of the
    answer, or raises :class:`RefusedObjectiveError`.
Seeds and modes
    :func:`build`, :func:`seeded`; :func:`evaluating`, :func:`mode_restored`,
    :func:`twice_differentiable`, :func:`weight_normed`, :func:`device_of`, :func:`batch_norms`,
    :func:`batch_norm_statistics`; :func:`call_with` other tensors; :func:`code_of` an
    objective; :func:`tensors_of` a batch.
"""

from eigenscape.models._callback import Callback as Callback
from eigenscape.models._calls import Forward as Forward
from eigenscape.models._calls import Loss as Loss
from eigenscape.models._calls import call_with as call_with
from eigenscape.models._code import code_of as code_of
from eigenscape.models._data import Data as Data
from eigenscape.models._fit import fit as fit
from eigenscape.models._fit_state import Fit as Fit
from eigenscape.models._fit_state import TrainingLog as TrainingLog
from eigenscape.models._language import LanguageModel as LanguageModel
from eigenscape.models._modes import BatchNormPolicy as BatchNormPolicy
from eigenscape.models._modes import batch_norm_statistics as batch_norm_statistics
from eigenscape.models._modes import batch_norms as batch_norms
from eigenscape.models._modes import device_of as device_of
from eigenscape.models._modes import evaluating as evaluating
from eigenscape.models._modes import mode_restored as mode_restored
from eigenscape.models._modes import twice_differentiable as twice_differentiable
from eigenscape.models._modes import weight_normed as weight_normed
from eigenscape.models._nested import Batch as Batch
from eigenscape.models._nested import tensors_of as tensors_of
from eigenscape.models._network_data import NetworkData as NetworkData
from eigenscape.models._objective import Matrix as Matrix
from eigenscape.models._objective import Objective as Objective
from eigenscape.models._parameters import ParameterSpace as ParameterSpace
from eigenscape.models._perplexity import Perplexity as Perplexity
from eigenscape.models._probe import RefusedObjectiveError as RefusedObjectiveError
from eigenscape.models._probe import load_objective as load_objective
from eigenscape.models._probe import load_probe as load_probe
from eigenscape.models._probe import usable_device as usable_device
from eigenscape.models._random import build as build
from eigenscape.models._random import seeded as seeded
from eigenscape.models._recipe import Recipe as Recipe
from eigenscape.models._recipe import Schedule as Schedule
from eigenscape.models._recipe import clipped as clipped
from eigenscape.models._sample_losses import SampleLosses as SampleLosses
from eigenscape.models._sample_losses import Unit as Unit
from eigenscape.models._sample_losses import sample_losses as sample_losses
from eigenscape.models._task import Task as Task
from eigenscape.models._tokens import Tokens as Tokens

__all__ = [
    "Batch",
    "BatchNormPolicy",
    "Callback",
    "Data",
    "Fit",
    "Forward",
    "LanguageModel",
    "Loss",
    "Matrix",
    "NetworkData",
    "Objective",
    "ParameterSpace",
    "Perplexity",
    "Recipe",
    "RefusedObjectiveError",
    "SampleLosses",
    "Schedule",
    "Task",
    "Tokens",
    "TrainingLog",
    "Unit",
    "batch_norm_statistics",
    "batch_norms",
    "build",
    "call_with",
    "clipped",
    "code_of",
    "device_of",
    "evaluating",
    "fit",
    "load_objective",
    "load_probe",
    "mode_restored",
    "sample_losses",
    "seeded",
    "tensors_of",
    "twice_differentiable",
    "usable_device",
    "weight_normed",
]
