"""What data say about layers whose spectrum is unusual: whether the network depends on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from eigenscape.ablation import (
    CHANGES,
    AblatedLayer,
    AblationEstimate,
    AblationResult,
    Effect,
    ablate,
)
from eigenscape.checkup._around import attempted
from eigenscape.errors import InputError
from eigenscape.layers import LayerOptions
from eigenscape.models import LanguageModel, Objective, Tokens
from eigenscape.results import Finding, named
from eigenscape.runs import ProgressCallback
from eigenscape.spectra import LABELS, SpectraResult

#: Labels that raise the question whether the network needs the layer.
QUESTIONED = ("dead", "rank-deficient", "random-like", "below-range", "above-range")
#: Of a text, tokens that are taken by default; and seconds that the layers may take.
TOKENS, TIME_BUDGET = 384, 60.0
#: Tokens in a window: a context long enough for most of a small text's dependence.
_WINDOW = 192
#: Samples of a probe's data that are enough for an effect of a hundredth of a nat.
_SAMPLES = 512
#: What a change does to a layer without a direction above the noise.
_NONE_ABOVE = {
    "bulk removed": "with zeros in its place, since no direction lies above the noise",
    "top removed": "without its largest direction, which lies within the noise",
}
_PEERS = {
    **{role: f"{role} projections" for role in ("query", "key", "value", "output")},
    "convolution": "convolutions",
    "head": "heads",
}


def language_model_and_tokens(
    source: Any, text: Tokens | str | os.PathLike[str], tokenizer: Any, count: int, seed: int
) -> tuple[LanguageModel, Tokens]:
    """Return the language model that a check-up is of, and windows of a text.

    Args:
        source: a module, or a folder or hub id of transformers.
        text: tokens, or the path of a text.
        tokenizer: as :meth:`Tokens.of` takes it; None for the model's folder.
        count: about how many tokens are taken, in windows of up to 192 drawn by the seed.
        seed: of the draw.

    Raises:
        InputError: a source that is not a language model, no tokenizer, a text that is shorter
            than a window, or tokens that the model does not know.
    """
    if not isinstance(source, nn.Module | LanguageModel | str | os.PathLike):
        raise InputError(
            f"a text needs the language model itself, and the source is a {type(source).__name__}. "
            "Try: give the module, or the path of its folder"
        )
    if count < 2:
        raise InputError(f"tokens is {count}; expected 2 or more")
    whole = isinstance(source, nn.Module | LanguageModel)
    model = LanguageModel.of(source, dtype=None if whole else torch.float32)
    if isinstance(text, Tokens):
        model.check(text)
        return model, text
    length = min(_WINDOW, count, model.context or _WINDOW)
    tokens = Tokens.of(Path(text), tokenizer or model.source, length=length, stride=length)
    windows = round(count * len(tokens) / tokens.count)  # the last of a document score less
    model.check(tokens)
    return model, tokens.take(min(len(tokens), max(1, windows)), seed)


def ablation_of(
    examined: SpectraResult,
    model: Objective | LanguageModel,
    tokens: Tokens | None,
    *,
    time_budget: float | None,
    options: Mapping[str, Any],
    on_estimate: Callable[[AblationEstimate], None] | None,
    progress: ProgressCallback | None,
) -> tuple[AblationResult | None, tuple[Finding, ...]]:
    """Measure what the network's layers contribute, those with an unusual spectrum first.

    Args:
        examined: its layer table.
        model: the network, with its data if it is an objective.
        tokens: of a language model.
        time_budget: seconds.
        options: of the check-up: how tensors were read as layers, the seed, the folder of the run.
        on_estimate: told the cost.
        progress: called after each measurement.

    Returns:
        The measurement and what it says; or None, and why it failed.
    """
    seed, run = options.get("seed", 0), options.get("run")
    names = {field.name for field in fields(LayerOptions)}
    how = LayerOptions(**{name: value for name, value in options.items() if name in names})

    def measure() -> AblationResult:
        return ablate(
            _on_fewer(model, seed) if isinstance(model, Objective) else model,
            tokens,
            suspects=[layer.name for layer in examined if layer.label in QUESTIONED],
            budget_seconds=time_budget,
            seed=seed,
            folder=None if run is None else Path(run) / "ablation",
            options=how,
            on_estimate=on_estimate,
            progress=progress,
        )

    found, why_not = attempted("use of the layers", measure)
    return found, why_not if found is None else of_ablation(found, examined)


def _on_fewer(objective: Objective, seed: int) -> Objective:
    if objective.data.examples <= _SAMPLES:
        return objective
    try:
        return objective.on(objective.data.take(_SAMPLES, seed))
    except InputError:  # batches that cannot be cut into samples
        return objective


def of_ablation(result: AblationResult, examined: SpectraResult) -> tuple[Finding, ...]:
    """Return what was measured: in all, for each unusual label, and what nothing depends on."""
    said = [_overall(result)]
    labels = {layer.name: layer.label for layer in examined}
    rest = [one for one in result if labels.get(one.name) not in QUESTIONED]
    for label in LABELS:
        group = [one for one in result if labels.get(one.name) == label]
        if label in QUESTIONED and group:
            others = [one for one in result if labels.get(one.name) != label]
            said += _of_group(result, group, others, LABELS[label])
    said += _of_unused(result, [one for one in rest if _read(result, one) == "unused"], "")
    return tuple(Finding(text=text, basis="measurement") for text in said)


def _overall(result: AblationResult) -> str:
    why = "; ".join(sorted({one.reason for one in result.left_out}))
    others = f" (the others: {why})" if why else ""
    return (
        f"One layer changed at a time{others}: {result.use}, by the loss {result.changed_words}. "
        "This tells use, not training: a layer that was never trained is used if what follows has "
        "adapted to it."
    )


def _of_group(
    result: AblationResult,
    group: Sequence[AblatedLayer],
    others: Sequence[AblatedLayer],
    words: str,
) -> Iterator[str]:
    used = [one for one in group if _read(result, one) == "used"]
    if used:
        yield _of_used(result, used, group, others, words)
    yield from _of_unused(
        result,
        [one for one in group if _read(result, one) == "unused"],
        words,
    )
    unsure = [one for one in group if _read(result, one) in ("not certain", "better without")]
    if unsure:
        first = max(unsure, key=lambda one: result.first_effect(one).increase)
        yield (
            f"{_capital(words)}: not certain that the network depends on {named(unsure)} "
            f"({first.name}: {result.increase_words(first)} {result.changed_words})."
        )


def _of_used(
    result: AblationResult,
    used: Sequence[AblatedLayer],
    group: Sequence[AblatedLayer],
    others: Sequence[AblatedLayer],
    words: str,
) -> str:
    most = max(used, key=lambda one: result.first_effect(one).increase)
    more = "".join(f"; {one.increase:+.2g} {_done(one)}" for one in most.effects[1:])
    detail = f"{result.increase_words(most)} {result.changed_words}, {_ranked(result, most)}{more}"
    if len(group) == 1:
        return f"{most.name}: {words}, yet the network depends on it: {detail}."
    costs = [result.first_effect(one).increase for one in used]
    beside = ""
    if others:
        usual = median(result.first_effect(one).increase for one in others)
        beside = f", of the {len(others)} other layers {usual:.2g}"
    depends = "all" if len(used) == len(group) else f"{len(used)} of the"
    return (
        f"{_capital(words)}, yet the network depends on {depends} {len(group)} such layers that "
        f"were measured: {min(costs):.2g} to {max(costs):.2g}{result.loss_unit} each (median "
        f"{median(costs):.2g}{beside}); most on {most.name}: {detail}."
    )


def _of_unused(result: AblationResult, unused: Sequence[AblatedLayer], words: str) -> Iterator[str]:
    if unused:
        one = len(unused) == 1
        text = f"{words}, and {result.changed_words}" if words else result.changed_words
        yield (
            f"{_capital(text)} nothing changes (within {result.nothing:.2g}"
            f"{result.loss_unit}): {named(unused)} {'is' if one else 'are'} unused on "
            f"{result.data_words}, {'a candidate' if one else 'candidates'} for pruning."
        )


# ------------------------------------------------------------------ words


def _done(effect: Effect) -> str:
    """What was done to the layer: also where no direction lies above the noise."""
    if effect.directions == 0 and effect.change in _NONE_ABOVE:
        return _NONE_ABOVE[effect.change]
    return f"with {CHANGES[effect.change].words}"


def _read(result: AblationResult, one: AblatedLayer) -> str:
    return result.reading(result.first_effect(one))


def _ranked(result: AblationResult, one: AblatedLayer) -> str:
    rank, peers = result.rank(one.name, result.changes[0])
    kind = _PEERS.get(one.role, f"{one.role} layers")
    if peers == 1:
        return f"the only one of its kind ({one.role}) that was measured"
    measured = " that were measured" if result.left_out else ""
    return f"{_ordinal(rank)} of {peers} {kind}{measured}"


def _ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, 11th ...

    >>> [_ordinal(number) for number in (1, 2, 3, 4, 11, 22)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd']
    """
    teens = 10 < number % 100 < 20
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
