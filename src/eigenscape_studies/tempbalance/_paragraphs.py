"""The findings in plain words, computed from the runs."""

from __future__ import annotations

from eigenscape.theory import hill_null
from eigenscape_studies._tables import matching
from eigenscape_studies.tempbalance._numbers import ACCURACY, Numbers, tuning_scores
from eigenscape_studies.tempbalance._plan import (
    BASE,
    FIRST_TUNING_SEED,
    FNO_BURGERS,
    INVERSE,
    LINEAR,
    PERMUTED,
    SIGMOID,
)

#: Of the balanced layers of an ``FNO1d``.
_PROJECTION, _POINTWISE = (128, 24), (24, 24)


def paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return the findings in plain words."""
    return {
        "In short": _short(numbers),
        "How often an interval leaves out zero": _counted(numbers),
        "What was trained": _trained(numbers),
        "The tuned rates": _tuned(numbers),
        "The rate of the main cell": (
            f"The first cell's base rate, {FNO_BURGERS.learning_rate:g}, about twice the best one, "
            "was set after a first run at 0.015 had been judged on the same seeds: alphas moved "
            "too little there for the inverse factors to widen their spread by a fifth. "
            f"BENCHMARKS.md has that run. So what {SIGMOID} gains here over base, it gains over a "
            "rate that is too large; compare it with the tuned rate."
        ),
        "What alpha sees first": _shapes(numbers),
        "What to take from it": (
            "Whether alphas become alike and whether the network becomes better are two questions: "
            "ask the second with both controls, paired seeds, and a learning rate that was tuned "
            "first. Here TempBalance has the base rate and the published s and tau; the paper "
            "picks s for each data set among seven values, which this study does not. Where alphas "
            "differ by a few hundredths the sigmoid changes the rates by a fifth or so; the linear "
            "rule spends its full range, a half, even then."
        ),
    }


def _short(numbers: Numbers) -> str:
    cell, amount = numbers.main
    ratio = numbers.ratio(cell, amount, SIGMOID)
    return (
        f"With {amount} examples ({cell}) {SIGMOID} makes the spread of alpha over the layers "
        f"{ratio.words(2)} of what it is without, and changes the nRMSE by "
        f"{numbers.moved(cell, amount, SIGMOID)}, over {ratio.seeds} paired seeds; the "
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
    words = []
    for method in (SIGMOID, LINEAR, INVERSE, PERMUTED):
        gains = [
            numbers.gain(cell, amount, method)
            for cell in numbers.cells
            for amount in numbers.amounts(cell)
        ]
        better = sum(found.low > 0 for found in gains)
        worse = sum(found.high < 0 for found in gains)
        words.append(f"{method}: better in {better}, worse in {worse} of {len(gains)}")
    return (
        f"Over all cells and amounts, against base: {'; '.join(words)}. One interval in twenty "
        "leaves out zero by chance, so single ones prove little."
    )


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
        f"{numbers.trainings()} judged trainings, all ways of a seed on the same data, initial "
        f"weights and batches; data and pretrained networks, too, are of the seed. Examples: "
        f"{numbers.listed()}. "
        f"What base reaches (nRMSE, or accuracy in percent): {bases}. "
        f"{lost or 'No'} training{'' if lost == 1 else 's'} diverged"
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
    return (
        f"Before training alpha is {first[largest]:.2f} in {largest} and "
        f"{first[others[0]]:.2f} to {first[others[-1]]:.2f} in the other balanced layers of the "
        f"main cell (seed 0). Random matrices of their shapes, {' x '.join(map(str, _PROJECTION))} "
        f"and {' x '.join(map(str, _POINTWISE))}, have {wide:.2f} and {square:.2f}: the spread is "
        "that of the shapes, and what TempBalance does there is to let the projection learn faster "
        'and the rest slower, before it knows anything of the training. metric="alpha_excess" '
        "takes the shape out; the paper does not, and neither does this study."
    )


def _tuned(numbers: Numbers) -> str:
    words = []
    for (cell, amount), factor in numbers.chosen.items():
        part = matching(numbers.tuning, cell=cell, amount=amount)
        scores = tuning_scores(part, numbers.cells[cell])
        told = ", ".join(
            f"x{tried:g} {score:+.1f}" for tried, score in scores.items() if tried != 1
        )
        words.append(f"{cell}, {amount}: x{factor:g} ({told}{numbers.unit(cell)})")
    return (
        f"On seeds from {FIRST_TUNING_SEED} on, which are judged nowhere, the base rate was tried "
        f"against its half and its double; chosen, with the gains over the base rate: "
        f"{'; '.join(words)}. Where the base rate was best, the tuned rate is base itself."
    )
