"""Laboratory: a teacher of one direction, a student of two layers, and where heavy tails come from.

Everything is full-batch, so that no gradient noise is left to blame::

    from eigenscape.laboratory import LabOptions, run_experiment
    result = run_experiment(LabOptions(optimizer="adam", learning_rate=1.0))
    result.frame()[["step", "alpha_hill", "alpha_null", "similarity"]]
"""

from eigenscape.laboratory._alignment import Alignment as Alignment
from eigenscape.laboratory._alignment import kernel_alignment as kernel_alignment
from eigenscape.laboratory._experiment import run_experiment as run_experiment
from eigenscape.laboratory._experiment import run_experiments as run_experiments
from eigenscape.laboratory._links import LINKS as LINKS
from eigenscape.laboratory._links import link as link
from eigenscape.laboratory._links import link_moments as link_moments
from eigenscape.laboratory._measure import spectrum_numbers as spectrum_numbers
from eigenscape.laboratory._options import FEATURE_SCALES as FEATURE_SCALES
from eigenscape.laboratory._options import MEASURES as MEASURES
from eigenscape.laboratory._options import LabOptions as LabOptions
from eigenscape.laboratory._plot import draw_edge as draw_edge
from eigenscape.laboratory._plot import draw_spectrum as draw_spectrum
from eigenscape.laboratory._readout import Readout as Readout
from eigenscape.laboratory._readout import readout_losses as readout_losses
from eigenscape.laboratory._readout import ridge_weights as ridge_weights
from eigenscape.laboratory._record import StepRecord as StepRecord
from eigenscape.laboratory._result import LabResult as LabResult
from eigenscape.laboratory._student import features as features
from eigenscape.laboratory._student import gradient as gradient
from eigenscape.laboratory._walk import State as State
from eigenscape.laboratory._walk import walk as walk
from eigenscape.laboratory._world import Samples as Samples
from eigenscape.laboratory._world import World as World
from eigenscape.laboratory._world import draw_world as draw_world

__all__ = [
    "FEATURE_SCALES",
    "LINKS",
    "MEASURES",
    "Alignment",
    "LabOptions",
    "LabResult",
    "Readout",
    "Samples",
    "State",
    "StepRecord",
    "World",
    "draw_edge",
    "draw_spectrum",
    "draw_world",
    "features",
    "gradient",
    "kernel_alignment",
    "link",
    "link_moments",
    "readout_losses",
    "ridge_weights",
    "run_experiment",
    "run_experiments",
    "spectrum_numbers",
    "walk",
]
