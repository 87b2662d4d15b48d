"""The zoo: small networks and real data that demonstrations, studies and tests train on the spot.

Data
    :func:`digits` (a :class:`Split`), :func:`noisy_labels`.
Networks
    :class:`MLP`, :class:`SmallCNN`, :func:`cifar_resnet` (a
    :class:`CifarResNet`), :func:`load_cifar_resnet`.
Training
    :func:`train` , :func:`accuracy`.
Language models
    :class:`GPT`, :class:`GPTClassifier`.
Twins
    :func:`healthy_and_sick`, :func:`trained_twin` (a :class:`Twin`), :data:`HEALTHY_RECIPE`,
    :data:`PLANTED_FAULTS` (of :class:`PlantedFault`).
"""

from eigenscape.zoo._accuracy import accuracy as accuracy
from eigenscape.zoo._cifar_checkpoint import load_cifar_resnet as load_cifar_resnet
from eigenscape.zoo._cifar_resnet import CifarResNet as CifarResNet
from eigenscape.zoo._cifar_resnet import cifar_resnet as cifar_resnet
from eigenscape.zoo._cnn import SmallCNN as SmallCNN
from eigenscape.zoo._digits import Split as Split
from eigenscape.zoo._digits import digits as digits
from eigenscape.zoo._faults import HEALTHY_RECIPE as HEALTHY_RECIPE
from eigenscape.zoo._faults import PLANTED_FAULTS as PLANTED_FAULTS
from eigenscape.zoo._faults import PlantedFault as PlantedFault
from eigenscape.zoo._gpt import GPT as GPT
from eigenscape.zoo._gpt import GPTClassifier as GPTClassifier
from eigenscape.zoo._label_noise import noisy_labels as noisy_labels
from eigenscape.zoo._mlp import MLP as MLP
from eigenscape.zoo._training import train as train
from eigenscape.zoo._twins import Twin as Twin
from eigenscape.zoo._twins import healthy_and_sick as healthy_and_sick
from eigenscape.zoo._twins import trained_twin as trained_twin

__all__ = [
    "GPT",
    "HEALTHY_RECIPE",
    "MLP",
    "PLANTED_FAULTS",
    "CifarResNet",
    "GPTClassifier",
    "PlantedFault",
    "SmallCNN",
    "Split",
    "Twin",
    "accuracy",
    "cifar_resnet",
    "digits",
    "healthy_and_sick",
    "load_cifar_resnet",
    "noisy_labels",
    "train",
    "trained_twin",
]
