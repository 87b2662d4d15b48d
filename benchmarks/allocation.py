"""Errors of a layer's exponent against its scatter over training seeds.

python benchmarks/allocation.py         # about two minutes on one core
"""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import torch

from eigenscape.allocation import allocate
from eigenscape.models import build
from eigenscape.spectra import analyze
from eigenscape.zoo import HEALTHY_RECIPE, MLP, digits, train

SEEDS, GROUP, DRAWS = 24, 8, 300
#: Width of three hidden layers, and what differs from the recipe of the check-up.
RECIPES = ((128, {"epochs": 20}), (64, {"epochs": 20, "learning_rate": 0.05}))
Pairs = dict[str, list[tuple[float, float]]]


def candidates(row) -> dict[str, tuple[float, float]]:
    """Metrics with errors: value and error by name."""
    tail = min(row.rows, row.cols) / 2
    scatter = (row.alpha_null_high - row.alpha_null_low) / (2 * 2.576)
    return {
        "alpha_hill, scatter of random matrices": (
            row.alpha_hill,
            scatter * (row.alpha_hill - 1) / (row.alpha_null - 1),
        ),
        "alpha_hill, (alpha - 1) / root of the tail": (
            row.alpha_hill,
            (row.alpha_hill - 1) / math.sqrt(tail),
        ),
        "alpha_hill, a quarter of its interval": (
            row.alpha_hill,
            (row.alpha_hill_high - row.alpha_hill_low) / 4,
        ),
        "alpha_excess, a quarter of its interval": (
            row.alpha_excess,
            (row.alpha_excess_high - row.alpha_excess_low) / 4,
        ),
        "alpha_ks, its standard error": (row.alpha_ks, row.sigma),
    }


def equal(pairs) -> bool:
    """Whether allocation takes the values of these layers as equal."""
    rows = {f"l{i}": {"alpha": value, "error": error} for i, (value, error) in enumerate(pairs)}
    return allocate(rows, noise_aware=True).noise_share == 0


def told(first, second, generator) -> float:
    """The share of draws, half of each, that are not taken as equal."""
    half = GROUP // 2
    found = 0
    for _ in range(DRAWS):
        pairs = [
            group[i]
            for group in (first, second)
            for i in generator.choice(len(group), half, replace=False)
        ]
        found += not equal(pairs)
    return found / DRAWS


def report(layers: list[list]) -> None:
    """Print one line for each candidate: layers by rows of seeds."""
    generator = np.random.default_rng(0)
    for name in candidates(layers[0][0]):
        groups = [[candidates(row)[name] for row in rows] for rows in layers]
        same = []
        for group in groups:
            draws = [generator.choice(len(group), GROUP, replace=False) for _ in range(DRAWS)]
            same.append(np.mean([equal([group[i] for i in chosen]) for chosen in draws]))
        ratios = [
            np.std([value for value, _ in group], ddof=1) / np.mean([error for _, error in group])
            for group in groups
        ]
        apart = [
            told(groups[i], groups[j], generator) for j in range(len(groups)) for i in range(j)
        ]
        print(
            f"  {name:<43} scatter / error {' '.join(f'{r:.2f}' for r in ratios)}; "
            f"equal {' '.join(f'{100 * s:.0f}' for s in same)} %"
            + (f"; told apart {' '.join(f'{100 * a:.0f}' for a in apart)} %" if apart else ""),
            flush=True,
        )


def main() -> None:
    torch.set_num_threads(1)
    data = digits(seed=0)
    for width, change in RECIPES:
        seeds = []
        for seed in range(SEEDS):
            model = build(lambda width=width: MLP(64, (width,) * 3, 10), seed)
            recipe = {**asdict(HEALTHY_RECIPE), **change}
            train(model, data.train_inputs, data.train_labels, seed=seed, **recipe)
            seeds.append(analyze(model).layers)
        layers = [list(rows) for rows in zip(*seeds, strict=True)]
        means = " ".join(f"{np.mean([row.alpha_excess for row in rows]):.2f}" for rows in layers)
        print(f"digits, three hidden layers of {width}, {SEEDS} seeds: alpha_excess {means}")
        report(layers)
    for freedom in (1.5, 2.5, 4.0, math.inf):
        law = torch.distributions.StudentT(freedom) if freedom < math.inf else None
        torch.manual_seed(0)
        drawn = {
            f"w{i}": law.sample((128, 128)) if law else torch.randn(128, 128) for i in range(SEEDS)
        }
        print(f"128 x 128, Student's t with {freedom:g} degrees of freedom")
        report([list(analyze(drawn).layers)])


if __name__ == "__main__":
    main()
