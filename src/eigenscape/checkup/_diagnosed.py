"""The diagnosis: measured by the population's protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from eigenscape.diagnosis import (
    MeasureOptions,
    Population,
    Prescription,
    loss_of,
    measure,
    models_and_data,
    prescribe,
)
from eigenscape.models import Objective
from eigenscape.results import Finding
from eigenscape.runs import single_thread
from eigenscape.stats import Precision
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
    (model, *_), train = models_and_data(objective)
    others = [network for network in more if network is not model]
    return _prescribed(population, [model, *others], train, loss_of(objective))


def of_diagnosis(found: Prescription) -> tuple[Finding, ...]:
    """Return the advice of a prescription, then what each tree answered.

    Each with how often it was right on cells of the population that its trees had not seen. Where
    there are reasons to give no verdict, these alone.
    """
    text, *rest = found.brief
    if found.abstained:
        advice = Finding(text=text, basis="description")
    else:
        assert found.outcome is not None
        advice = _finding(text, found.outcome.precision, found.action)
    answers = [
        _finding(line, asked.precision, asked.action)
        for line, asked in zip(rest, found.answered, strict=True)
    ]
    return (advice, *answers)


def _finding(text: str, precision: Precision | None, action: str | None) -> Finding:
    knob, direction = _KNOBS.get(action or "", ("", ""))
    return Finding(
        text=text, basis="diagnosis", precision=precision, knob=knob, direction=direction
    )


def _prescribed(
    population: Population,
    models: Sequence[nn.Module],
    train: tuple[Tensor, Tensor],
    loss: Any,
) -> Prescription:
    options = MeasureOptions.from_protocol(population.protocol)
    parameters = sum(parameter.numel() for parameter in models[0].parameters())
    with single_thread(parameters * options.curve_batch):
        measured = measure(models, train, options=options, loss=loss)
    return prescribe(
        population,
        measured.metrics,
        protocol=measured.protocol,
        sizes=measured.sizes,
        fingerprint=measured.fingerprint,
    )


@lru_cache(maxsize=1)
def demo_population() -> Population:
    """Return the population that the demonstration's twins are diagnosed by.

    Shipped with the package; ``checkup/_demo_family.py`` says which command made it.
    """
    with as_file(files("eigenscape.checkup") / "digits_population.json") as path:
        return replace(Population.load(path), name="the shipped population")


def diagnosed_twin(twin: Twin) -> Prescription:
    """Diagnose one of the demonstration's networks, from this one checkpoint."""
    return _prescribed(demo_population(), [twin.model], twin.train, functional.cross_entropy)
