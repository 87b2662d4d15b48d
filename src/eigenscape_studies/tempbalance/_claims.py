"""The paper's claims and our controls, held against the runs."""

from __future__ import annotations

import numpy as np

from eigenscape.stats import Interval
from eigenscape_studies import Claim, signed, unless_significant, verdict
from eigenscape_studies.tempbalance._numbers import ACCURACY, NRMSE, Numbers
from eigenscape_studies.tempbalance._plan import (
    BASE,
    INVERSE,
    LINEAR,
    PERMUTED,
    SIGMOID,
    STRONG,
    TUNED,
)

#: What the design of this study started from: change of the nRMSE, standard error, seeds.
_PILOT = (-5.6, 3.1, 16)


def _changes(numbers: Numbers, cell: str, method: str) -> str:
    """Write down the change against base at every amount of a cell."""
    return "; ".join(
        f"{amount}: {numbers.moved(cell, amount, method)}" for amount in numbers.amounts(cell)
    )


def _better(found: Interval) -> bool:
    return found.low > 0


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
        f"examples: {_changes(numbers, cell, SIGMOID)}. A pilot on other data, at a rate that "
        f"was hardly tuned, had {_PILOT[0]} ± {_PILOT[1]} % (standard error) over {_PILOT[2]} "
        "seeds, which is not significant.",
        seeds=base.seeds,
        verdict=verdict(_better(numbers.gain(cell, amount, SIGMOID))),
    )


def more_than_controls(numbers: Numbers) -> Claim:
    """The gain is that of the metric, not of unequal rates as such."""
    cell, amount = numbers.main
    controls = {name: numbers.ahead(cell, amount, SIGMOID, name) for name in (INVERSE, PERMUTED)}
    words = "; ".join(
        f"{name} changes the nRMSE by {numbers.moved(cell, amount, name)}, {SIGMOID} is "
        f"ahead by {signed(gap, numbers.unit(cell))}"
        for name, gap in controls.items()
    )
    return Claim(
        name="control: the metric matters",
        statement="Not in the paper: the gain is larger than with the same factors handed out "
        "in inverse order, or to other layers at random.",
        figure="none",
        measured=f"{cell}, {amount} examples: {words}.",
        seeds=numbers.mean(cell, amount, SIGMOID).seeds,
        verdict=verdict(*(_better(gap) for gap in controls.values())),
    )


def other_operators(numbers: Numbers) -> Claim:
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
    return Claim(
        name="other operators",
        statement="TB-sigmoid lowers the nRMSE of U-Nets and of operators of Darcy flow, too, "
        "by 0.7 to 10.9 %.",
        figure="table 19, table on Darcy flow",
        measured=f"{words}.",
        seeds=numbers.fewest(cells),
        verdict=verdict(*parts),
    )


def fine_tuning(numbers: Numbers) -> Claim:
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
    return Claim(
        name="fine-tuning with few labels",
        statement="A fine-tuned language model is more accurate with TB-sigmoid by block, most "
        "with the fewest labels (SST-2: +9.9 points with 0.02 % of the labels, +0.9 with 1 %).",
        figure="tables 1 and 17",
        measured=f"{'. '.join(words)}.",
        seeds=numbers.fewest(cells),
        verdict=verdict(*parts),
    )


def more_with_less_data(numbers: Numbers) -> Claim:
    """The gain grows as data shrink."""
    lines = {cell: numbers.line(cell, SIGMOID) for cell in numbers.cells}
    words = "; ".join(
        f"{cell} {line.turned().words(1, numbers.unit(cell))}" for cell, line in lines.items()
    )
    return Claim(
        name="the less data, the larger the gain",
        statement="The gain grows as data shrink (the paper's own tables are not monotone).",
        figure="figures 3 and 4",
        measured=f"Growth of the gain of {SIGMOID} for each halving of the data: {words}. "
        f"Amounts: {numbers.listed()}.",
        seeds=numbers.fewest(numbers.cells),
        verdict=verdict(*(line.high < 0 for line in lines.values())),
    )


def sigmoid_or_linear(numbers: Numbers) -> Claim:
    """The sigmoid is the better map."""
    gaps = {
        cell: numbers.ahead(cell, min(numbers.amounts(cell)), SIGMOID, LINEAR)
        for cell in numbers.cells
    }
    words = "; ".join(f"{cell} {signed(gap, numbers.unit(cell))}" for cell, gap in gaps.items())
    return Claim(
        name="sigmoid against linear",
        statement="The sigmoid is the better map from alpha to factor with little data (QNLI, "
        "0.1 %: 75.8 against 73.5; 0.05 %: 72.8 against 72.8).",
        figure="ablation on QNLI",
        measured=f"{SIGMOID} is ahead of {LINEAR}, with the fewest examples, by: {words}.",
        seeds=min(gap.seeds for gap in gaps.values()),
        verdict=verdict(*(_better(gap) for gap in gaps.values())),
    )


def tuned_rate(numbers: Numbers) -> Claim:
    """More than a tuned learning rate gives."""
    words, parts = [], []
    for cell in numbers.cells:
        for amount in numbers.amounts(cell):
            gap = numbers.ahead(cell, amount, SIGMOID, TUNED)
            words.append(f"{cell}, {amount}: {signed(gap, numbers.unit(cell))}")
            parts.append(_better(gap))
    return Claim(
        name="control: a tuned learning rate",
        statement="Not in the paper in this form: TB-sigmoid at the base rate is better than "
        "one rate for all layers, tuned on other seeds.",
        figure="none",
        measured=f"{SIGMOID} is ahead of the tuned rate by: {'; '.join(words)}.",
        seeds=numbers.fewest(numbers.cells),
        verdict=verdict(*parts),
    )


#: What a pilot with other data had in each of 12 seeds: narrowed below, widened above.
_NARROW, _WIDE = 0.4, 1.2


def spread_in_main_cell(numbers: Numbers) -> Claim:
    """Unmistakable in the main cell."""
    cell, amount = numbers.main
    narrow, wide = (numbers.ratios(cell, amount, name) for name in (SIGMOID, INVERSE))
    base = numbers.mean(cell, amount, BASE, "spread")
    return Claim(
        name="alphas become alike",
        statement="The standard deviation of PL_Alpha_Hill over the layers shrinks under "
        f"TB-sigmoid (here: below {_NARROW} of that of base); not in the paper: the inverse "
        f"factors widen it (above {_WIDE}).",
        figure="figure of the standard deviation over layers",
        measured=f"{cell}, {amount} examples: base {base.words(2)}; {SIGMOID} over base "
        f"{numbers.ratio(cell, amount, SIGMOID).words(2)}, below {_NARROW} in "
        f"{int(np.sum(narrow < _NARROW))} of {len(narrow)} seeds; inverse over base "
        f"{numbers.ratio(cell, amount, INVERSE).words(2)}, above {_WIDE} in "
        f"{int(np.sum(wide > _WIDE))} of {len(wide)}. The verdict is on the means, "
        "and the rate was chosen with this claim in view (see above).",
        seeds=base.seeds,
        verdict=verdict(
            numbers.ratio(cell, amount, SIGMOID).mean < _NARROW,
            numbers.ratio(cell, amount, INVERSE).mean > _WIDE,
        ),
    )


def spread_everywhere(numbers: Numbers) -> Claim:
    """The spread shrinks in every cell, at every amount."""
    words, parts = [], []
    for cell in numbers.cells:
        shown = []
        for amount in numbers.amounts(cell):
            found = numbers.ratio(cell, amount, SIGMOID)
            tail = " (not significant)" if unless_significant(found, 1) else ""
            shown.append(f"{amount}: {found.words(2)}{tail}")
            parts.append(found.high < 1)
        linear = ", ".join(
            f"{numbers.ratio(cell, amount, LINEAR).mean:.2f}" for amount in numbers.amounts(cell)
        )
        words.append(f"{cell} {', '.join(shown)} ({LINEAR} {linear})")
    return Claim(
        name="alike in every cell",
        statement="TempBalance shrinks the spread of PL_Alpha_Hill over the layers, or blocks, "
        "of every network.",
        figure="figure of the standard deviation over layers",
        measured=f"Spread of {SIGMOID} over that of base, by examples: {'; '.join(words)}.",
        seeds=numbers.fewest(numbers.cells),
        verdict=verdict(*parts),
    )


def imbalance_with_less_data(numbers: Numbers) -> Claim:
    """Without TempBalance the spread is larger the fewer the data."""
    words, parts = [], []
    for cell in numbers.cells:
        line = numbers.spread_line(cell)
        means = ", ".join(
            f"{amount}: {numbers.mean(cell, amount, BASE, 'spread').mean:.3g}"
            for amount in numbers.amounts(cell)
        )
        first = numbers.mean(cell, numbers.amounts(cell)[0], BASE, "first_spread").mean
        words.append(
            f"{cell} {means}, before training {first:.3g}, slope for each doubling {line.words(3)}"
        )
        parts.append(line.high < 0)
    return Claim(
        name="less data, less alike",
        statement="Without TempBalance the spread of PL_Alpha_Hill over the layers is larger "
        "the fewer the data.",
        figure="figure of the standard deviation over layers",
        measured=f"Spread of base, by examples: {'; '.join(words)}. Epochs are the same: "
        "more data are more steps, too.",
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
    *(sigmoid_or_linear, tuned_rate, spread_in_main_cell, spread_everywhere),
    *(imbalance_with_less_data, large_models),
)
