"""Laboratory: a single-index teacher, a two-layer student, and the origin of heavy tails.

Everything is full-batch, so that there is no gradient noise::

    from eigenscape_studies.laboratory import LabOptions, run_experiment
    result = run_experiment(LabOptions(optimizer="adam", learning_rate=1.0))
    result.frame()[["step", "alpha_hill", "alpha_null", "similarity"]]
"""

from eigenscape_studies.laboratory._experiment import experiment_result as experiment_result
from eigenscape_studies.laboratory._experiment import experiment_task as experiment_task
from eigenscape_studies.laboratory._experiment import run_experiment as run_experiment
from eigenscape_studies.laboratory._links import link_moments as link_moments
from eigenscape_studies.laboratory._options import LabOptions as LabOptions
from eigenscape_studies.laboratory._pictures import draw_edge as draw_edge
from eigenscape_studies.laboratory._readout import readout_losses as readout_losses
from eigenscape_studies.laboratory._result import LabResult as LabResult
from eigenscape_studies.laboratory._single_index import SingleIndex as SingleIndex
from eigenscape_studies.laboratory._train import State as State
from eigenscape_studies.laboratory._train import train as train

__all__ = [
    "LabOptions",
    "LabResult",
    "SingleIndex",
    "State",
    "draw_edge",
    "experiment_result",
    "experiment_task",
    "link_moments",
    "readout_losses",
    "run_experiment",
    "train",
]
