"""Models: a network with data, as functions of its parameters."""

from eigenscape.models._modes import BatchNormPolicy as BatchNormPolicy
from eigenscape.models._objective import Objective as Objective
from eigenscape.models._parameters import ParameterSpace as ParameterSpace
from eigenscape.models._random import build as build

__all__ = ["BatchNormPolicy", "Objective", "ParameterSpace", "build"]
