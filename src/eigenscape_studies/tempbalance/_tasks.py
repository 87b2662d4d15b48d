"""Tasks: one seed at one amount of data, trained in several ways; a pretraining."""

from __future__ import annotations

from typing import Any

from eigenscape.models import build
from eigenscape.runs import Task, single_thread
from eigenscape_studies.networks import language, pretrain
from eigenscape_studies.tempbalance._plan import (
    BASE,
    FACTORS,
    FIRST_TUNING_SEED,
    Cell,
    Scale,
)
from eigenscape_studies.tempbalance._training import (
    State,
    Trained,
    language_model,
    make_data,
    spreads,
    train_one,
)

_TRACED_SEED = 0
Chosen = dict[tuple[str, int], float]


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
        traced: whether alphas and factors over time are handed back.
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


def pretraining(scale: Scale) -> list[Task]:
    """Return the tasks that come first: one for each language model."""
    cells = dict.fromkeys(sweep.cell for sweep in scale.sweeps if sweep.cell.tuned_text)
    return [
        Task(
            f"{cell.name}, pretraining {seed}",
            pretrain_task,
            {"sentences": cell.sentences, "width": cell.width, "seed": seed},
        )
        for cell in cells
        for seed in range(scale.pretrained)
    ]


def judged(scale: Scale, states: list[State]) -> list[Task]:
    """Return a task for each cell, amount and judged seed."""
    return [
        _task(
            sweep.cell, amount, seed, [(method, 1.0) for method in sweep.cell.methods], states,
            traced=sweep is scale.sweeps[0] and amount == min(sweep.seeds) and seed == _TRACED_SEED,
        )
        for sweep in scale.sweeps
        for amount, seeds in sweep.seeds.items()
        for seed in range(seeds)
    ]  # fmt: skip


def tuning(scale: Scale, states: list[State]) -> list[Task]:
    """Return a task for each cell, amount and tuning seed: the base rate and its neighbours."""
    return [
        _task(sweep.cell, amount, FIRST_TUNING_SEED + index, runs, states)
        for runs in ([(BASE, factor) for factor in FACTORS],)
        for sweep in scale.sweeps
        for amount in sweep.seeds
        for index in range(sweep.tuning)
    ]


def tuned(scale: Scale, states: list[State], chosen: Chosen) -> list[Task]:
    """Return a task for each judged seed whose tuned rate is another than the base rate."""
    return [
        _task(sweep.cell, amount, seed, [(BASE, factor)], states, tail=f", rate x{factor:g}")
        for sweep in scale.sweeps
        for amount, seeds in sweep.seeds.items()
        for factor in (chosen[sweep.cell.name, amount],)
        for seed in range(seeds)
        if factor != 1
    ]


def _task(
    cell: Cell, amount: int, seed: int, runs: list[tuple[str, float]], states: list[State], *,
    traced: bool = False, tail: str = "",
) -> Task:  # fmt: skip
    arguments = {
        "cell": cell, "amount": amount, "seed": seed, "runs": runs, "traced": traced,
        "state": states[seed % len(states)] if cell.tuned_text else None,
    }  # fmt: skip
    return Task(f"{cell.name}, {amount} examples, seed {seed}{tail}", train_task, arguments)
