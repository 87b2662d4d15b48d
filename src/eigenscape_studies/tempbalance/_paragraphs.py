"""The findings in plain words, computed from the runs."""

from __future__ import annotations

import math

from eigenscape.theory import hill_null
from eigenscape_studies._tables import matching
from eigenscape_studies.tempbalance._numbers import ACCURACY, Key, Numbers, tuning_scores
from eigenscape_studies.tempbalance._plan import (
    BASE,
    FIRST_TUNING_SEED,
    INVERSE,
    LINEAR,
    PERMUTED,
    RATES,
    SIGMOID,
)

#: Of the balanced layers of an ``FNO1d``.
_PROJECTION, _POINTWISE = (128, 24), (24, 24)


def paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return the findings in plain words."""
    return {
        "In short": _short(numbers),
        "How many comparisons": _counted(numbers),
        "What was trained": _trained(numbers),
        "The learning rates": _rates(numbers),
        "The other rates of the main cell": _other_rates(numbers),
        "What alpha sees first": _shapes(numbers),
        "What to take from it": (
            "Whether alphas become alike and whether the network becomes better are two questions: "
            "ask the second with both controls, paired seeds, and a learning rate that was tuned "
            "first. Here TempBalance has the published s and tau; the paper "
            "picks s for each data set among seven values, which this study does not. Where alphas "
            "differ by a few hundredths the sigmoid changes the rates by a fifth or so; the linear "
            "rule spends its full range, a half, even then."
        ),
    }


def _short(numbers: Numbers) -> str:
    cell, amount = numbers.main
    seeds = numbers.mean(cell, amount, SIGMOID).seeds
    return (
        f"With {amount} examples ({cell}), at the tuned learning rate "
        f"{numbers.chosen[cell, amount]:g}, {SIGMOID} changes the spread of alpha over the layers "
        f"by {numbers.spread(cell, amount, SIGMOID).words(' %', 0)}, and the nRMSE by "
        f"{numbers.moved(cell, amount, SIGMOID)}, over {seeds} paired seeds; the "
        f"same factors in inverse order change it by {numbers.moved(cell, amount, INVERSE)}, "
        f"dealt out at random by {numbers.moved(cell, amount, PERMUTED)}."
        + "".join(f" {_labels(numbers, cell)}" for cell in numbers.of_measure(ACCURACY))
    )


def _labels(numbers: Numbers, cell: str) -> str:
    amount = min(numbers.amounts(cell))
    told = [
        f"{numbers.moved(cell, amount, method)} with {words}"
        for method, words in (
            (SIGMOID, SIGMOID),
            (INVERSE, "the inverse"),
            (PERMUTED, "the permuted"),
        )
    ]
    return (
        f"Fine-tuned with {amount} labels ({cell}), the accuracy changes by {told[0]}, {told[1]}, "
        f"{told[2]}."
    )


def _counted(numbers: Numbers) -> str:
    found = numbers.family
    alone = [key for key, one in found.items() if one.p < 0.05]
    left = [key for key in alone if found[key].above or found[key].below]
    errors = [_named(numbers, key) for key in left if key.what == "error"]
    words = []
    for method in (SIGMOID, LINEAR, INVERSE, PERMUTED):
        places = [
            (cell, amount)
            for cell in numbers.cells
            for amount in numbers.amounts(cell)
            if method in numbers.methods(cell, amount)
        ]
        better = sum(numbers.better(*place, method) for place in places)
        changed = [numbers.change(*place, method) for place in places]
        worse = sum(one.above or one.below for one in changed) - better
        words.append(f"{method}: better in {better}, worse in {worse} of {len(places)}")
    counted = max((one.of for one in found.values()), default=0)
    return (
        f"{counted} comparisons are made here: of errors, of spreads and of slopes. Each has its "
        f"own interval; {len(alone)} leave out zero, and one in twenty does by chance. After Holm "
        f"over all {counted}, which keeps the chance of any false finding below 5 %, "
        f"{len(left)} are left, and every verdict is on these. Against base: {'; '.join(words)}. "
        f"Of the error: {'; '.join(errors) or 'none'}."
    )


def _named(numbers: Numbers, key: Key) -> str:
    """Write down one comparison of the error."""
    words = numbers.family[key].words(numbers.unit(key.cell))
    method = key.method if key.against == BASE else f"{key.method} ahead of {key.against}"
    return f"{key.cell}, {key.amount}, {method} {words}"


def _trained(numbers: Numbers) -> str:
    lost = numbers.diverged()
    bases = "; ".join(
        f"{cell} "
        + ", ".join(
            f"{amount}: {numbers.mean(cell, amount, BASE).mean:.3g}"
            for amount in numbers.amounts(cell)
        )
        for cell in numbers.cells
    )
    return (
        f"{len(numbers.rows)} judged trainings, all ways of a seed on the same data, initial "
        f"weights and batches; data and pretrained networks, too, are of the seed. Examples: "
        f"{numbers.listed()}. "
        f"What base reaches (nRMSE, or accuracy in percent): {bases}. "
        f"{lost or 'No'} training{'s' if lost > 1 else ''} diverged"
        f"{', and left out' if lost else ''}."
    )


def _shapes(numbers: Numbers) -> str:
    first = {
        row["layer"]: float(row["alpha"])
        for row in numbers.traces
        if row["method"] == BASE and row["step"] == 0
    }
    *others, largest = sorted(first, key=lambda layer: first[layer])
    wide, square = (hill_null(*sorted(shape)).mean for shape in (_PROJECTION, _POINTWISE))
    shapes = [" x ".join(map(str, shape)) for shape in (_PROJECTION, _POINTWISE)]
    return (
        f"Before training alpha is {first[largest]:.2f} in {largest} and "
        f"{first[others[0]]:.2f} to {first[others[-1]]:.2f} in the other balanced layers of the "
        f"main cell (seed {numbers.traces[0]['seed']}). Random matrices of their shapes, "
        f"{shapes[0]} and {shapes[1]}, have {wide:.2f} and {square:.2f}: the gap is one of the "
        "shapes, and what TempBalance does there is to let the projection learn faster and the "
        'rest slower, before it knows anything of the training. metric="alpha_excess" takes the '
        "shape out; the paper does not, and neither does this study."
    )


def _rates(numbers: Numbers) -> str:
    words = []
    for (cell, amount), rate in numbers.chosen.items():
        part = matching(numbers.tuning, cell=cell, amount=amount)
        scores = tuning_scores(part, numbers.cells[cell])
        told = ", ".join(
            f"{tried:g}: {_score(found.mean, numbers.cells[cell])}"
            for tried, found in scores.items()
        )
        edge = ", at an end of the list" if rate in (min(scores), max(scores)) else ""
        words.append(f"{cell}, {amount}: {rate:g}{edge} ({told})")
    return (
        f"One rule for every cell and amount: base is trained at {', '.join(map(str, RATES))} on "
        f"seeds from {FIRST_TUNING_SEED} on, which are judged nowhere, and all ways run at the "
        "rate with the lowest mean logarithm of base's nRMSE, or its highest mean accuracy. "
        "Chosen, with the geometric mean of the nRMSE or the mean accuracy at each: "
        f"{'; '.join(words)}."
    )


def _score(mean: float, measure: str) -> str:
    if math.isnan(mean):
        return "diverged"
    return f"{mean:.1f}" if measure == ACCURACY else f"{math.exp(mean):.3f}"


def _other_rates(numbers: Numbers) -> str:
    rows, words = numbers.curve(), []
    for rate in dict.fromkeys(row["rate"] for row in rows):
        found = {row["what"]: row for row in matching(rows, rate=rate)}
        base, against = found["base"], found["base against the chosen rate"]
        beside = "" if base["chosen"] else f" ({_bounds(against, 0)} % against the chosen rate)"
        told = ", ".join(
            f"{what} {_bounds(row, 1)} %"
            for what, row in found.items()
            if not what.startswith("base")
        )
        words.append(
            f"{rate:g} ({base['seeds']} seeds): base {_bounds(base, 3, '')}{beside}, spread "
            f"{_bounds(found['base spread'], 2, '')}, {told}"
        )
    return (
        f"{numbers.main[0]}, {numbers.main[1]} examples, at every rate of the list; intervals are "
        f"of each alone, a description that no verdict rests on. {'; '.join(words)}."
    )


def _bounds(row: dict[str, float], digits: int, sign: str = "+") -> str:
    mean, low, high = (f"{row[name]:{sign}.{digits}f}" for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"
