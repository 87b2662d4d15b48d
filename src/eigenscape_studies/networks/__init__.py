"""Networks that only studies train: differential equations, operators, segmentation, language."""

from eigenscape_studies.networks._burgers import FieldSplit as FieldSplit
from eigenscape_studies.networks._burgers import burgers as burgers
from eigenscape_studies.networks._darcy import darcy as darcy
from eigenscape_studies.networks._fno import FNO1d as FNO1d
from eigenscape_studies.networks._fno import FNO2d as FNO2d
from eigenscape_studies.networks._language import Grammar as Grammar
from eigenscape_studies.networks._language import labelled_sentences as labelled_sentences
from eigenscape_studies.networks._language import language as language
from eigenscape_studies.networks._language_training import fine_tune as fine_tune
from eigenscape_studies.networks._language_training import pretrain as pretrain
from eigenscape_studies.networks._operator_training import relative_error as relative_error
from eigenscape_studies.networks._operator_training import train_operator as train_operator
from eigenscape_studies.networks._pinn_problem import convection as convection
from eigenscape_studies.networks._pinn_training import train_pinn as train_pinn
from eigenscape_studies.networks._residual_mlp import ResidualMLP as ResidualMLP
from eigenscape_studies.networks._shapes import mean_iou as mean_iou
from eigenscape_studies.networks._shapes import shapes as shapes
from eigenscape_studies.networks._unet import UNet as UNet

__all__ = [
    "FNO1d",
    "FNO2d",
    "FieldSplit",
    "Grammar",
    "ResidualMLP",
    "UNet",
    "burgers",
    "convection",
    "darcy",
    "fine_tune",
    "labelled_sentences",
    "language",
    "mean_iou",
    "pretrain",
    "relative_error",
    "shapes",
    "train_operator",
    "train_pinn",
]
