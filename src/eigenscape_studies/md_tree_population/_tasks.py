"""What is computed: the populations, and what every method scores on noisy labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from eigenscape.diagnosis import (
    ACTIONS,
    MDTree,
    Population,
    advised_actions,
    check_health,
    evaluate,
    fit_baseline,
    fitted_trees,
    gather_populations,
    population_tasks,
    sample_cells,
    scores,
    step_gains,
    subset,
)
from eigenscape.errors import InputError
from eigenscape.runs import Task
from eigenscape_studies import Found
from eigenscape_studies._permuted import permuted_scores
from eigenscape_studies._tables import Rows
from eigenscape_studies.md_tree_population._numbers import Numbers
from eigenscape_studies.md_tree_population._plan import (
    BASELINES,
    CARRIED,
    CLEAN,
    NOISY,
    ONE,
    PAPER,
    PERMUTED,
    PUBLISHED,
    RATES,
    TREE,
    VALIDATION,
    PopulationPlan,
    family_of,
    plans_of,
)


def cells(plan: PopulationPlan, _: Found) -> list[Task]:
    """Return the cells of all populations, a repeat's clean and noisy ones side by side."""
    found = []
    for repeat in plan.seeds:
        family = family_of(plan, repeat)
        found += [
            replace(task, name=f"repeat {repeat}: {task.name}")
            for task in population_tasks(family, plans_of(family, plan, repeat))
        ]
    return found


def populations(plan: PopulationPlan, found: Found) -> dict[str, Population]:
    """Return every population by its name."""
    grown: dict[str, Population] = {}
    for repeat in plan.seeds:
        family = family_of(plan, repeat)
        plans = plans_of(family, plan, repeat)
        own = [x for name, x in found["cells"].items() if name.startswith(f"repeat {repeat}: ")]
        grown |= zip(plans, gather_populations(family, plans, own), strict=True)
    return grown


def collect(plan: PopulationPlan, found: Found) -> Numbers:
    """Gather the populations, and score every method on them."""
    grown = populations(plan, found)
    rows: dict[str, Rows] = {name: [] for name in ("transfer", "few", "margin", "advice", "health")}
    for repeat in plan.seeds:
        clean, noisy = (grown[f"{name} {repeat}"] for name in (CLEAN, NOISY))
        rows["transfer"] += transfer_rows(repeat, clean, noisy, plan)
        rows["few"] += few_rows(repeat, clean, noisy, plan)
        rows["margin"] += margin_rows(repeat, clean, noisy)
        rows["advice"] += advice_rows(repeat, clean, noisy)
    for name, population in grown.items():
        health = check_health(population)
        size = {"configurations": len(population), "seed_noise": population.seed_noise}
        parts = {"inside": health.inside, "collapsed": health.collapsed, **health.shares}
        rows["health"].append({"population": name, **size, **parts})
    networks = 2 * len(grown) * len(plan.widths) * len(plan.data) * len(RATES)
    return Numbers(repeats=len(plan.seeds), networks=networks, rows=rows)


def transfer_rows(repeat: int, clean: Population, noisy: Population, plan: PopulationPlan) -> Rows:
    """Fit to clean networks, all or the small end of the grid, and diagnose the noisy ones.

    Of the small end also those beyond it alone: wider ones only, or those of more data.
    """
    settings: dict[str, dict[str, Any]] = {
        "all": {},
        "narrow": {"max_width": float(sorted(plan.widths)[1])},
        "little data": {"max_data": float(sorted(plan.data)[1])},
    }
    tests = {setting: (limits, noisy) for setting, limits in settings.items()}
    for setting, part in (("only wider", "narrow"), ("only more data", "little data")):
        ((_, most),) = settings[part].items()
        knob = noisy.table["width" if setting == "only wider" else "data"]
        tests[setting] = (settings[part], noisy.select(knob > most))
    rows: Rows = []
    for setting, (limits, test) in tests.items():
        rows += [
            {"setting": setting, "repeat": repeat, "method": method, **score}
            for method, score in _methods(clean, test, limits, repeat).items()
        ]
    return rows


def _methods(
    clean: Population, noisy: Population, limits: dict[str, Any], seed: int
) -> dict[str, dict[str, float]]:
    result = evaluate(clean, noisy, **limits, seeds=(seed,), baselines=BASELINES)
    part = subset(clean, **limits)
    labels = noisy.labels("temperature")
    rows = labels != "optimal"
    asked, truth = noisy.select(rows), labels[rows]
    published = replace(MDTree.zero_shot(), thresholds=PUBLISHED)
    found: dict[str, Any] = {
        TREE: result.per_seed[0],
        PAPER: evaluate(clean, noisy, **limits, search="paper", seeds=(seed,)).per_seed[0],
        ONE: evaluate(clean, noisy, **limits, variant="one-checkpoint", seeds=(seed,)).per_seed[0],
        **{name: some[0] for name, some in result.baselines.items()},
        CARRIED: scores(published.predict(asked), truth),
        PERMUTED: permuted_scores(
            part.select(part.labels("temperature") != "optimal"), noisy, "temperature", seed
        ),
        "majority": {"accuracy": result.majority, "balanced_accuracy": 50.0},
    }
    return {
        name: {key: float(score[key]) for key in ("accuracy", "balanced_accuracy")}
        for name, score in found.items()
    }


def few_rows(repeat: int, clean: Population, noisy: Population, plan: PopulationPlan) -> Rows:
    """Fit to a few random cells of the clean networks, and diagnose the noisy ones."""
    labels = noisy.labels("temperature")
    rows = labels != "optimal"
    asked, truth = noisy.select(rows), labels[rows]
    found: Rows = []
    for count in plan.cells:
        for draw in range(plan.draws):
            seed = 1000 * repeat + draw
            part = clean.select(sample_cells(clean, "temperature", count, seed))
            known = part.labels("temperature")
            clear = known != "optimal"
            for method, answers in _answers(part, known, clear, asked, seed).items():
                place = {"repeat": repeat, "cells": count, "configurations": int(clear.sum())}
                score = scores(answers, truth)["accuracy"]
                found.append({**place, "method": method, "accuracy": score})
    return found


def _answers(
    part: Population, labels: np.ndarray, clear: np.ndarray, asked: Population, seed: int
) -> dict[str, np.ndarray]:
    """Return every method's answers; none where the draw holds one class only."""
    try:
        tree = MDTree.fit(part)
    except InputError:
        return {}
    known, own = part.select(clear), labels[clear]
    return {
        TREE: tree.predict(asked),
        **{
            name: fit_baseline(name, known, own, asked, "temperature", seed)
            for name in (VALIDATION, "free landscape")
        },
    }


def advice_rows(repeat: int, clean: Population, noisy: Population) -> Rows:
    """Follow the advice of trees fitted to clean networks, on the noisy ones."""
    pair = fitted_trees(clean, ("temperature", "width", "data"))
    one = fitted_trees(clean, ("temperature",), "one-checkpoint")
    gains = {
        action: step_gains(noisy, np.full(len(noisy), action))["best"].to_numpy()
        for action in ACTIONS
    }
    every = np.stack(list(gains.values()))
    followed = {
        "advice": advised_actions(pair, noisy),
        "advice, one checkpoint": advised_actions(one, noisy),
    }
    means = {
        **{
            name: float(step_gains(noisy, actions)["best"].mean())
            for name, actions in followed.items()
        },
        **{f"always {action}": float(values.mean()) for action, values in gains.items()},
        "by lot": float(every.mean()),
        "best of each": float(every.max(axis=0).mean()),
    }
    return [{"repeat": repeat, "policy": name, "gain": gain} for name, gain in means.items()]


def margin_rows(repeat: int, clean: Population, noisy: Population) -> Rows:
    """Score the tree by what is at stake."""
    labels = noisy.labels("temperature")
    right = MDTree.fit(clean).predict(noisy) == labels
    stake = np.abs(noisy.table["rfi_inc_temp"] - noisy.table["rfi_dec_temp"]).to_numpy()
    rows: Rows = []
    for low, high in ((0, 1), (1, 2), (2, 4), (4, np.inf)):
        chosen = (stake > low) & (stake <= high)
        counts = {"n": int(chosen.sum()), "right": int(right[chosen].sum())}
        rows.append({"repeat": repeat, "low": low, "high": high, **counts})
    return rows
