"""The diagnosis: measured by the population's protocol."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import as_file, files

from torch import Tensor, nn

from eigenscape.checkup._finding import Finding
from eigenscape.diagnosis import (
    Measurement,
    MeasureOptions,
    Population,
    Prescription,
    measure,
    models_and_data,
    prescribe,
)
from eigenscape.models import Objective
from eigenscape.runs import single_thread
from eigenscape.zoo import Twin

#: Action -> what it changes, and where to.
_KNOBS = {
    "raise temperature": ("learning rate", "raise"),
    "lower temperature": ("learning rate", "lower"),
    "widen": ("width", "raise"),
    "add data": ("data", "more"),
}


def diagnosed(
    population: Population, objective: Objective, more: Sequence[nn.Module] = ()
) -> Prescription:
    """Measure a model under the population's protocol, and diagnose it.

    Args:
        population: of networks of the same family.
        objective: the model and its training data.
        more: networks of the same recipe from other seeds.

    Raises:
        InputError: the data are not pairs of inputs and labels, or the population does not say how
            it was measured.
    """
    options = MeasureOptions.from_protocol(population.protocol)
    (model, *_), train = models_and_data(objective)
    others = [network for network in more if network is not model]
    measured = _measured([model, *others], train, options)
    return prescribe(population, measured.metrics, protocol=measured.protocol, sizes=measured.sizes)


def of_diagnosis(found: Prescription) -> tuple[Finding, ...]:
    """Return the advice of a prescription, then what each tree answered."""
    knob, direction = _KNOBS.get(found.action or "", ("", ""))
    advice = Finding(text=found.brief[0], basis="guess", knob=knob, direction=direction)
    return (advice, *(Finding(text=line, basis="guess") for line in found.brief[1:]))


def _measured(
    models: Sequence[nn.Module], train: tuple[Tensor, Tensor], options: MeasureOptions
) -> Measurement:
    parameters = sum(parameter.numel() for parameter in models[0].parameters())
    with single_thread(parameters * options.curve_batch):
        return measure(models, train, options=options)


@lru_cache(maxsize=1)
def demo_population() -> Population:
    """Return the population that the demonstration's twins are diagnosed by.

    Shipped with the package; ``checkup/_demo_family.py`` says which command made it.
    """
    with as_file(files("eigenscape.checkup") / "digits_population.json") as path:
        return Population.load(path)


def diagnosed_twin(twin: Twin) -> Prescription:
    """Diagnose one of the demonstration's networks, from this one checkpoint."""
    population = demo_population()
    options = MeasureOptions.from_protocol(population.protocol)
    measured = _measured([twin.model], twin.train, options)
    return prescribe(population, measured.metrics, protocol=measured.protocol, sizes=measured.sizes)
