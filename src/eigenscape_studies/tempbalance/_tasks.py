"""Tasks: one seed at one amount of data, trained in several ways; a pretraining."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eigenscape.models import build
from eigenscape.runs import Task, single_thread
from eigenscape_studies import Found
from eigenscape_studies._tables import Rows
from eigenscape_studies.networks import language, pretrain
from eigenscape_studies.tempbalance._numbers import Numbers, choose
from eigenscape_studies.tempbalance._plan import (
    BASE,
    FEWER,
    RATES,
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
        runs: ways, each with its learning rate.
        traced: whether alphas and factors over time are returned.
        state: of the pretrained language model, where one is fine-tuned.
    """
    rows, traces = [], []
    with single_thread():
        data = make_data(cell, amount, seed)
        for method, rate in runs:
            trained = train_one(cell, data, seed, method, rate, state)
            place = {"cell": cell.name, "amount": amount, "seed": seed, "method": method}
            told = {"measure": cell.measure, "rate": rate}
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


def tuning(plan: TempBalancePlan, found: Found) -> list[Task]:
    """Return a task for each tuning seed of each cell and amount: base at every rate."""
    states, tried = _states(found), [(BASE, rate) for rate in RATES]
    return [
        _task(sweep.cell, amount, seed, tried, states)
        for sweep in plan.sweeps
        for amount in sweep.seeds
        for seed in plan.tuned_on(sweep)
    ]


def trainings(plan: TempBalancePlan, found: Found) -> list[Task]:
    """Return a task for each judged seed of each cell and amount, at the rate that was chosen."""
    states, chosen = _states(found), _chosen(plan, found)
    main, first = plan.sweeps[0], plan.seeds[0]
    return [
        _task(
            *(sweep.cell, amount, seed),
            [(method, chosen[sweep.cell.name, amount]) for method in sweep.methods(amount)],
            states,
            traced=sweep is main and amount == sweep.fewest and seed == first,
        )
        for sweep in plan.sweeps
        for amount in sweep.seeds
        for seed in plan.judged(sweep, amount)
    ]


def curve(plan: TempBalancePlan, found: Found) -> list[Task]:
    """Return a task for the first judged seeds of the main cell: at the rates not chosen."""
    cell, amount = plan.sweeps[0].cell, plan.sweeps[0].fewest
    others = [rate for rate in RATES if rate != _chosen(plan, found)[cell.name, amount]]
    runs = [(method, rate) for rate in others for method in FEWER]
    return [
        _task(cell, amount, seed, runs, _states(found), tail=", other rates")
        for seed in plan.seeds[: plan.curve]
    ]


def collect(plan: TempBalancePlan, found: Found) -> Numbers:
    """Gather the judged runs, those of tuning and of the curve, and the traces."""
    return Numbers(
        cells=_measures(plan),
        rows=_rows(found["trainings"]),
        tuning=_rows(found["tuning"]),
        others=_rows(found["curve"]),
        traces=[row for item in found["trainings"].values() for row in item["traces"]],
        chosen=_chosen(plan, found),
    )


def _measures(plan: TempBalancePlan) -> dict[str, str]:
    return {sweep.cell.name: sweep.cell.measure for sweep in plan.sweeps}


def _rows(found: Mapping[str, Any]) -> Rows:
    return [row for item in found.values() for row in item["rows"]]


def _chosen(plan: TempBalancePlan, found: Found) -> dict[tuple[str, int], float]:
    """Return the rate of each cell and amount that was best on the tuning seeds."""
    return choose(_rows(found["tuning"]), _measures(plan))


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
