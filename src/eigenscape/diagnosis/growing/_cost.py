"""The cost of training a population, estimated in advance, and how to reduce it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from eigenscape.diagnosis.growing._classification import pair_of
from eigenscape.diagnosis.growing._plan import GrowPlan
from eigenscape.diagnosis.growing._training import train_networks
from eigenscape.diagnosis.measuring._curves import train_bends
from eigenscape.errors import InputError
from eigenscape.models import NetworkData, Objective, Task
from eigenscape.runs import single_thread, time_span

_STEPS = 3  # that are timed, after one that is not
#: Of the time of training and curves: evaluations, traces, similarities.
_REST = 1.25
_SLOWER = 1.6  # a few timed steps do not know what cells side by side take from each other


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of a plan.

    Args:
        networks: to be trained.
        curves: to be trained.
        seconds: of one core, extrapolated from a few timed steps of each width.
        work: multiplications, relative to one training of the largest width on all data: with a
            cost of width^2 a sample. What a user pays to diagnose a network of that size.
    """

    networks: int
    curves: int
    seconds: float
    work: float

    def words(self, jobs: int = 1) -> str:
        """Return the cost as text.

        >>> Cost(networks=90, curves=45, seconds=75.0, work=0.72).words(2)
        '90 networks and 45 curves, 38 s to 60 s on 2 cores'
        """
        span = time_span(self.seconds / jobs, self.longest / jobs)
        return (
            f"{self.networks} networks and {self.curves} curves, {span} on {jobs} "
            f"core{'' if jobs == 1 else 's'}"
        )

    @property
    def longest(self) -> float:
        """The seconds of one core that it takes at most, as far as can be foreseen."""
        return _SLOWER * self.seconds


def estimate_cost(task: Task, plan: GrowPlan) -> Cost:
    """Time a few steps of each width, and extrapolate.

    Raises:
        InputError: no width can be built and trained.
    """
    seconds, failed = 0.0, []
    for width in plan.widths:
        try:
            step, bend = _time(task, plan, width)
        except InputError as error:  # recorded again, with the rest kept, when it is grown
            failed.append(str(error))
            continue
        steps = sum(plan.steps(data) for data in plan.data)
        seconds += step * steps + bend * plan.measuring.curve_steps * len(plan.data)
    if len(failed) == len(plan.widths):
        raise InputError("no width can be trained: " + "; ".join(failed))
    return Cost(
        networks=plan.networks,
        curves=plan.configurations,
        seconds=_REST * seconds,
        work=_work(task, plan),
    )


def fit_budget(task: Task, plan: GrowPlan, seconds: float) -> tuple[GrowPlan, Cost]:
    """Return the plan, made smaller until it fits, and its cost.

    In this order: two seeds, three temperatures (the ends and the middle), then the largest amount
    of data, then the largest width, as long as two of each are left.

    Args:
        task: what is trained.
        plan: the grid.
        seconds: of one core, for estimating and training.

    Raises:
        InputError: the smallest grid costs more.
    """
    started = time.perf_counter()
    cost = estimate_cost(task, plan)
    while cost.longest > seconds - (time.perf_counter() - started):
        smaller = _smaller(plan)
        if smaller is None:
            raise InputError(
                f"the budget is {seconds:.0f} s of one core, and the smallest plan of "
                f"{plan.networks} networks takes up to {cost.longest:.0f} s of one core. "
                "Try: fewer epochs, narrower widths, or a larger budget"
            )
        plan = smaller
        cost = estimate_cost(task, plan)
    return plan, cost


def _smaller(plan: GrowPlan) -> GrowPlan | None:
    if len(plan.seeds) > 2:
        return replace(plan, seeds=plan.seeds[:-1])
    if len(plan.rates) > 3:
        middle = plan.rates[len(plan.rates) // 2]
        return replace(plan, rates=(plan.rates[0], middle, plan.rates[-1]))
    if len(plan.data) > 2:
        return replace(plan, data=plan.data[:-1])
    if len(plan.widths) > 2:
        return replace(plan, widths=plan.widths[:-1])
    return None


def _time(task: Task, plan: GrowPlan, width: int) -> tuple[float, float]:
    """Return the seconds of one step of training, and of one of the curves, of a whole cell."""
    some = min(plan.data)
    models = [task.build(seed, width) for _ in plan.rates for seed in plan.seeds]
    inputs, labels = pair_of(task, "train")
    samples = NetworkData.shared(inputs[:some], labels[:some], len(models))
    networks = Objective(models, functional.cross_entropy, samples, check=False)
    first, second = (networks.select(range(i, len(models), len(plan.seeds))) for i in (0, 1))
    batch = samples.first(min(plan.batch_size, some))
    rates, seeds = [min(plan.rates)] * len(models), [0] * len(models)
    found = []
    with single_thread(), torch.random.fork_rng(devices=[]):
        for count in (1, 1 + _STEPS):
            short = replace(plan, epochs=count)
            start = time.perf_counter()
            train_networks(models, batch, rates=rates, seeds=seeds, plan=short)
            trained = time.perf_counter() - start
            options = replace(plan.measuring, curve_steps=count)
            start = time.perf_counter()
            train_bends(first, second, options)
            found.append((trained, time.perf_counter() - start))
    (a, b), (c, d) = found
    return max(c - a, 0.0) / _STEPS, max(d - b, 0.0) / _STEPS


def _work(task: Task, plan: GrowPlan) -> float:
    full = max(task.widths) ** 2 * len(pair_of(task, "train")[1]) * task.recipe.epochs
    return (
        sum(
            width**2 * data * plan.epochs * len(plan.rates) * len(plan.seeds)
            for width in plan.widths
            for data in plan.data
        )
        / full
    )
