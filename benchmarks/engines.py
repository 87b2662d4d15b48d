"""How the grid of a landscape scales from one worker to two: seconds, and their ratio.

    python benchmarks/engines.py [--pairs 5] [--steps 21] [--engine local] [--json OUT.json]

Both run in processes or threads of one thread each, interleaved and in a random order within each
pair, on a convolutional network whose grid takes about a minute; the time to start workers counts.
The interval is a 95 % one of the mean log ratio over pairs (Student's t).
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import random
import statistics
import sys
import time
from pathlib import Path

import torch
from scipy import stats
from torch import nn

from eigenscape.landscape import random_directions, sample
from eigenscape.models import Objective
from eigenscape.runs import usable_cores


def objective(samples: int) -> Objective:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(512, 10),
    )
    inputs, targets = torch.randn(samples, 3, 16, 16), torch.arange(samples) % 10
    cut = list(zip(inputs.split(128), targets.split(128), strict=True))
    return Objective(model, nn.functional.cross_entropy, cut)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=21)
    parser.add_argument("--samples", type=int, default=2048)
    parser.add_argument("--engine", default="local")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found, order = objective(args.samples), random.Random(0)
    directions = random_directions(found)
    seconds: dict[int, list[float]] = {1: [], 2: []}
    grids = []
    for pair in range(args.pairs):
        for jobs in order.sample((1, 2), 2):
            started = time.perf_counter()
            grid = sample(found, directions, steps=args.steps, jobs=jobs, engine=args.engine)
            seconds[jobs].append(time.perf_counter() - started)
            grids.append(grid.values)
        print(f"pair {pair + 1}: {seconds[1][-1]:.1f} s, {seconds[2][-1]:.1f} s", file=sys.stderr)
    logs = [math.log(one / two) for one, two in zip(seconds[1], seconds[2], strict=True)]
    mean = statistics.fmean(logs)
    half = 0.0
    if len(logs) > 1:
        spread = statistics.stdev(logs) / math.sqrt(len(logs))
        half = float(stats.t.ppf(0.975, len(logs) - 1)) * spread
    low, ratio, high = (math.exp(mean + sign * half) for sign in (-1, 0, 1))
    same = all((grid == grids[0]).all() for grid in grids)
    print(
        f"landscape, {args.steps}x{args.steps} points, {args.engine}, {usable_cores()} cores: "
        f"1 worker {statistics.median(seconds[1]):.1f} s, 2 workers "
        f"{statistics.median(seconds[2]):.1f} s, ratio {ratio:.2f} [{low:.2f}, {high:.2f}] "
        f"over {len(logs)} pairs; the same bits: {same}"
    )
    if args.json:
        row = {"seconds": seconds, "ratio": [low, ratio, high], "same_bits": bool(same)}
        args.json.write_text(json.dumps({**row, "machine": platform.platform()}, indent=1))


if __name__ == "__main__":
    main()
