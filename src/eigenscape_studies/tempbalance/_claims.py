"""The paper's claims and our controls, held against the runs."""

from __future__ import annotations

from collections.abc import Iterable

from eigenscape_studies import Claim, verdict
from eigenscape_studies.tempbalance._numbers import ACCURACY, NRMSE, Key, Numbers
from eigenscape_studies.tempbalance._plan import (
    BASE,
    INVERSE,
    LINEAR,
    PERMUTED,
    SIGMOID,
    STRONG,
)


def _changes(numbers: Numbers, cell: str, method: str) -> str:
    """Write down the change against base at the amounts of a cell that a way was run at."""
    return "; ".join(
        f"{amount}: {numbers.moved(cell, amount, method)}"
        for amount in numbers.amounts(cell)
        if method in numbers.methods(cell, amount)
    )


def _places(numbers: Numbers, cells: Iterable[str]) -> list[tuple[str, int]]:
    return [(cell, amount) for cell in cells for amount in numbers.amounts(cell)]


def lower_error(numbers: Numbers) -> Claim:
    """TempBalance lowers the error of an operator that learns from few examples."""
    cell, amount = numbers.main
    base = numbers.mean(cell, amount, BASE)
    return Claim(
        name="lower error with little data",
        statement="TB-sigmoid lowers the nRMSE of a Fourier neural operator that learns from "
        "little data, by 1.4 to 14.5 %.",
        figure="table 19",
        measured=f"{cell}, {amount} examples: {SIGMOID} changes the nRMSE by "
        f"{numbers.moved(cell, amount, SIGMOID)}, {LINEAR} by "
        f"{numbers.moved(cell, amount, LINEAR)}; base has {base.words()}. {SIGMOID} by "
        f"examples: {_changes(numbers, cell, SIGMOID)}. The verdict is that of {amount} examples.",
        seeds=base.seeds,
        verdict=verdict(numbers.better(cell, amount, SIGMOID)),
    )


def more_than_controls(numbers: Numbers) -> Claim:
    """The gain is that of the metric, not of unequal rates as such."""
    cell, amount = numbers.main
    controls = {name: numbers.ahead(cell, amount, name) for name in (INVERSE, PERMUTED)}
    words = "; ".join(
        f"{name} changes the nRMSE by {numbers.moved(cell, amount, name)}, {SIGMOID} is "
        f"ahead by {gap.words(numbers.unit(cell))}"
        for name, gap in controls.items()
    )
    return Claim(
        name="control: the metric matters",
        statement="Not in the paper: the gain is larger than with the same factors handed out "
        "in inverse order, or to other layers at random.",
        figure="none",
        measured=f"{cell}, {amount} examples: {words}.",
        seeds=numbers.mean(cell, amount, SIGMOID).seeds,
        verdict=verdict(*(gap.above for gap in controls.values())),
    )


def other_operators(numbers: Numbers) -> Claim:
    """The same for another network on another equation."""
    cells = numbers.of_measure(NRMSE)[1:]
    words = ". ".join(
        f"{cell}, by examples: {_changes(numbers, cell, SIGMOID)}; {INVERSE}: "
        f"{_changes(numbers, cell, INVERSE)}"
        for cell in cells
    )
    return Claim(
        name="other operators",
        statement="TB-sigmoid lowers the nRMSE of U-Nets and of operators of Darcy flow, too, "
        "by 0.7 to 10.9 %.",
        figure="table 19, table on Darcy flow",
        measured=f"{words}.",
        seeds=numbers.fewest(cells),
        verdict=verdict(*(numbers.better(*place, SIGMOID) for place in _places(numbers, cells))),
    )


def fine_tuning(numbers: Numbers) -> Claim:
    """Fine-tuning with few labels becomes more accurate."""
    cells = numbers.of_measure(ACCURACY)
    words = []
    for cell in cells:
        base = ", ".join(
            f"{amount}: {numbers.mean(cell, amount, BASE).mean:.1f}"
            for amount in numbers.amounts(cell)
        )
        shown = [
            f"{method} {_changes(numbers, cell, method)}"
            for method in (SIGMOID, LINEAR, STRONG, INVERSE)
            if method in numbers.methods(cell, min(numbers.amounts(cell)))
        ]
        words.append(f"{cell}, by labels: base {base} %; {'. '.join(shown)}")
    return Claim(
        name="fine-tuning with few labels",
        statement="A fine-tuned language model is more accurate with TB-sigmoid by block, most "
        "with the fewest labels (SST-2: +9.9 points with 0.02 % of the labels, +0.9 with 1 %).",
        figure="tables 1 and 17",
        measured=f"{'. '.join(words)}. The verdict is on the accuracy alone; whether the gain "
        "grows is the next claim.",
        seeds=numbers.fewest(cells),
        verdict=verdict(*(numbers.better(*place, SIGMOID) for place in _places(numbers, cells))),
    )


def more_with_less_data(numbers: Numbers) -> Claim:
    """The gain grows as data shrink."""
    lines = {
        cell: numbers.family[Key("gain by amount", cell, 0, SIGMOID, "")] for cell in numbers.cells
    }
    words = "; ".join(f"{cell} {line.words(numbers.unit(cell))}" for cell, line in lines.items())
    return Claim(
        name="the less data, the larger the gain",
        statement="The gain grows as data shrink (the paper's own tables are not monotone).",
        figure="figures 3 and 4",
        measured=f"Change of the gain of {SIGMOID} for each doubling of the data (the paper "
        f"expects it below zero): {words}. Amounts: {numbers.listed()}.",
        seeds=min(line.seeds for line in lines.values()),
        verdict=verdict(*(line.below for line in lines.values())),
    )


def sigmoid_or_linear(numbers: Numbers) -> Claim:
    """The sigmoid is the better map."""
    gaps = {cell: numbers.ahead(cell, min(numbers.amounts(cell)), LINEAR) for cell in numbers.cells}
    words = "; ".join(f"{cell} {gap.words(numbers.unit(cell))}" for cell, gap in gaps.items())
    return Claim(
        name="sigmoid against linear",
        statement="The sigmoid is the better map from alpha to factor with little data (QNLI, "
        "0.1 %: 75.8 against 73.5; 0.05 %: 72.8 against 72.8).",
        figure="ablation on QNLI",
        measured=f"{SIGMOID} is ahead of {LINEAR}, with the fewest examples, by: {words}.",
        seeds=min(gap.seeds for gap in gaps.values()),
        verdict=verdict(*(gap.above for gap in gaps.values())),
    )


def _spreads(numbers: Numbers, method: str) -> str:
    return "; ".join(
        f"{cell} "
        + ", ".join(
            f"{amount}: {numbers.spread(cell, amount, method).words(' %', 0)}"
            for amount in numbers.amounts(cell)
        )
        for cell in numbers.cells
    )


def _in_main_cell(numbers: Numbers, method: str, *, narrower: bool) -> str:
    """Say in how many seeds of the main cell the spread is on the expected side."""
    changes = numbers.spread_changes(*numbers.main, method)
    count = int((changes < 0).sum() if narrower else (changes > 0).sum())
    side = "narrower" if narrower else "wider"
    base = numbers.mean(*numbers.main, BASE, "spread")
    return (
        f"{numbers.main[0]}, {numbers.main[1]} examples: base {base.words(2)}, {side} in {count} "
        f"of {len(changes)} seeds"
    )


def alike(numbers: Numbers) -> Claim:
    """The spread shrinks in every cell, at every amount."""
    places = _places(numbers, numbers.cells)
    return Claim(
        name="alphas become alike",
        statement="The standard deviation of PL_Alpha_Hill over the layers, or blocks, shrinks "
        "under TempBalance.",
        figure="figure of the standard deviation over layers",
        measured=f"Change of the spread by {SIGMOID}, by examples: {_spreads(numbers, SIGMOID)}. "
        f"{_in_main_cell(numbers, SIGMOID, narrower=True)}.",
        seeds=numbers.fewest(numbers.cells),
        verdict=verdict(*(numbers.spread(*place, SIGMOID).below for place in places)),
    )


def wider(numbers: Numbers) -> Claim:
    """The inverse factors widen the spread."""
    places = _places(numbers, numbers.cells)
    return Claim(
        name="control: inverse factors",
        statement="Not in the paper: the same factors in inverse order widen the spread.",
        figure="none",
        measured=f"Change of the spread by {INVERSE}, by examples: {_spreads(numbers, INVERSE)}. "
        f"{_in_main_cell(numbers, INVERSE, narrower=False)}.",
        seeds=numbers.fewest(numbers.cells),
        verdict=verdict(*(numbers.spread(*place, INVERSE).above for place in places)),
    )


def imbalance_with_less_data(numbers: Numbers) -> Claim:
    """Without TempBalance the spread is larger the fewer the data."""
    words, parts = [], []
    for cell in numbers.cells:
        line = numbers.family[Key("spread by amount", cell, 0, BASE, "")]
        means = ", ".join(
            f"{amount}: {numbers.mean(cell, amount, BASE, 'spread').mean:.3g}"
            for amount in numbers.amounts(cell)
        )
        first = numbers.mean(cell, numbers.amounts(cell)[0], BASE, "first_spread").mean
        words.append(
            f"{cell} {means}, before training {first:.3g}, change for each doubling "
            f"{line.words(digits=3)}"
        )
        parts.append(line.below)
    return Claim(
        name="less data, less alike",
        statement="Without TempBalance the spread of PL_Alpha_Hill over the layers is larger "
        "the fewer the data.",
        figure="figure of the standard deviation over layers",
        measured=f"Spread of base, by examples: {'; '.join(words)}. Epochs are the same, so more "
        "data are more steps, and each amount has the rate that was tuned for it.",
        seeds=numbers.fewest(numbers.cells),
        verdict=verdict(*parts),
    )


def large_models(_: Numbers) -> Claim:
    """What this study does not run."""
    return Claim(
        name="large models",
        statement="RoBERTa on GLUE and SuperGLUE, LLaMA-7B on ScienceQA, DPOT on PDEBench gain "
        "in the same way.",
        figure="tables 1, 17 and 18",
        measured="Their weights, texts and fields are not trained here.",
        seeds=0,
        verdict="not tested here",
    )


CLAIMS = (
    *(lower_error, more_than_controls, other_operators, fine_tuning, more_with_less_data),
    *(sigmoid_or_linear, alike, wider, imbalance_with_less_data, large_models),
)
