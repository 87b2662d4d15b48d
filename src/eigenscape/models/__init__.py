"""Models: a network with data, as functions of its parameters; and how networks are trained.

Functions of parameters
    :class:`Objective`, :class:`ParameterSpace`.
Language models
    :class:`LanguageModel`, its :class:`Perplexity` on :class:`Tokens`.
Training
    :func:`fit` (a :class:`Fit`; its :class:`TrainingLog`), :class:`Callback`, :class:`Recipe`,
    :class:`Schedule`, :func:`clipped`.
Seeds and modes
    :func:`build`, :func:`seeded`, :func:`mode_restored`.
"""

from eigenscape.models._callback import Callback as Callback
from eigenscape.models._fit import fit as fit
from eigenscape.models._fit_state import Fit as Fit
from eigenscape.models._fit_state import TrainingLog as TrainingLog
from eigenscape.models._language import LanguageModel as LanguageModel
from eigenscape.models._modes import BatchNormPolicy as BatchNormPolicy
from eigenscape.models._modes import mode_restored as mode_restored
from eigenscape.models._objective import Objective as Objective
from eigenscape.models._parameters import ParameterSpace as ParameterSpace
from eigenscape.models._perplexity import Perplexity as Perplexity
from eigenscape.models._random import build as build
from eigenscape.models._random import seeded as seeded
from eigenscape.models._recipe import Recipe as Recipe
from eigenscape.models._recipe import Schedule as Schedule
from eigenscape.models._recipe import clipped as clipped
from eigenscape.models._tokens import Tokens as Tokens

__all__ = [
    "BatchNormPolicy",
    "Callback",
    "Fit",
    "LanguageModel",
    "Objective",
    "ParameterSpace",
    "Perplexity",
    "Recipe",
    "Schedule",
    "Tokens",
    "TrainingLog",
    "build",
    "clipped",
    "fit",
    "mode_restored",
    "seeded",
]
