"""Growing: a reference population on the user's own data and model family."""

from eigenscape.diagnosis.growing._cost import Cost as Cost
from eigenscape.diagnosis.growing._cost import estimate_cost as estimate_cost
from eigenscape.diagnosis.growing._cost import trim as trim
from eigenscape.diagnosis.growing._family import Family as Family
from eigenscape.diagnosis.growing._family import load_family as load_family
from eigenscape.diagnosis.growing._folder import settle_plan as settle_plan
from eigenscape.diagnosis.growing._grow import gather_populations as gather_populations
from eigenscape.diagnosis.growing._grow import grow as grow
from eigenscape.diagnosis.growing._grow import population_tasks as population_tasks
from eigenscape.diagnosis.growing._plan import GrowPlan as GrowPlan

__all__ = [
    "Cost",
    "Family",
    "GrowPlan",
    "estimate_cost",
    "gather_populations",
    "grow",
    "load_family",
    "population_tasks",
    "settle_plan",
    "trim",
]
