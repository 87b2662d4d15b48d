"""One network each: train it, look at the loss around it, measure."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch.nn.functional import cross_entropy

from eigenscape.landscape import Landscape, hessian_trace, sample, top_eigenpairs
from eigenscape.models import Objective
from eigenscape.runs import Task
from eigenscape_studies import Found
from eigenscape_studies._topology import topology_row
from eigenscape_studies.landscape_topology._numbers import Numbers
from eigenscape_studies.landscape_topology._plan import TopologyPlan

#: Half the width of a PINN's landscape as a share of the norm of its parameters: narrower ones show
#: a bowl at every speed, wider ones only roughness.
_PINN_RADIUS = 0.1
_TRACE_PROBES = 30
#: How the classifiers are trained.
_RECIPE: dict[str, Any] = {
    "epochs": 55,
    "batch_size": 128,
    "learning_rate": 3e-3,
    "weight_decay": 0.0,
    "optimizer": "adam",
    "schedule": "cosine",
}


def tasks(plan: TopologyPlan, _: Found) -> list[Task]:
    """Return every network: physics-informed ones first, then pairs of classifiers."""
    made = []
    for beta in plan.betas:
        for seed in plan.seeds:
            sizes = {"steps": plan.steps, "iterations": plan.iterations}
            arguments = {"beta": beta, "seed": seed, **sizes}
            made.append(Task(f"convection {beta:g} seed {seed}", pinn_task, arguments))
    for depth in plan.depths:
        for seed in plan.pairs:
            for kind in ("residual", "plain"):
                place = {"residual": kind == "residual", "depth": depth, "seed": seed}
                named = f"{kind} depth {depth} seed {seed}"
                made.append(Task(named, network_task, {**place, "steps": plan.steps}))
    return made


def collect(_: TopologyPlan, found: Found) -> Numbers:
    """Gather every network."""
    return Numbers.gather(found["networks"].values())


def pinn_task(beta: float, seed: int, steps: int, iterations: int) -> dict[str, Any]:
    """Train a PINN on convection, and return its errors, curvature, landscape and topology."""
    from eigenscape_studies.networks import convection, train_pinn

    problem = convection(beta)
    model, log = train_pinn(problem, seed=seed, max_iterations=iterations, tolerance=1e-9)
    objective = Objective(model, None, problem.batch(), forward=problem.loss_of)
    landscape = sample(
        objective, "hessian", dim=2, steps=steps, radius=_PINN_RADIUS, unit="relative", seed=seed
    )
    place = {"family": "convection", "beta": beta, "seed": seed, "dim": 2}
    facts = {**place, "train_seconds": log.seconds, **problem.errors(model)}
    return {"rows": [facts | _measured(objective, landscape)], "values": [landscape.values]}


def network_task(residual: bool, depth: int, seed: int, steps: int) -> dict[str, Any]:
    """Train a deep classifier of digits with or without shortcuts, and measure the same."""
    from eigenscape.models import build
    from eigenscape.zoo import accuracy, digits, train
    from eigenscape_studies.networks import ResidualMLP

    split = digits()
    model = build(lambda: ResidualMLP(64, 32, depth, 10, residual=residual), seed)
    log = train(model, split.train_inputs, split.train_labels, **_RECIPE, seed=seed)
    objective = Objective(model, cross_entropy, (split.train_inputs, split.train_labels))
    landscape = sample(
        objective, "random", dim=2, steps=steps, radius=1.0, normalize="filter", seed=seed
    )
    family = "residual" if residual else "plain"
    place = {"family": family, "depth": depth, "seed": seed, "dim": 2}
    right = accuracy(model, split.test_inputs, split.test_labels)
    facts = {**place, "train_seconds": log.seconds, "accuracy": right}
    return {"rows": [facts | _measured(objective, landscape)], "values": [landscape.values]}


def _measured(objective: Objective, landscape: Landscape) -> dict[str, Any]:
    return (
        _curvature(objective)
        | topology_row(landscape.values)
        | {
            "loss": objective.loss_at_center,
            "not_finite": int(np.isinf(landscape.values).sum()),
        }
    )


def _curvature(objective: Objective) -> dict[str, Any]:
    pairs = top_eigenpairs(objective, 1)
    estimate = hessian_trace(objective, probes=_TRACE_PROBES)
    return {
        "top_eigenvalue": float(pairs.values[0]),
        "hessian_trace": estimate.value,
        "trace_stderr": estimate.standard_error,
    }
