"""Diagnosis: which knob of a trained network is wrong, learned from a population of others.

- :class:`Population`, :func:`read_population`: configurations by metrics, labelled by the room for
  improvement in their own grid; :func:`check_health` tells whether trees can be fitted to it.
- :class:`MDTree`: fixed comparisons of loss-landscape metrics (``SHAPES``) with thresholds fitted
  to a population; :func:`diagnose` diagnoses one model in plain words.
- :func:`measure`: the metrics of a model; :func:`train_population`: a population of your own
  :class:`eigenscape.models.Task`; :func:`prescribe`: one model, all questions, and what to change.
- :func:`evaluate`: fit to one population, diagnose another, with the controls beside the score.
- :func:`step_gains`: the gain of following a diagnosis.

After Zhou, Chen, Cao, Schürholt and Yang, MD tree (ICML 2024, arXiv 2406.16988).
"""

from eigenscape.diagnosis._abstain import Reason as Reason
from eigenscape.diagnosis._advice_score import AdviceScore as AdviceScore
from eigenscape.diagnosis._baselines import BASELINES as BASELINES
from eigenscape.diagnosis._baselines import fit_baseline as fit_baseline
from eigenscape.diagnosis._cv_score import asked_questions as asked_questions
from eigenscape.diagnosis._cv_score import cv_score as cv_score
from eigenscape.diagnosis._cv_score import fitted_trees as fitted_trees
from eigenscape.diagnosis._diagnosis import Diagnosis as Diagnosis
from eigenscape.diagnosis._diagnosis import diagnose as diagnose
from eigenscape.diagnosis._evaluate import evaluate as evaluate
from eigenscape.diagnosis._evaluate import scores as scores
from eigenscape.diagnosis._evaluation import EvaluationResult as EvaluationResult
from eigenscape.diagnosis._fingerprint import Fingerprint as Fingerprint
from eigenscape.diagnosis._fingerprint import fingerprint_of as fingerprint_of
from eigenscape.diagnosis._health import check_health as check_health
from eigenscape.diagnosis._labels import ACTIONS as ACTIONS
from eigenscape.diagnosis._metrics import METRICS as METRICS
from eigenscape.diagnosis._metrics import PUBLISHED_PROTOCOL as PUBLISHED_PROTOCOL
from eigenscape.diagnosis._policy import advised_actions as advised_actions
from eigenscape.diagnosis._population import Population as Population
from eigenscape.diagnosis._prescribe import prescribe as prescribe
from eigenscape.diagnosis._prescription import Prescription as Prescription
from eigenscape.diagnosis._read import read_population as read_population
from eigenscape.diagnosis._sampling import SEEDS as SEEDS
from eigenscape.diagnosis._sampling import sample_cells as sample_cells
from eigenscape.diagnosis._sampling import subset as subset
from eigenscape.diagnosis._shapes import get_shape as get_shape
from eigenscape.diagnosis._steps import actions_of as actions_of
from eigenscape.diagnosis._steps import step_gains as step_gains
from eigenscape.diagnosis._tree import MDTree as MDTree
from eigenscape.diagnosis.growing._cost import Cost as Cost
from eigenscape.diagnosis.growing._cost import estimate_cost as estimate_cost
from eigenscape.diagnosis.growing._cost import fit_budget as fit_budget
from eigenscape.diagnosis.growing._folder import resolve_plan as resolve_plan
from eigenscape.diagnosis.growing._plan import GrowPlan as GrowPlan
from eigenscape.diagnosis.growing._train import gather_populations as gather_populations
from eigenscape.diagnosis.growing._train import population_tasks as population_tasks
from eigenscape.diagnosis.growing._train import train_population as train_population
from eigenscape.diagnosis.measuring._measure import Measurement as Measurement
from eigenscape.diagnosis.measuring._measure import loss_of as loss_of
from eigenscape.diagnosis.measuring._measure import measure as measure
from eigenscape.diagnosis.measuring._measure import models_and_data as models_and_data
from eigenscape.diagnosis.measuring._options import MeasureOptions as MeasureOptions

__all__ = [
    "ACTIONS",
    "BASELINES",
    "METRICS",
    "PUBLISHED_PROTOCOL",
    "SEEDS",
    "AdviceScore",
    "Diagnosis",
    "EvaluationResult",
    "Fingerprint",
    "GrowPlan",
    "MDTree",
    "MeasureOptions",
    "Measurement",
    "Population",
    "Prescription",
    "Reason",
    "actions_of",
    "advised_actions",
    "asked_questions",
    "check_health",
    "cv_score",
    "diagnose",
    "estimate_cost",
    "evaluate",
    "fingerprint_of",
    "fit_baseline",
    "fitted_trees",
    "gather_populations",
    "get_shape",
    "loss_of",
    "measure",
    "models_and_data",
    "population_tasks",
    "prescribe",
    "read_population",
    "resolve_plan",
    "sample_cells",
    "scores",
    "step_gains",
    "subset",
    "train_population",
]
