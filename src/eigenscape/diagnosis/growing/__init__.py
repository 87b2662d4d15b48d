"""Populations: reference networks on the user's own data, of the user's own family of models."""

from eigenscape.diagnosis.growing._cost import Cost as Cost
from eigenscape.diagnosis.growing._cost import estimate_cost as estimate_cost
from eigenscape.diagnosis.growing._cost import fit_budget as fit_budget
from eigenscape.diagnosis.growing._folder import resolve_plan as resolve_plan
from eigenscape.diagnosis.growing._plan import GrowPlan as GrowPlan
from eigenscape.diagnosis.growing._train import gather_populations as gather_populations
from eigenscape.diagnosis.growing._train import population_tasks as population_tasks
from eigenscape.diagnosis.growing._train import train_population as train_population

__all__ = [
    "Cost",
    "GrowPlan",
    "estimate_cost",
    "fit_budget",
    "gather_populations",
    "population_tasks",
    "resolve_plan",
    "train_population",
]
