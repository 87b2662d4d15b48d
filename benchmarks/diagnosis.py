"""Fitting an MD tree, and growing a population.

    EIGENSCAPE_DATA=FOLDER python benchmarks/diagnosis.py fit [--reference CHECKOUT]
    python benchmarks/diagnosis.py grow

``fit``: time of the two searches, next to CART trees on the same rows; with a checkout of
github.com/YefanZhou/ModelDiagnosis, next to its own fit and test, in the same run. FOLDER holds
``md_tree/dataframe_normal_public.csv`` and ``dataframe_noise_public.csv`` of that repository.
``grow``: networks trained side by side against one at a time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import pandas as pd
import torch

from eigenscape.diagnosis import (
    GrowPlan,
    MDTree,
    Population,
    evaluate,
    fit_baseline,
    get_shape,
    read_population,
    sample_cells,
)
from eigenscape.diagnosis._search import exact_search, paper_search
from eigenscape.diagnosis.growing._cell import trained_cell
from eigenscape.models import Recipe, Task
from eigenscape.zoo import MLP, digits, train

REPEATS, GROWN = 7, 3
FILES = ("dataframe_normal_public.csv", "dataframe_noise_public.csv")
SIZES = {"temperature": (1, 8, 24, 130), "width": (1, 10), "data": (1, 13)}


def timed(function) -> str:
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return f"{statistics.median(times):8.2f} [{min(times):.2f}, {max(times):.2f}]"


def one(population: Population, question: str, cells: int) -> None:
    part = population.select(sample_cells(population, question, cells, 42))
    labels = part.labels(question)
    part, labels = part.select(labels != "optimal"), labels[labels != "optimal"]
    shape = get_shape(question)
    values = part.features(shape.features)
    print(f"{question}, {len(part)} configurations")
    print(f"  paper search    {timed(lambda: paper_search(shape, values, labels))}")
    print(f"  exact search    {timed(lambda: exact_search(shape, values, labels))}")
    print(f"  whole fit       {timed(lambda: MDTree.fit(part, question=question))}")
    for name in ("validation", "free landscape"):
        taken = timed(lambda n=name: fit_baseline(n, part, labels, part, question, 0))
        print(f"  CART {name:<14} {taken}")


def reference(folder: str, path: Path) -> None:
    """Fit and test as the published code does, and as ours, on the same configurations."""
    sys.path.insert(0, str(Path(folder) / "method"))
    import md_tree

    names = ["train_error", "mode_connectivity_peak", "hessian_t"]
    clean, noisy = (pd.read_csv(path.with_name(name)) for name in FILES)
    frames = [table[table["bs_failure"] != "optimal"] for table in (clean, noisy)]
    cells = [
        (data, width)
        for data in sorted(set(frames[0]["data"]))
        for width in sorted(set(frames[0]["width"]))
    ]
    ours = [read_population(path.with_name(name)) for name in FILES]
    for title, factor, kind, chosen in (
        ("8 random cells, 96 configurations", 8, "random", {"cells": 8}),
        ("all 1,560 configurations", 10, "data_limit", {}),
    ):
        theirs, mine, scores = [], [], []
        for _ in range(REPEATS):
            start = time.perf_counter()
            found = md_tree.evaluate_mdtree(
                *frames, cells, names, [factor], [42], "bs_failure", sample_type=kind
            )
            theirs.append(time.perf_counter() - start)
            start = time.perf_counter()
            result = evaluate(*ours, **chosen, search="paper", seeds=(42,))
            mine.append(time.perf_counter() - start)
            scores = [100 * found[0][0][0], result.accuracy]
        ratios = sorted(one / other for one, other in zip(theirs, mine, strict=True))
        print(
            f"fit and test, paper search, {title}: reference {1e3 * statistics.median(theirs):.0f} "
            f"ms, ours {1e3 * statistics.median(mine):.0f} ms: {statistics.median(ratios):.1f} "
            f"[{ratios[0]:.1f}, {ratios[-1]:.1f}] times as long; {scores[0]:.2f} and "
            f"{scores[1]:.2f} % right"
        )


def grown() -> int:
    """Train the networks of a cell side by side, and one at a time."""
    torch.set_num_threads(1)
    split = digits(test_fraction=0.5)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, one thread; "
        f"MLP 64-w-w-10 with batch norm, 450 digits, 4 epochs; medians of {GROWN}"
    )
    for width in (6, 20, 64):
        for rates in ((0.1,), (0.01, 0.03, 0.1, 0.3, 1.0)):
            recipe = Recipe(epochs=80, batch_size=64, learning_rate=0.1, schedule="constant")
            family = Task(
                lambda w: MLP(64, [w, w], 10),
                (split.train_inputs, split.train_labels),
                (split.test_inputs, split.test_labels),
                recipe,
                widths=(width,),
            )
            plan = GrowPlan.of(family, data=(450,), rates=rates, epochs=4, batch_size=50)
            both = []
            for _ in range(GROWN):
                start = time.perf_counter()
                trained_cell(family, [plan], width, 450)
                side = time.perf_counter() - start
                start = time.perf_counter()
                for rate in rates:
                    for seed in range(2):
                        train(
                            family.build(seed, width),
                            *(part[:450] for part in family.train.whole()),
                            epochs=4,
                            batch_size=50,
                            learning_rate=rate,
                            schedule="constant",
                            seed=seed,
                        )
                both.append((side, (time.perf_counter() - start) / side))
            side, ratio = (statistics.median(values) for values in zip(*both, strict=True))
            low, high = min(r for _, r in both), max(r for _, r in both)
            print(
                f"  width {width:3d}, {plan.networks:2d} networks: side by side {side:.2f} s, "
                f"one at a time {ratio:.1f} [{low:.1f}, {high:.1f}] times as long"
            )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("fit", "grow"))
    parser.add_argument("--reference", metavar="CHECKOUT")
    args = parser.parse_args()
    return grown() if args.what == "grow" else fitted(args.reference)


def fitted(checkout: str | None) -> int:
    folder = os.environ.get("EIGENSCAPE_DATA")
    if not folder:
        print("set EIGENSCAPE_DATA to the folder that holds md_tree/", file=sys.stderr)
        return 2
    path = Path(folder) / "md_tree" / "dataframe_normal_public.csv"
    print(f"{platform.machine()}, {os.cpu_count()} cores; ms, median [min, max] of {REPEATS}")
    print(f"read and label  {timed(lambda: read_population(path))}")
    population = read_population(path)
    for question, sizes in SIZES.items():
        for cells in sizes:
            one(population, question, cells)
    if checkout:
        reference(checkout, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
