"""Merge trees of grids: time and memory against GUDHI and Landscaper, in one run.

    python benchmarks/topology.py peers --landscaper-python ENV/bin/python
    python benchmarks/topology.py planar     # against GUDHI's fast path for planes
    python benchmarks/topology.py file       # a 41^4 grid from a file, through the command

GUDHI comes with ``pip install "eigenscape[oracle]"``, numba with ``eigenscape[fast]``.
Landscaper needs an environment of its own (``pip install torch==2.13.0 landscaper==1.3.1``: its
pins do not fit ours); without the option its column says so. It is given ``--timeout`` seconds for
each grid.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

GRIDS = ((41, 2), (15, 3), (41, 3), (41, 4))
SEEDS = (0, 1, 2)

_PEER = """
import sys, time, numpy as np
from landscaper.tda import merge_tree
values = np.load(sys.argv[1])
axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in values.shape], indexing="ij")
points = np.stack([a.ravel() for a in axes], axis=1)
start = time.perf_counter()
tree = merge_tree(values, points)
seconds = time.perf_counter() - start
leaves = {a for a, _ in tree.edges} - {b for _, b in tree.edges}
print("RESULT", seconds, len(leaves))
"""


def rough_field(steps: int, dim: int, seed: int) -> np.ndarray:
    """A bowl under smoothed noise: a few to a few thousand minima."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.standard_normal((steps,) * dim), 1.5, mode="nearest")
    axis = np.linspace(-1, 1, steps) ** 2
    bowl = sum(axis.reshape([-1 if i == k else 1 for i in range(dim)]) for k in range(dim))
    return bowl / dim + noise / noise.std() * 0.3


def best(function, repeats: int) -> tuple[float, object]:
    times, answer = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        answer = function()
        times.append(time.perf_counter() - start)
    return statistics.median(times), answer


def landscaper(python: str | None, values: np.ndarray, timeout: float) -> tuple[str, float | None]:
    """Return what to print, and the seconds; minima are counted too."""
    if python is None:
        return "not run", None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grid.npy"
        np.save(path, values)
        try:
            done = subprocess.run(
                [python, "-c", _PEER, str(path)],
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        except subprocess.TimeoutExpired:
            return f"not done in {timeout:.0f} s", None
    for line in done.stdout.splitlines():
        if line.startswith("RESULT"):
            _, seconds, minima = line.split()
            return f"{float(seconds):.2f} s, {minima} minima", float(seconds)
    return "failed: " + (done.stderr.strip().splitlines() or ["?"])[-1][:60], None


def spread(values: list[float], scale: float = 1.0, digits: int = 2) -> str:
    low, mid, high = min(values), statistics.median(values), max(values)
    return f"{mid * scale:.{digits}f} [{low * scale:.{digits}f}, {high * scale:.{digits}f}]"


def peers(python: str | None, timeout: float) -> None:
    import gudhi

    from eigenscape.topology import merge_tree

    print(f"rough bowls, seeds {SEEDS}, one thread; median [min, max]; ms unless said otherwise")
    for steps, dim in GRIDS:
        ours: dict[str, list[float]] = {"cross": [], "freudenthal": [], "full": []}
        peer: dict[str, list[float]] = {"cross": [], "full": []}
        minima: list[int] = []
        repeats = 5 if steps**dim < 10**6 else 1
        for seed in SEEDS:
            values = rough_field(steps, dim, seed)
            for name in ours:
                taken, tree = best(lambda v=values, n=name: merge_tree(v, n), repeats)
                ours[name].append(taken)
                if name == "cross":
                    minima.append(tree.n_minima)
            for name in peer:
                kind = "vertices" if name == "cross" else "top_dimensional_cells"

                def run(v=values, k=kind):
                    complex_ = gudhi.CubicalComplex(**{k: v})
                    complex_.compute_persistence()
                    return complex_.persistence_intervals_in_dimension(0)

                peer[name].append(best(run, 1)[0])
        words, other = landscaper(python, rough_field(steps, dim, SEEDS[0]), timeout)
        print(f"{steps}^{dim} = {steps**dim} samples, {min(minima)} to {max(minima)} minima")
        for name, times in ours.items():
            line = f"  eigenscape {name:<12} {spread(times, 1e3)}"
            if name in peer:
                ratios = [b / a for a, b in zip(times, peer[name], strict=True)]
                line += f"   GUDHI {spread(peer[name], 1e3)}: {spread(ratios, 1, 1)} times ours"
            print(line)
        tail = f": {other / ours['cross'][0]:.3g} times ours (cross)" if other else ""
        print(
            f"  Landscaper 1.3.1, seed {SEEDS[0]}: {words}{tail}; ours {minima[0]} minima",
            flush=True,
        )


def planar() -> None:
    """GUDHI's pairs of a plane against our merge tree, with and without the compiled sweep."""
    from gudhi.sklearn.cubical_persistence import CubicalPersistence

    import eigenscape.topology._sweep as sweeping
    from eigenscape.topology import merge_tree

    theirs = CubicalPersistence(homology_dimensions=0)
    there = sweeping.numba_is_there
    print(
        "full connectivity, seed 0, one thread, processor time, best of 5; "
        "ours over GUDHI's in brackets"
    )
    for shape in ((201, 201), (1100, 900)):
        noise = np.random.default_rng(0).normal(size=shape)
        squares = [np.linspace(-1, 1, side) ** 2 for side in shape]
        bowl = np.add.outer(*squares)
        for name, values in (
            ("noise", noise),
            ("bowl + 5 % noise", bowl + 0.05 * noise),
            ("bowl", bowl),
            ("noise in 256 steps", np.round(noise * 32)),
        ):
            times: dict[str, float] = {}
            for way in ("gudhi", "fast", "plain"):
                sweeping.numba_is_there = there if way == "fast" else lambda: False

                def run(v=values, w=way):
                    return theirs.fit_transform([v]) if w == "gudhi" else merge_tree(v)

                run()
                taken = []
                for _ in range(5):
                    start = time.process_time()
                    run()
                    taken.append(time.process_time() - start)
                times[way] = min(taken) * 1e3
            ratio = {way: each / times["gudhi"] for way, each in times.items()}
            print(
                f"{shape[0]} x {shape[1]}, {name}: {merge_tree(values).n_minima} minima; "
                f"GUDHI's pairs {times['gudhi']:.1f} ms; "
                f"our tree with [fast] {times['fast']:.1f} ms "
                f"({ratio['fast']:.1f}), without {times['plain']:.1f} ms ({ratio['plain']:.1f})",
                flush=True,
            )
    sweeping.numba_is_there = there


def file() -> None:
    """The command on a 41^4 grid in a file: wall time and peak memory of the process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grid.npy"
        np.save(path, rough_field(41, 4, 0))
        print(f"41^4 grid, float64, {path.stat().st_size / 2**20:.1f} MiB file")
        for extra in ([], ["--simplify", "1%"]):
            command = [
                sys.executable,
                "-m",
                "eigenscape",
                "topology",
                str(path),
                "--quiet",
                "--connectivity",
                "freudenthal",
                "--format",
                "json",
                "--out",
                str(Path(folder) / "out"),
                *extra,
            ]
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            taken = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            told = "done" if done.returncode == 0 else done.stderr.strip()[-200:]
            print(
                f"  eigenscape topology {' '.join(extra)}: {told} in {taken:.1f} s, with "
                f"profile and picture; peak {peak:.0f} MiB so far"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("peers", "planar", "file"))
    parser.add_argument("--landscaper-python")
    parser.add_argument("--timeout", type=float, default=180.0)
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, numpy {np.__version__}")
    if args.what == "peers":
        peers(args.landscaper_python, args.timeout)
    elif args.what == "planar":
        planar()
    else:
        file()


if __name__ == "__main__":
    sys.exit(main())
