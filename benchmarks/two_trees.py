"""Two checkouts against each other, verb by verb: how many times as long the second one takes.

    python benchmarks/two_trees.py [--repeats 9] BEFORE/src AFTER/src [VERB ...]

The verbs are those of `recordings.py`, which speaks the names of both. Each tree has a process of
its own, with everything imported; the two take turns within one run, in a random order in each
pair, on one thread. Seconds are of the processor. The interval is a 95 % one of the mean log ratio
over pairs (Student's t); the first pair warms up and is not counted.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy import stats

CHILD = """
import sys, time
sys.path.insert(0, {here!r})
import recordings, torch
torch.set_num_threads(1)
print("ready", flush=True)
for line in sys.stdin:
    torch.manual_seed(0)
    started = time.process_time()
    recordings.VERBS[line.strip()].run()
    print(time.process_time() - started, flush=True)
"""
VERBS = (
    *("spectra_resnet56", "spectra_stories260k", "grid_mlp", "grid_cnn_recompute", "grid_gpt"),
    *("hessian_mlp", "hessian_cnn", "hessian_gpt", "path", "population", "measured", "topology"),
    *("allocation", "tempbalance", "train_sgd", "train_language", "laboratory"),
)


def started(tree: Path) -> subprocess.Popen[str]:
    here = str(Path(__file__).resolve().parent)
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(here=here)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **threads, "PYTHONPATH": str(tree.resolve())},
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready", f"{tree} did not start"
    return child


def seconds(child: subprocess.Popen[str], verb: str) -> float:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(verb + "\n")
    child.stdin.flush()
    return float(child.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("verbs", nargs="*", default=VERBS)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    children, order = [started(args.before), started(args.after)], random.Random(0)
    begun = time.monotonic()
    print("| verb | before, s | after, s | after / before |\n|---|---|---|---|")
    for verb in args.verbs or VERBS:
        rows = []
        for _ in range(args.repeats + 1):
            pair = [0.0, 0.0]
            for which in order.sample((0, 1), 2):
                pair[which] = seconds(children[which], verb)
            rows.append(pair)
        times = np.array(rows[1:])
        logs = np.log(times[:, 1] / times[:, 0])
        half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
        low, ratio, high = np.exp(logs.mean() + half * np.array([-1, 0, 1]))
        before, after = np.median(times, axis=0)
        print(f"| {verb} | {before:.3f} | {after:.3f} | {ratio:.2f} [{low:.2f}, {high:.2f}] |")
    print(f"{args.repeats} pairs each, {time.monotonic() - begun:.0f} s in all", file=sys.stderr)
    for child in children:
        child.kill()


if __name__ == "__main__":
    main()
