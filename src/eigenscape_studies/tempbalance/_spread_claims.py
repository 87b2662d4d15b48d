"""Claims about what TempBalance is meant to do to the layers: make their alphas alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from eigenscape_studies.tempbalance._numbers import Numbers
from eigenscape_studies.tempbalance._plan import BASE, INVERSE, LINEAR, SIGMOID
from eigenscape_studies.tempbalance._words import fewest, verdict

#: What a pilot with other data had in each of 12 seeds: narrowed below, widened above.
_NARROW, _WIDE = 0.4, 1.2


def spread_in_main_cell(numbers: Numbers) -> dict[str, Any]:
    """Unmistakable in the main cell."""
    cell, amount = numbers.main
    narrow, wide = (numbers.ratios(cell, amount, name) for name in (SIGMOID, INVERSE))
    base = numbers.mean(cell, amount, BASE, "spread")
    return {
        "name": "alphas become alike",
        "statement": "The standard deviation of PL_Alpha_Hill over the layers shrinks under "
        f"TB-sigmoid (here: below {_NARROW} of that of base); not in the paper: the inverse "
        f"factors widen it (above {_WIDE}).",
        "figure": "figure of the standard deviation over layers",
        "measured": f"{cell}, {amount} examples: base {base.words(2)}; {SIGMOID} over base "
        f"{numbers.ratio(cell, amount, SIGMOID).words(2)}, below {_NARROW} in "
        f"{int(np.sum(narrow < _NARROW))} of {len(narrow)} seeds; inverse over base "
        f"{numbers.ratio(cell, amount, INVERSE).words(2)}, above {_WIDE} in "
        f"{int(np.sum(wide > _WIDE))} of {len(wide)}. The verdict is on the means, "
        "and the rate was chosen with this claim in view (see above).",
        "seeds": base.seeds,
        "verdict": verdict(
            numbers.ratio(cell, amount, SIGMOID).mean < _NARROW,
            numbers.ratio(cell, amount, INVERSE).mean > _WIDE,
        ),
    }


def spread_everywhere(numbers: Numbers) -> dict[str, Any]:
    """The spread shrinks in every cell, at every amount."""
    words, parts = [], []
    for cell in numbers.cells:
        shown = []
        for amount in numbers.amounts(cell):
            found = numbers.ratio(cell, amount, SIGMOID)
            tail = "" if found.high < 1 or found.low > 1 else " (not significant)"
            shown.append(f"{amount}: {found.words(2)}{tail}")
            parts.append(found.high < 1)
        linear = ", ".join(
            f"{numbers.ratio(cell, amount, LINEAR).mean:.2f}" for amount in numbers.amounts(cell)
        )
        words.append(f"{cell} {', '.join(shown)} ({LINEAR} {linear})")
    return {
        "name": "alike in every cell",
        "statement": "TempBalance shrinks the spread of PL_Alpha_Hill over the layers, or blocks, "
        "of every network.",
        "figure": "figure of the standard deviation over layers",
        "measured": f"Spread of {SIGMOID} over that of base, by examples: {'; '.join(words)}.",
        "seeds": fewest(numbers, list(numbers.cells)),
        "verdict": verdict(*parts),
    }


def imbalance_with_less_data(numbers: Numbers) -> dict[str, Any]:
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
    return {
        "name": "less data, less alike",
        "statement": "Without TempBalance the spread of PL_Alpha_Hill over the layers is larger "
        "the fewer the data.",
        "figure": "figure of the standard deviation over layers",
        "measured": f"Spread of base, by examples: {'; '.join(words)}. Epochs are the same: "
        "more data are more steps, too.",
        "seeds": fewest(numbers, list(numbers.cells)),
        "verdict": verdict(*parts),
    }
