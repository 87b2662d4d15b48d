"""The family of the demonstration's two networks: the task of its shipped population.

eigenscape diagnose grow --probe src/eigenscape/checkup/_demo_family.py:family --out POP \
    --data 336 673 1347 --rates 2e-6 2e-5 2e-4 2e-3 0.02 0.2 1

``POP/population.json`` is then ``src/eigenscape/checkup/digits_population.json``.
"""

from __future__ import annotations

from torch import nn

from eigenscape.models import Task
from eigenscape.zoo import HEALTHY_RECIPE, MLP, digits


def network(width: int) -> nn.Module:
    """Return the demonstration's network, whose own width is 256."""
    return MLP(64, (width,) * 3, 10)


def family() -> Task:
    """Return the demonstration's width and two narrower ones, around the healthy recipe."""
    split = digits()
    return Task(
        make=network,
        train=(split.train_inputs, split.train_labels),
        test=(split.test_inputs, split.test_labels),
        widths=(16, 64, 256),
        recipe=HEALTHY_RECIPE,
    )
