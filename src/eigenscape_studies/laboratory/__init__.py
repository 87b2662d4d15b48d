"""Laboratory: a teacher of one direction, a student of two layers, and where heavy tails come from.

Everything is full-batch, so that no gradient noise is left to blame::

    from eigenscape_studies.laboratory import LabOptions, run_experiment
    result = run_experiment(LabOptions(optimizer="adam", learning_rate=1.0))
    result.frame()[["step", "alpha_hill", "alpha_null", "similarity"]]
"""

from eigenscape_studies.laboratory._experiment import experiment_result as experiment_result
from eigenscape_studies.laboratory._experiment import experiment_task as experiment_task
from eigenscape_studies.laboratory._experiment import run_experiment as run_experiment
from eigenscape_studies.laboratory._links import LINKS as LINKS
from eigenscape_studies.laboratory._links import link as link
from eigenscape_studies.laboratory._links import link_moments as link_moments
from eigenscape_studies.laboratory._measure import spectrum_numbers as spectrum_numbers
from eigenscape_studies.laboratory._options import FEATURE_SCALES as FEATURE_SCALES
from eigenscape_studies.laboratory._options import MEASURES as MEASURES
from eigenscape_studies.laboratory._options import LabOptions as LabOptions
from eigenscape_studies.laboratory._pictures import draw_edge as draw_edge
from eigenscape_studies.laboratory._pictures import draw_spectrum as draw_spectrum
from eigenscape_studies.laboratory._readout import Alignment as Alignment
from eigenscape_studies.laboratory._readout import Readout as Readout
from eigenscape_studies.laboratory._readout import kernel_alignment as kernel_alignment
from eigenscape_studies.laboratory._readout import readout_losses as readout_losses
from eigenscape_studies.laboratory._readout import ridge_weights as ridge_weights
from eigenscape_studies.laboratory._record import StepRecord as StepRecord
from eigenscape_studies.laboratory._result import LabResult as LabResult
from eigenscape_studies.laboratory._single_index import Samples as Samples
from eigenscape_studies.laboratory._single_index import SingleIndex as SingleIndex
from eigenscape_studies.laboratory._single_index import features as features
from eigenscape_studies.laboratory._single_index import gradient as gradient
from eigenscape_studies.laboratory._train import State as State
from eigenscape_studies.laboratory._train import train as train

__all__ = [
    "FEATURE_SCALES",
    "LINKS",
    "MEASURES",
    "Alignment",
    "LabOptions",
    "LabResult",
    "Readout",
    "Samples",
    "SingleIndex",
    "State",
    "StepRecord",
    "draw_edge",
    "draw_spectrum",
    "experiment_result",
    "experiment_task",
    "features",
    "gradient",
    "kernel_alignment",
    "link",
    "link_moments",
    "readout_losses",
    "ridge_weights",
    "run_experiment",
    "spectrum_numbers",
    "train",
]
