"""What is computed: one function for each kind of experiment, of plain arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain, pairwise
from math import comb
from typing import Any

import numpy as np

from eigenscape.diagnosis import (
    MDTree,
    Population,
    actions_of,
    evaluate,
    fit_baseline,
    get_shape,
    read_population,
    sample_cells,
    scores,
    step_gains,
    subset,
)
from eigenscape.runs import Task
from eigenscape_studies import Found
from eigenscape_studies._permuted import permuted_scores
from eigenscape_studies._tables import Rows
from eigenscape_studies.md_tree._numbers import Numbers
from eigenscape_studies.md_tree._plan import (
    BASELINES,
    CASES,
    PERMUTED,
    TREES,
    MDTreePlan,
    arguments_of,
    find_tables,
)

_MARGINS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, float("inf"))
_STEPS = {"temperature": 8, "width": 1}  # cells, as in the paper
#: Of so few possible draws all are taken; further seeds to find them by.
_ALL, _FURTHER, _TRIES = 10, 100, 1000


def tasks(plan: MDTreePlan, _: Found) -> list[Task]:
    """Return every task: curves, steps along a diagnosis, margins, random thresholds."""
    tables = find_tables()
    clean = _read(tables["clean"])
    made = [
        Task(
            f"curve: {case} {value}",
            curve_task,
            {**tables, "case": case, "value": value, "seeds": list(plan.seeds)},
        )
        for case in CASES
        for value in plan.values[case]
    ]
    made += [
        Task(
            f"steps: {question} seed {seed}",
            steps_task,
            {**tables, "question": question, "cells": cells, "seed": seed},
        )
        for question, cells in _STEPS.items()
        for seed in distinct_draws(f"{question}, few", cells, plan.seeds, clean)
    ]
    drawn = {"noisy": tables["noisy"], "count": plan.draws, "seed": 0}
    return [*made, Task("margin:", margin_task, tables), Task("constants:", constants_task, drawn)]


def collect(_: MDTreePlan, found: Found) -> Numbers:
    """Gather the rows of each kind of task."""
    rows: dict[str, Rows] = {}
    for name, value in found["scores"].items():
        rows.setdefault(name.split(":")[0], []).extend(value)
    return Numbers(rows)


@lru_cache(maxsize=4)
def _read(path: str) -> Population:
    return read_population(path)


def curve_task(clean: str, noisy: str, case: str, value: int, seeds: Sequence[int]) -> Rows:
    """Fit every method to one training set for each seed, and score it on the noisy table."""
    known = CASES[case]
    options = arguments_of(known, value)
    train, test = _read(clean), _read(noisy)
    seen = subset(test, min_width=known.min_width)
    parts = distinct_draws(case, value, seeds, train)
    seeds = list(parts)
    # without a draw the training set is one, and seeds only break a baseline's ties
    draw_of = {seed: i if known.varied == "cells" else 0 for i, seed in enumerate(seeds)}
    rows: Rows = []
    for name, (variant, search) in TREES.items():
        if variant == "cka" and known.question != "temperature":
            continue
        first = name == next(iter(TREES))
        result = evaluate(
            train,
            test,
            **options,
            variant=variant,
            search=search,
            seeds=seeds,
            baselines=BASELINES if first else (),
        )
        head = {"case": case, "value": value, "n": result.n_train}
        found: dict[str, Any] = {name: result.per_seed, **result.baselines}
        rows += [
            {**head, "method": method, "draw": draw_of[row["seed"]], **_scores(row)}
            for method, some in found.items()
            for row in some
        ]
        if first:
            fixed = {
                "zero-shot constants": (result.zero_shot, result.zero_shot_balanced),
                "majority": (result.majority, 50.0),
            }
            rows += [
                {**head, "method": method, "draw": 0, "accuracy": one, "balanced_accuracy": two}
                for method, (one, two) in fixed.items()
            ]
    rows += [
        {
            **rows[0],
            "method": PERMUTED,
            "draw": i,  # a permutation of its own
            **permuted_scores(parts[seed], seen, known.question, seed),
        }
        for i, seed in enumerate(seeds)
    ]
    return rows


def _scores(row: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(row[key]) for key in ("accuracy", "balanced_accuracy")}


def distinct_draws(
    case: str, value: int, seeds: Sequence[int], train: Population
) -> dict[int, Population]:
    """Return seed to training set; no two are equal.

    Where a case draws cells: all possible draws if there are at most ten, else as many as there are
    seeds; the paper's seeds first, then others. Two of its five seeds may draw the same slice. A
    draw with one answer only cannot be fitted to and is left out.

    Args:
        case: one of ``CASES``.
        value: how many cells, or the limit.
        seeds: the plan's.
        train: the whole population.
    """
    known = CASES[case]
    whole = subset(train, min_width=known.min_width)
    if known.varied != "cells":
        part = _clear(subset(whole, **{known.varied: value}), known.question)
        return dict.fromkeys(seeds, part)
    possible = comb(int(whole.cells(known.question).max()) + 1, value)
    wanted = possible if possible <= _ALL else len(seeds)
    found: dict[int, Population] = {}
    drawn: set[bytes] = set()
    for seed in chain(seeds, range(_FURTHER, _FURTHER + _TRIES)):
        mask = sample_cells(whole, known.question, value, seed)
        if mask.tobytes() in drawn:
            continue
        drawn.add(mask.tobytes())
        part = _clear(whole.select(mask), known.question)
        if len(set(part.labels(known.question).tolist())) == 2:
            found[seed] = part
        if len(drawn) == wanted:
            break
    return found


def _clear(part: Population, question: str) -> Population:
    """Return the configurations that have an answer."""
    return part.select(part.labels(question) != "optimal")


def constants_task(noisy: str, count: int, seed: int) -> Rows:
    """Score temperature trees with random thresholds, uniform in the box."""
    test = _read(noisy)
    labels = test.labels("temperature")
    rows = labels != "optimal"
    clear, labels = test.select(rows), labels[rows]
    low, high = np.array(get_shape("temperature").box).T
    drawn = np.random.default_rng(seed).uniform(low, high, (count, len(low)))
    base = MDTree.zero_shot("temperature")
    found = [
        scores(replace(base, thresholds=tuple(row)).predict(clear), labels)["accuracy"]
        for row in drawn.tolist()
    ]
    quantiles = np.quantile(found, [0.05, 0.5, 0.95])
    middle = {"mean": float(np.mean(found)), "sd": float(np.std(found, ddof=1))}
    named = zip(("p5", "median", "p95"), map(float, quantiles), strict=True)
    return [{"draws": count, **middle, **dict(named)}]


def margin_task(clean: str, noisy: str) -> Rows:
    """Score the temperature tree by how much is at stake: the margin between the two gains."""
    train, test = _read(clean), _read(noisy)
    labels = test.labels("temperature")
    right = MDTree.fit(train, search="exact").predict(test) == labels
    table = test.table
    margin = np.abs(table["rfi_inc_temp"] - table["rfi_dec_temp"]).to_numpy()
    found: Rows = []
    for low, high in pairwise(_MARGINS):
        rows = (margin > low) & (margin <= high)
        found.append(
            {"low": low, "high": high, "n": int(rows.sum()), "right": int(right[rows].sum())}
        )
    return found


def steps_task(clean: str, noisy: str, question: str, cells: int, seed: int) -> Rows:
    """Follow each method's diagnosis by one step, and measure the gain on the noisy table."""
    train, test = _read(clean), _read(noisy)
    part = train.select(sample_cells(train, question, cells, seed))
    mask = test.labels("temperature") != "optimal"  # the rows that the paper averages over
    answers = {
        "optimal diagnosis": (test.labels(question), test.labels("temperature")),
        **{
            name: tuple(
                MDTree.fit(part, question=asked, search=search).predict(test)
                for asked in (question, "temperature")
            )
            for name, (variant, search) in TREES.items()
            if variant == "peak"
        },
        **{
            name: tuple(
                _baseline(name, part, test, asked, seed) for asked in (question, "temperature")
            )
            for name in ("validation", "hyperparameters")
        },
        "zero-shot constants": tuple(
            MDTree.zero_shot(asked).predict(test) for asked in (question, "temperature")
        ),
    }
    found = {
        name: step_gains(test, actions_of(one, two))[mask].mean()
        for name, (one, two) in answers.items()
    }
    up, down, wide = (
        step_gains(test, np.full(len(test), action))[mask].mean()
        for action in ("raise temperature", "lower temperature", "widen")
    )
    coin = (up + down) / 2
    found["coin (expected)"] = coin if question == "temperature" else (wide + coin) / 2
    found["always one answer"] = up if question == "temperature" else wide
    return [
        {"question": question, "method": name, "seed": seed, "rule": rule, "gain": float(gain)}
        for name, gains in found.items()
        for rule, gain in gains.items()
    ]


def _baseline(name: str, part: Population, test: Population, question: str, seed: int) -> Any:
    labels = part.labels(question)
    clear = labels != "optimal"
    return fit_baseline(name, part.select(clear), labels[clear], test, question, seed)
