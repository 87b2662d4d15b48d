"""The zoo: small networks and real data that demonstrations, studies and tests train on the spot.

Data
    :func:`digits`, :func:`shapes` (a :class:`Split` each), :func:`noisy_labels`.
Networks
    :class:`MLP`, :class:`ResidualMLP`, :class:`SmallCNN`, :class:`UNet`, :func:`cifar_resnet` (a
    :class:`CifarResNet`), :func:`load_cifar_resnet`.
Training
    :func:`build`, :func:`train` (a :class:`TrainingLog`), :class:`Recipe`, :func:`accuracy`,
    :func:`mean_iou`.
Physics-informed networks
    :class:`PINN`, :func:`train_pinn` (a :class:`PINNLog`), :func:`convection`, :func:`reaction`,
    :func:`reaction_diffusion` (a :class:`PINNProblem` each).
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
from eigenscape.zoo._label_noise import noisy_labels as noisy_labels
from eigenscape.zoo._mean_iou import mean_iou as mean_iou
from eigenscape.zoo._mlp import MLP as MLP
from eigenscape.zoo._pinn import PINN as PINN
from eigenscape.zoo._pinn_problem import PINNProblem as PINNProblem
from eigenscape.zoo._pinn_problem import convection as convection
from eigenscape.zoo._pinn_problem import reaction as reaction
from eigenscape.zoo._pinn_problem import reaction_diffusion as reaction_diffusion
from eigenscape.zoo._pinn_training import PINNLog as PINNLog
from eigenscape.zoo._pinn_training import train_pinn as train_pinn
from eigenscape.zoo._random import build as build
from eigenscape.zoo._recipe import Recipe as Recipe
from eigenscape.zoo._residual_mlp import ResidualMLP as ResidualMLP
from eigenscape.zoo._shapes import shapes as shapes
from eigenscape.zoo._training import train as train
from eigenscape.zoo._training_log import TrainingLog as TrainingLog
from eigenscape.zoo._twins import Twin as Twin
from eigenscape.zoo._twins import healthy_and_sick as healthy_and_sick
from eigenscape.zoo._twins import trained_twin as trained_twin
from eigenscape.zoo._unet import UNet as UNet

__all__ = [
    "HEALTHY_RECIPE",
    "MLP",
    "PINN",
    "PLANTED_FAULTS",
    "CifarResNet",
    "PINNLog",
    "PINNProblem",
    "PlantedFault",
    "Recipe",
    "ResidualMLP",
    "SmallCNN",
    "Split",
    "TrainingLog",
    "Twin",
    "UNet",
    "accuracy",
    "build",
    "cifar_resnet",
    "convection",
    "digits",
    "healthy_and_sick",
    "load_cifar_resnet",
    "mean_iou",
    "noisy_labels",
    "reaction",
    "reaction_diffusion",
    "shapes",
    "train",
    "train_pinn",
    "trained_twin",
]
