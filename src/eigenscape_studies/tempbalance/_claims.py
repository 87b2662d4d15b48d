"""The paper's claims and our controls, held against the runs."""

from __future__ import annotations

from typing import Any

from eigenscape_studies._claim import Claim
from eigenscape_studies._interval import Interval
from eigenscape_studies.tempbalance._numbers import ACCURACY, NRMSE, Numbers, mark
from eigenscape_studies.tempbalance._plan import (
    BASE,
    INVERSE,
    LINEAR,
    PERMUTED,
    SIGMOID,
    STRONG,
    TUNED,
)
from eigenscape_studies.tempbalance._spread_claims import (
    imbalance_with_less_data,
    spread_everywhere,
    spread_in_main_cell,
)
from eigenscape_studies.tempbalance._words import amounts_of, fewest, unit_of, verdict

#: What the design of this study started from: change of the nRMSE, standard error, seeds.
_PILOT = (-5.6, 3.1, 16)


def make_claims(numbers: Numbers, command: str) -> tuple[Claim, ...]:
    """Return every claim with its verdict, computed from the runs."""
    made = (
        lower_error, more_than_controls, other_operators, fine_tuning, more_with_less_data,
        sigmoid_or_linear, tuned_rate, spread_in_main_cell, spread_everywhere,
        imbalance_with_less_data, large_models,
    )  # fmt: skip
    return tuple(Claim(**make(numbers), command=command) for make in made)


def _changes(numbers: Numbers, cell: str, method: str) -> str:
    """Write down the change against base at every amount of a cell."""
    unit = unit_of(numbers, cell)
    return "; ".join(
        f"{amount}: {mark(numbers.change(cell, amount, method), unit)}"
        for amount in numbers.amounts(cell)
    )


def _better(found: Interval) -> bool:
    return found.low > 0


def lower_error(numbers: Numbers) -> dict[str, Any]:
    """TempBalance lowers the error of an operator that learns from few examples."""
    cell, amount = numbers.main
    base = numbers.mean(cell, amount, BASE)
    return {
        "name": "lower error with little data",
        "statement": "TB-sigmoid lowers the nRMSE of a Fourier neural operator that learns from "
        "little data, by 1.4 to 14.5 %.",
        "figure": "table 19",
        "measured": f"{cell}, {amount} examples: {SIGMOID} changes the nRMSE by "
        f"{mark(numbers.change(cell, amount, SIGMOID))}, {LINEAR} by "
        f"{mark(numbers.change(cell, amount, LINEAR))}; base has {base.words()}. {SIGMOID} by "
        f"examples: {_changes(numbers, cell, SIGMOID)}. A pilot on other data, at a rate that "
        f"was hardly tuned, had {_PILOT[0]} ± {_PILOT[1]} % (standard error) over {_PILOT[2]} "
        "seeds, which is not significant.",
        "seeds": base.seeds,
        "verdict": verdict(_better(numbers.gain(cell, amount, SIGMOID))),
    }


def more_than_controls(numbers: Numbers) -> dict[str, Any]:
    """The gain is that of the metric, not of unequal rates as such."""
    cell, amount = numbers.main
    controls = {name: numbers.ahead(cell, amount, SIGMOID, name) for name in (INVERSE, PERMUTED)}
    words = "; ".join(
        f"{name} changes the nRMSE by {mark(numbers.change(cell, amount, name))}, {SIGMOID} is "
        f"ahead by {mark(gap)}"
        for name, gap in controls.items()
    )
    return {
        "name": "control: the metric matters",
        "statement": "Not in the paper: the gain is larger than with the same factors handed out "
        "in inverse order, or to other layers at random.",
        "figure": "none",
        "measured": f"{cell}, {amount} examples: {words}.",
        "seeds": numbers.mean(cell, amount, SIGMOID).seeds,
        "verdict": verdict(*(_better(gap) for gap in controls.values())),
    }


def other_operators(numbers: Numbers) -> dict[str, Any]:
    """The same for another network on another equation."""
    cells = numbers.of_measure(NRMSE)[1:]
    words = ". ".join(
        f"{cell}, by examples: {_changes(numbers, cell, SIGMOID)}; {INVERSE}: "
        f"{_changes(numbers, cell, INVERSE)}"
        for cell in cells
    )
    parts = [
        _better(numbers.gain(cell, amount, SIGMOID))
        for cell in cells
        for amount in numbers.amounts(cell)
    ]
    return {
        "name": "other operators",
        "statement": "TB-sigmoid lowers the nRMSE of U-Nets and of operators of Darcy flow, too, "
        "by 0.7 to 10.9 %.",
        "figure": "table 19, table on Darcy flow",
        "measured": f"{words}.",
        "seeds": fewest(numbers, cells),
        "verdict": verdict(*parts),
    }


def fine_tuning(numbers: Numbers) -> dict[str, Any]:
    """Fine-tuning with few labels becomes more accurate."""
    cells = numbers.of_measure(ACCURACY)
    words, parts = [], []
    for cell in cells:
        base = ", ".join(
            f"{amount}: {numbers.mean(cell, amount, BASE).mean:.1f}"
            for amount in numbers.amounts(cell)
        )
        shown = [
            f"{method} {_changes(numbers, cell, method)}"
            for method in (SIGMOID, LINEAR, STRONG, INVERSE)
            if method in numbers.methods(cell)
        ]
        words.append(f"{cell}, by labels: base {base} %; {'. '.join(shown)}")
        parts += [_better(numbers.gain(cell, amount, SIGMOID)) for amount in numbers.amounts(cell)]
    return {
        "name": "fine-tuning with few labels",
        "statement": "A fine-tuned language model is more accurate with TB-sigmoid by block, most "
        "with the fewest labels (SST-2: +9.9 points with 0.02 % of the labels, +0.9 with 1 %).",
        "figure": "tables 1 and 17",
        "measured": f"{'. '.join(words)}.",
        "seeds": fewest(numbers, cells),
        "verdict": verdict(*parts),
    }


def more_with_less_data(numbers: Numbers) -> dict[str, Any]:
    """The gain grows as data shrink."""
    lines = {cell: numbers.line(cell, SIGMOID) for cell in numbers.cells}
    words = "; ".join(
        f"{cell} {line.turned().words(1, unit_of(numbers, cell))}" for cell, line in lines.items()
    )
    return {
        "name": "the less data, the larger the gain",
        "statement": "The gain grows as data shrink (the paper's own tables are not monotone).",
        "figure": "figures 3 and 4",
        "measured": f"Growth of the gain of {SIGMOID} for each halving of the data: {words}. "
        f"Amounts: {amounts_of(numbers)}.",
        "seeds": fewest(numbers, list(numbers.cells)),
        "verdict": verdict(*(line.high < 0 for line in lines.values())),
    }


def sigmoid_or_linear(numbers: Numbers) -> dict[str, Any]:
    """The sigmoid is the better map."""
    gaps = {
        cell: numbers.ahead(cell, min(numbers.amounts(cell)), SIGMOID, LINEAR)
        for cell in numbers.cells
    }
    words = "; ".join(f"{cell} {mark(gap, unit_of(numbers, cell))}" for cell, gap in gaps.items())
    return {
        "name": "sigmoid against linear",
        "statement": "The sigmoid is the better map from alpha to factor with little data (QNLI, "
        "0.1 %: 75.8 against 73.5; 0.05 %: 72.8 against 72.8).",
        "figure": "ablation on QNLI",
        "measured": f"{SIGMOID} is ahead of {LINEAR}, with the fewest examples, by: {words}.",
        "seeds": min(gap.seeds for gap in gaps.values()),
        "verdict": verdict(*(_better(gap) for gap in gaps.values())),
    }


def tuned_rate(numbers: Numbers) -> dict[str, Any]:
    """More than a tuned learning rate gives."""
    words, parts = [], []
    for cell in numbers.cells:
        for amount in numbers.amounts(cell):
            gap = numbers.ahead(cell, amount, SIGMOID, TUNED)
            words.append(f"{cell}, {amount}: {mark(gap, unit_of(numbers, cell))}")
            parts.append(_better(gap))
    return {
        "name": "control: a tuned learning rate",
        "statement": "Not in the paper in this form: TB-sigmoid at the base rate is better than "
        "one rate for all layers, tuned on other seeds.",
        "figure": "none",
        "measured": f"{SIGMOID} is ahead of the tuned rate by: {'; '.join(words)}.",
        "seeds": fewest(numbers, list(numbers.cells)),
        "verdict": verdict(*parts),
    }


def large_models(numbers: Numbers) -> dict[str, Any]:
    """What this study does not run."""
    del numbers
    return {
        "name": "large models",
        "statement": "RoBERTa on GLUE and SuperGLUE, LLaMA-7B on ScienceQA, DPOT on PDEBench gain "
        "in the same way.",
        "figure": "tables 1, 17 and 18",
        "measured": "Their weights, texts and fields are not trained here.",
        "seeds": 0,
        "verdict": "not tested here",
    }
