"""Examine a checkpoint; without one, a healthy and a faulty network side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from eigenscape.ablation import AblationEstimate
from eigenscape.checkpoints import CheckpointLike
from eigenscape.checkup._ablated import (
    TIME_BUDGET,
    TOKENS,
    ablation_of,
    language_model_and_tokens,
)
from eigenscape.checkup._around import AGAIN, attempted, look_around
from eigenscape.checkup._diagnosed import diagnosed, diagnosed_twin, of_diagnosis
from eigenscape.checkup._placed import AMONG, placed
from eigenscape.checkup._reconciled import reconciled
from eigenscape.checkup._result import CheckupResult
from eigenscape.checkup._sentences import described, labelled, not_told, second_look
from eigenscape.diagnosis import Population, Prescription
from eigenscape.errors import InputError
from eigenscape.models import LanguageModel, Objective, Tokens
from eigenscape.results import Finding, Result, named
from eigenscape.runs import ProgressCallback
from eigenscape.spectra import SpectraResult, analyze, precisions, reference
from eigenscape.zoo import Twin


def checkup(
    source: CheckpointLike,
    *,
    objective: Objective | None = None,
    population: Population | None = None,
    models: Sequence[nn.Module] = (),
    text: Tokens | str | os.PathLike[str] | None = None,
    tokenizer: Any = None,
    tokens: int = TOKENS,
    time_budget: float | None = TIME_BUDGET,
    not_examined: str = "",
    on_estimate: Callable[[AblationEstimate], None] | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> CheckupResult:
    """Examine a checkpoint and return the findings.

    What fails of the examinations around the model (curvature, landscape, ablation, diagnosis) is
    named in the findings with its reason; the others stay. Advices that contradict each other are
    reconciled: see :func:`eigenscape.checkup.reconciled`.

    Args:
        source: as for :func:`eigenscape.spectra.analyze`.
        objective: its loss on some data: adds the curvature and the landscape around it, and what
            the network's layers contribute (:func:`eigenscape.ablation.ablate`).
        population: of networks of the same family, grown on the same data: adds a diagnosis; needs
            an objective, whose data are the training data.
        models: further networks of the same recipe from other seeds, for the full diagnosis.
        text: of a language model, as a path or as tokens: adds what its layers contribute to
            predicting that text. The source is then a module, or a folder or hub id.
        tokenizer: of the text; None for the one in the model's folder.
        tokens: how many of the text's are taken, in windows of up to 192. The default is what a
            model of 10^8 parameters can be given a hundred times in minutes.
        time_budget: seconds for what layers contribute; some of every kind and depth are measured
            where it does not hold all.
        not_examined: why there is no objective although one was wanted, for the findings.
        on_estimate: told what measuring the layers will cost.
        progress: called while the examination runs.
        **options: as for :func:`eigenscape.spectra.analyze`.

    Raises:
        CheckpointError: the source cannot be read.
        InputError: an option out of its range, a population without an objective, a text that
            cannot be used, or a reference of your own that cannot be read.

    >>> import torch
    >>> checkup({"fc.weight": torch.randn(64, 64)}).sentences[0]
    '1 layer examined, holding 100% of the parameters; 0 tensors not examined...'
    """
    if population is not None and objective is None:
        raise InputError(
            "a diagnosis needs the model with its training data. Try: give an objective (--probe)"
        )
    seed = options.get("seed", 0)
    asked = None
    if text is not None:  # before anything is computed
        asked = language_model_and_tokens(source, text, tokenizer, tokens, seed)
    table = reference()
    result = analyze(source, progress=progress, **options)
    around: dict[str, Result] = {}
    found: tuple[Finding, ...] = described(result)
    if not_examined:
        why = f"Not examined: the loss around the model, because of: {not_examined.rstrip('.')}."
        found = (*found, Finding(text=why, basis="measurement", todo=AGAIN))
    if objective is not None:
        how = {name: options[name] for name in ("jobs", "engine", "address") if name in options}
        if how.get("engine") == "threads":  # for layers; a model in threads waits for Python
            how["engine"] = "local"
        around, said = look_around(objective, seed=seed, progress=progress, **how)
        found = (*found, *said)
    for heading, model, windows in _with_data(asked, objective):
        use, said = ablation_of(
            result,
            model,
            windows,
            time_budget=time_budget,
            options=options,
            on_estimate=on_estimate,
            progress=progress,
        )
        around |= {} if use is None else {heading: use}
        found = (*found, *said)
    if population is not None and objective is not None:
        family, probed = population, objective
        diagnosis, why_not = attempted("diagnosis", lambda: diagnosed(family, probed, models))
        found = (*found, *why_not)
        if diagnosis is not None:
            around["Diagnosis"] = diagnosis
            advice, *rest = of_diagnosis(diagnosis)
            found = (advice, *found, *rest)
    placement, said = placed(result, table)
    if placement is not None:
        around[AMONG] = placement
    found = (*found, *said)
    return CheckupResult(
        environment=result.environment,
        title=f"Check-up of {result.source}",
        statements=reconciled(found),
        facts={"examined in": f"{result.seconds:.1f} s"},
        examined={"checkpoint": result},
        around=around,
    )


def _with_data(
    asked: tuple[LanguageModel, Tokens] | None, objective: Objective | None
) -> Iterator[tuple[str, Objective | LanguageModel, Tokens | None]]:
    """Yield what layers can be changed in, with its heading."""
    if asked is not None:
        yield "What the layers contribute to the text", *asked
    if objective is not None:
        yield "What the layers contribute", objective, None


def checkup_twins(
    healthy: Twin, sick: Twin, *, progress: ProgressCallback | None = None, **options: Any
) -> CheckupResult:
    """Examine two networks that differ in one planted fault, and return how they differ.

    Args:
        healthy: the well-trained network.
        sick: the same network with the fault.
        progress: called while each examination runs.
        **options: as for :func:`eigenscape.spectra.analyze`.
    """
    examined = {
        twin.name: analyze(twin.model, progress=progress, **options) for twin in (healthy, sick)
    }
    first = next(iter(examined.values()))
    prescribed = {twin.name: diagnosed_twin(twin) for twin in (healthy, sick)}
    return CheckupResult(
        environment=first.environment,
        title="A healthy network and its sick twin",
        statements=(
            Finding(text=_accuracies(healthy, sick), basis="measurement"),
            Finding(text=_spectra(examined, healthy.name, sick.name), basis="measurement"),
            *(
                replace(found, text=f"{sick.name}: {found.text}")
                for found in second_look(examined[sick.name], precisions())
            ),
            Finding(text=not_told(precisions()), basis="description"),
            *(_prescribed(found, name) for name, found in prescribed.items()),
        ),
        facts={
            f"{twin.name} recipe": ", ".join(f"{k} {_plain(v)}" for k, v in twin.recipe.items())
            for twin in (healthy, sick)
        },
        examined=examined,
        around={f"Diagnosis of {name}": found for name, found in prescribed.items()},
    )


def _prescribed(found: Prescription, name: str) -> Finding:
    """Return what the shipped population says of a twin: its advice, or what else is told."""
    first, *rest = of_diagnosis(found)
    said = rest[0] if found.abstained and rest else first
    return replace(said, text=f"{name}, with its training data: {said.text}", knob="", direction="")


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _accuracies(healthy: Twin, sick: Twin) -> str:
    differing = [
        f"{key} {healthy.recipe[key]:g} against {sick.recipe[key]:g}"
        for key in healthy.recipe
        if healthy.recipe[key] != sick.recipe[key]
    ]
    return (
        f"Two equal networks saw the same real digits: the healthy one reads "
        f"{healthy.test_accuracy:.1%} of the held-out ones, the sick one {sick.test_accuracy:.1%} "
        f"({', '.join(differing)})."
    )


def _spectra(examined: dict[str, SpectraResult], healthy: str, sick: str) -> str:
    words = []
    for label in (healthy, sick):
        result = examined[label]
        excess = result.summary["alpha_excess"]["median"]
        spikes = sum(layer.spikes for layer in result)
        random_like = labelled(result, "random-like")
        tail = f", {named(random_like)} random-like" if random_like else ", none random-like"
        words.append(f"{label}: median alpha_excess {excess:.2f}, {spikes} spikes{tail}")
    return "From the weights alone, without any data: " + "; ".join(words) + "."
