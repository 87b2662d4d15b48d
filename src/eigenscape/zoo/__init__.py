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
Operators: networks from functions to functions
    :class:`FNO1d`, :class:`FNO2d`, and the :class:`UNet`, with :func:`train_operator` and
    :func:`relative_error`, on :func:`burgers` and :func:`darcy` (a :class:`FieldSplit` each); their
    solvers :func:`solve_burgers`, :func:`solve_darcy`.
Language models
    :class:`GPT` (with :func:`pretrain` on :func:`language`), :class:`GPTClassifier` (with
    :func:`fine_tune` on :func:`labelled_sentences`, a :class:`Split`), :class:`Grammar`.
Twins
    :func:`healthy_and_sick`, :func:`trained_twin` (a :class:`Twin`), :data:`HEALTHY_RECIPE`,
    :data:`PLANTED_FAULTS` (of :class:`PlantedFault`).
"""

from eigenscape.zoo._accuracy import accuracy as accuracy
from eigenscape.zoo._burgers import FieldSplit as FieldSplit
from eigenscape.zoo._burgers import burgers as burgers
from eigenscape.zoo._burgers import solve_burgers as solve_burgers
from eigenscape.zoo._cifar_checkpoint import load_cifar_resnet as load_cifar_resnet
from eigenscape.zoo._cifar_resnet import CifarResNet as CifarResNet
from eigenscape.zoo._cifar_resnet import cifar_resnet as cifar_resnet
from eigenscape.zoo._cnn import SmallCNN as SmallCNN
from eigenscape.zoo._darcy import darcy as darcy
from eigenscape.zoo._darcy import solve_darcy as solve_darcy
from eigenscape.zoo._digits import Split as Split
from eigenscape.zoo._digits import digits as digits
from eigenscape.zoo._faults import HEALTHY_RECIPE as HEALTHY_RECIPE
from eigenscape.zoo._faults import PLANTED_FAULTS as PLANTED_FAULTS
from eigenscape.zoo._faults import PlantedFault as PlantedFault
from eigenscape.zoo._fno import FNO1d as FNO1d
from eigenscape.zoo._fno import FNO2d as FNO2d
from eigenscape.zoo._gpt import GPT as GPT
from eigenscape.zoo._gpt import GPTClassifier as GPTClassifier
from eigenscape.zoo._label_noise import noisy_labels as noisy_labels
from eigenscape.zoo._language import Grammar as Grammar
from eigenscape.zoo._language import labelled_sentences as labelled_sentences
from eigenscape.zoo._language import language as language
from eigenscape.zoo._language_training import fine_tune as fine_tune
from eigenscape.zoo._language_training import pretrain as pretrain
from eigenscape.zoo._mean_iou import mean_iou as mean_iou
from eigenscape.zoo._mlp import MLP as MLP
from eigenscape.zoo._operator_training import relative_error as relative_error
from eigenscape.zoo._operator_training import train_operator as train_operator
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
    "GPT",
    "HEALTHY_RECIPE",
    "MLP",
    "PINN",
    "PLANTED_FAULTS",
    "CifarResNet",
    "FNO1d",
    "FNO2d",
    "FieldSplit",
    "GPTClassifier",
    "Grammar",
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
    "burgers",
    "cifar_resnet",
    "convection",
    "darcy",
    "digits",
    "fine_tune",
    "healthy_and_sick",
    "labelled_sentences",
    "language",
    "load_cifar_resnet",
    "mean_iou",
    "noisy_labels",
    "pretrain",
    "reaction",
    "reaction_diffusion",
    "relative_error",
    "shapes",
    "solve_burgers",
    "solve_darcy",
    "train",
    "train_operator",
    "train_pinn",
    "trained_twin",
]
