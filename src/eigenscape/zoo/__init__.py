"""Small networks and real data for demonstrations, studies and tests.

Data
    :func:`digits` (a :class:`Split`), :func:`noisy_labels`.
Networks
    :class:`MLP`, :class:`GPT`, :class:`GPTClassifier`.
Training
    :func:`train`, :func:`accuracy`.
Twins
    :func:`healthy_and_sick` (each a :class:`Twin`), :data:`HEALTHY_RECIPE`.
"""

from eigenscape.zoo._classifiers import MLP as MLP
from eigenscape.zoo._digits import Split as Split
from eigenscape.zoo._digits import digits as digits
from eigenscape.zoo._gpt import GPT as GPT
from eigenscape.zoo._gpt import GPTClassifier as GPTClassifier
from eigenscape.zoo._training import accuracy as accuracy
from eigenscape.zoo._training import train as train
from eigenscape.zoo._twins import HEALTHY_RECIPE as HEALTHY_RECIPE
from eigenscape.zoo._twins import PLANTED_FAULTS as PLANTED_FAULTS
from eigenscape.zoo._twins import Twin as Twin
from eigenscape.zoo._twins import healthy_and_sick as healthy_and_sick
from eigenscape.zoo._twins import noisy_labels as noisy_labels

__all__ = [
    "GPT",
    "HEALTHY_RECIPE",
    "MLP",
    "PLANTED_FAULTS",
    "GPTClassifier",
    "Split",
    "Twin",
    "accuracy",
    "digits",
    "healthy_and_sick",
    "noisy_labels",
    "train",
]
