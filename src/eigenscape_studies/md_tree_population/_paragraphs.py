"""The findings in plain words."""

from __future__ import annotations

import numpy as np

from eigenscape_studies.md_tree_population._numbers import Numbers, mark
from eigenscape_studies.md_tree_population._scores import CARRIED, ONE, TREE, VALIDATION


def make_paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return heading to text."""
    health = numbers.table("health")
    return {
        "In one sentence": (
            f"Fitted to small networks with clean labels, the MD tree is right for "
            f"{numbers.words('all', TREE)} % of those with noisy labels, a validation tree for "
            f"{numbers.words('all', VALIDATION)} %: ahead by "
            f"{mark(numbers.gap('all', TREE, VALIDATION))} points over {numbers.repeats} repeats."
        ),
        "What was grown": (
            f"{numbers.networks} MLPs of two hidden layers with batch norm, in "
            f"{2 * numbers.repeats} populations, on the 10,000 test images of MNIST at 14 x 14: "
            f"half to train on, half to test on, with clean labels or 10 % wrong ones. The best "
            f"learning rate lies inside its range in {100 * health['inside'].mean():.0f} % of the "
            f"cells; seed noise of the test accuracy {health['seed_noise'].mean():.2f} points."
        ),
        "What to take from it": (
            f"Thresholds belong to their family: the published ones are right for "
            f"{np.mean(numbers.scores('all', CARRIED)):.0f} % here. The tree that needs one "
            f"checkpoint alone is right for {np.mean(numbers.scores('all', ONE)):.0f} %."
        ),
    }
