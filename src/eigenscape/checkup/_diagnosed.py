"""The diagnosis: measured as the population was, and prescribed by it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from eigenscape.diagnosis import (
    MeasureOptions,
    Population,
    Prescription,
    measure,
    models_and_data,
    prescribe,
)
from eigenscape.landscape import Objective


def diagnosed(
    population: Population, objective: Objective, more: Sequence[nn.Module] = ()
) -> Prescription:
    """Measure a model under the population's protocol, and diagnose it.

    Args:
        population: of networks of the same family.
        objective: the model and its training data.
        more: networks of the same recipe from other seeds.

    Raises:
        InputError: the data are no pairs of inputs and labels, or the population does not say how
            it was measured.
    """
    options = MeasureOptions.from_protocol(population.protocol)
    (model, *_), train = models_and_data(objective)
    others = [network for network in more if network is not model]
    measured = measure([model, *others], train, options=options)
    return prescribe(population, measured.metrics, protocol=measured.protocol)
