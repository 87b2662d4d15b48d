"""Tasks: one seed at one amount of data, trained in several ways; a pretraining."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eigenscape.models import build
from eigenscape.runs import Task, single_thread
from eigenscape_studies import Found
from eigenscape_studies._tables import Rows
from eigenscape_studies.networks import language, pretrain
from eigenscape_studies.tempbalance._numbers import Numbers, choose, with_tuned
from eigenscape_studies.tempbalance._plan import (
    BASE,
    FACTORS,
    FIRST_TUNING_SEED,
    Cell,
    TempBalancePlan,
)
from eigenscape_studies.tempbalance._training import (
    State,
    Trained,
    language_model,
    make_data,
    spreads,
    train_one,
)


def train_task(
    cell: Cell,
    amount: int,
    seed: int,
    runs: list[tuple[str, float]],
    traced: bool,
    state: State | None,
) -> dict[str, Any]:
    """Train a network in several ways on the same data, from the same weights, in the same order.

    Args:
        cell: what is trained.
        amount: training examples.
        seed: of data, initial weights and order.
        runs: ways, each with what the base rate is multiplied by.
        traced: whether alphas and factors over time are returned.
        state: of the pretrained language model, where one is fine-tuned.
    """
    rows, traces = [], []
    with single_thread():
        data = make_data(cell, amount, seed)
        for method, factor in runs:
            trained = train_one(cell, data, seed, method, factor, state)
            place = {"cell": cell.name, "amount": amount, "seed": seed, "method": method}
            told = {"measure": cell.measure, "factor": factor}
            rows.append(place | told | _row(trained))
            if traced:
                traces += [place | row for row in _trace_rows(trained)]
    return {"rows": rows, "traces": traces}


def _row(trained: Trained) -> dict[str, Any]:
    first, last = spreads(trained.trace)
    log = trained.log
    return {
        "value": trained.value if log.diverged_at is None else float("nan"),
        "spread": last,
        "first_spread": first,
        "train_loss": log.losses[-1] if log.losses else float("nan"),
        "steps": log.steps,
        "diverged": log.diverged_at is not None,
    }


def _trace_rows(trained: Trained) -> list[dict[str, Any]]:
    return [
        {"step": row.step, "layer": row.name, "alpha": row.value, "lr_factor": row.factor}
        for row in trained.trace.rows
    ]


def pretrain_task(sentences: int, width: int, seed: int) -> dict[str, Any]:
    """Train a language model on unlabelled sentences, and return its weights."""
    with single_thread():
        model = build(lambda: language_model(width), seed)
        log = pretrain(model, language(sentences, seed=seed), seed=seed)
    state = {name: weight.numpy() for name, weight in model.state_dict().items()}
    return {"state": state, "loss": log.losses[-1] if log.losses else float("nan")}


def pretraining(plan: TempBalancePlan, _: Found) -> list[Task]:
    """Return the tasks that come first: one for each language model."""
    cells = dict.fromkeys(sweep.cell for sweep in plan.sweeps if sweep.cell.tuned_text)
    return [
        Task(
            f"{cell.name}, pretraining {seed}",
            pretrain_task,
            {"sentences": cell.sentences, "width": cell.width, "seed": seed},
        )
        for cell in cells
        for seed in plan.pretrained
    ]


def trainings(plan: TempBalancePlan, found: Found) -> list[Task]:
    """Return a task for each cell, amount and seed: first the judged ones, then those of tuning."""
    states = _states(found)
    main, first = plan.sweeps[0], plan.seeds[0]
    tried = [(BASE, factor) for factor in FACTORS]
    judged = [
        _task(
            *(sweep.cell, amount, seed, [(method, 1.0) for method in sweep.cell.methods], states),
            traced=sweep is main and amount == min(sweep.seeds) and seed == first,
        )
        for sweep in plan.sweeps
        for amount in sweep.seeds
        for seed in plan.judged(sweep, amount)
    ]
    return judged + [
        _task(sweep.cell, amount, seed, tried, states)
        for sweep in plan.sweeps
        for amount in sweep.seeds
        for seed in plan.tuned_on(sweep)
    ]


def tuned(plan: TempBalancePlan, found: Found) -> list[Task]:
    """Return a task for each judged seed whose tuned rate is another than the base rate."""
    states, chosen = _states(found), _chosen(plan, found)
    return [
        _task(sweep.cell, amount, seed, [(BASE, factor)], states, tail=f", rate x{factor:g}")
        for sweep in plan.sweeps
        for amount in sweep.seeds
        for factor in (chosen[sweep.cell.name, amount],)
        for seed in plan.judged(sweep, amount)
        if factor != 1
    ]


def collect(plan: TempBalancePlan, found: Found) -> Numbers:
    """Gather the judged runs, those of tuning, and the traces."""
    rows, chosen = _rows(found["trainings"]), _chosen(plan, found)
    judged = [row for row in rows if row["seed"] < FIRST_TUNING_SEED]
    return Numbers(
        cells=_measures(plan),
        rows=with_tuned(judged, _rows(found["tuned"]), chosen),
        tuning=[row for row in rows if row["seed"] >= FIRST_TUNING_SEED],
        traces=[row for item in found["trainings"].values() for row in item["traces"]],
        chosen=chosen,
    )


def _measures(plan: TempBalancePlan) -> dict[str, str]:
    return {sweep.cell.name: sweep.cell.measure for sweep in plan.sweeps}


def _rows(found: Mapping[str, Any]) -> Rows:
    return [row for item in found.values() for row in item["rows"]]


def _chosen(plan: TempBalancePlan, found: Found) -> dict[tuple[str, int], float]:
    """Return the factor of each cell and amount that was best on the tuning seeds."""
    tried = [row for row in _rows(found["trainings"]) if row["seed"] >= FIRST_TUNING_SEED]
    return choose(tried, _measures(plan))


def _states(found: Found) -> dict[int, State]:
    """Return the pretrained language models by their seeds."""
    return {
        int(name.rpartition(" ")[2]): value["state"] for name, value in found["pretraining"].items()
    }


def _task(
    cell: Cell,
    amount: int,
    seed: int,
    runs: list[tuple[str, float]],
    states: Mapping[int, State],
    *,
    traced: bool = False,
    tail: str = "",
) -> Task:
    """Return one task; a tuning seed takes the pretrained models in turn."""
    state = None
    if cell.tuned_text:
        state = states[seed] if seed in states else list(states.values())[seed % len(states)]
    place = {"cell": cell, "amount": amount, "seed": seed}
    arguments = {**place, "runs": runs, "traced": traced, "state": state}
    return Task(f"{cell.name}, {amount} examples, seed {seed}{tail}", train_task, arguments)
