"""Networks that only studies train: differential equations, operators, segmentation, language."""

from eigenscape_studies.networks._burgers import FieldSplit as FieldSplit
from eigenscape_studies.networks._burgers import burgers as burgers
from eigenscape_studies.networks._burgers import solve_burgers as solve_burgers
from eigenscape_studies.networks._darcy import darcy as darcy
from eigenscape_studies.networks._darcy import solve_darcy as solve_darcy
from eigenscape_studies.networks._fno import FNO1d as FNO1d
from eigenscape_studies.networks._fno import FNO2d as FNO2d
from eigenscape_studies.networks._language import Grammar as Grammar
from eigenscape_studies.networks._language import labelled_sentences as labelled_sentences
from eigenscape_studies.networks._language import language as language
from eigenscape_studies.networks._language_training import fine_tune as fine_tune
from eigenscape_studies.networks._language_training import pretrain as pretrain
from eigenscape_studies.networks._operator_training import relative_error as relative_error
from eigenscape_studies.networks._operator_training import train_operator as train_operator
from eigenscape_studies.networks._pinn import PINN as PINN
from eigenscape_studies.networks._pinn_problem import PINNProblem as PINNProblem
from eigenscape_studies.networks._pinn_problem import convection as convection
from eigenscape_studies.networks._pinn_problem import reaction as reaction
from eigenscape_studies.networks._pinn_problem import reaction_diffusion as reaction_diffusion
from eigenscape_studies.networks._pinn_training import PINNLog as PINNLog
from eigenscape_studies.networks._pinn_training import train_pinn as train_pinn
from eigenscape_studies.networks._residual_mlp import ResidualMLP as ResidualMLP
from eigenscape_studies.networks._shapes import mean_iou as mean_iou
from eigenscape_studies.networks._shapes import shapes as shapes
from eigenscape_studies.networks._unet import UNet as UNet

__all__ = [
    "PINN",
    "FNO1d",
    "FNO2d",
    "FieldSplit",
    "Grammar",
    "PINNLog",
    "PINNProblem",
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
    "reaction",
    "reaction_diffusion",
    "relative_error",
    "shapes",
    "solve_burgers",
    "solve_darcy",
    "train_operator",
    "train_pinn",
]
