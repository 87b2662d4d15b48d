"""Speed and memory of spectral examinations, measured side by side in one run.

python benchmarks/spectra.py speed      # against WeightWatcher: pip install "eigenscape[oracle]"
python benchmarks/spectra.py memory     # a sharded folder of 1 GB
python benchmarks/spectra.py cost       # seconds against the width of the matrix
    python benchmarks/spectra.py range      # the published range of alpha on small networks
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from torch import nn

REPEATS = 7


def seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def spread(values) -> str:
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def speed() -> None:
    """12 x Linear(3072 -> 768): ratios of wall time, pair by pair."""
    warnings.simplefilter("ignore")
    import weightwatcher

    from eigenscape.spectra import analyze

    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(3072, 768) for _ in range(12)))

    def peer() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            weightwatcher.WeightWatcher(model=model).analyze()

    ours = {
        "float64": lambda: analyze(model),
        "float32, checked": lambda: analyze(model, precision="float32"),
    }
    peer()
    for function in ours.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in ("peer", *ours)}
    for _ in range(REPEATS):
        times["peer"].append(seconds(peer))
        for name, function in ours.items():
            times[name].append(seconds(function))
    print(f"12 x Linear(3072 -> 768), {REPEATS} interleaved repeats, median [min, max]")
    print(f"  WeightWatcher 0.7.7       {spread(times['peer'])} s")
    for name in ours:
        ratios = [a / b for a, b in zip(times["peer"], times[name], strict=True)]
        print(f"  eigenscape, {name:<16} {spread(times[name])} s: {spread(ratios)} times as fast")
    routes = {row.route for row in analyze(model, precision="float32")}
    print(f"  routes of the checked float32 mode: {', '.join(sorted(routes))}")


def write_folder(folder: Path, shapes: dict[str, tuple[int, int]]) -> None:
    """A folder of shards of four tensors each, as a large model is stored."""
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(0)
    index, names = {}, list(shapes)
    for start in range(0, len(names), 4):
        shard = f"model-{start // 4:05d}.safetensors"
        chosen = names[start : start + 4]
        part = {name: torch.randn(shapes[name], generator=generator) for name in chosen}
        save_file(part, folder / shard)
        index |= dict.fromkeys(part, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def folders() -> dict[str, dict[str, tuple[int, int]]]:
    """Four folders of about 1 GB in float32."""
    block = {
        "q": (1024, 1024),
        "k": (1024, 1024),
        "v": (1024, 1024),
        "o": (1024, 1024),
        "up": (4096, 1024),
        "down": (1024, 4096),
    }
    model = {"model.embed_tokens.weight": (50257, 1024)}
    for layer in range(16):
        model |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in block.items()}
    return {
        "language model (embedding 50257 x 1024, 16 blocks of width 1024)": model,
        "16 matrices 2048 x 8192": {f"l.{i}.weight": (2048, 8192) for i in range(16)},
        "16 matrices 4096 x 4096": {f"l.{i}.weight": (4096, 4096) for i in range(16)},
        "64 matrices 1024 x 4096": {f"l.{i}.weight": (1024, 4096) for i in range(64)},
    }


CHILD = """
import sys, torch
from pathlib import Path
import eigenscape.spectra, scipy.linalg, pandas
from eigenscape.spectra import analyze

def status(key):                             # of this address space alone; ru_maxrss outlives exec
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])

task, folder = sys.argv[1:]
analyze({"w": torch.randn(64, 64)})          # libraries loaded, buffers there: the empty process
Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
base = status("VmRSS")
if task == "examine":
    assert len(analyze(folder)) > 0
else:
    from safetensors.torch import load_file
    whole = {}
    for shard in sorted(Path(folder).glob("*.safetensors")):
        whole |= {k: v.clone() for k, v in load_file(shard).items()}
print((status("VmHWM") - base) / 1024)
"""


def memory() -> None:
    """Peak resident memory above the empty process, examining a sharded 1 GB folder."""
    for words, shapes in folders().items():
        largest = max(rows * cols for rows, cols in shapes.values()) * 4 / 2**20
        with tempfile.TemporaryDirectory() as folder:
            write_folder(Path(folder), shapes)
            whole = child("load", folder)
            grown = [child("examine", folder) for _ in range(2)]
        print(f"{words}; largest tensor {largest:.0f} MiB, loading it whole {whole:.0f} MiB")
        ratios = [value / largest for value in grown]
        print(f"  examined: {spread(grown)} MiB, {spread(ratios)} times the largest tensor")


def child(task: str, folder: str) -> float:
    command = [sys.executable, "-c", CHILD, task, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def cost() -> None:
    """Seconds for one matrix n x 4n and n x n, one thread, float64 and float32."""
    from eigenscape.spectra import analyze

    torch.set_num_threads(1)
    print(
        "one matrix, one thread, median of 3: seconds (growth from the row above, as a power of n)"
    )
    before: dict[str, float] = {}
    for n in (256, 512, 1024, 2048, 4096):
        cells = []
        for name, m, precision in (
            ("n x n, float64", n, "float64"),
            ("n x 4n, float64", 4 * n, "float64"),
            ("n x 4n, float32", 4 * n, "float32"),
        ):
            weights = {"w": torch.randn(n, m, generator=torch.Generator().manual_seed(n))}
            analyze(weights, jobs=1, precision=precision)
            took = statistics.median(
                seconds(lambda w=weights, p=precision: analyze(w, jobs=1, precision=p))
                for _ in range(3)
            )
            power = f" (n^{math.log2(took / before[name]):.1f})" if before.get(name) else ""
            before[name] = took
            cells.append(f"{name}: {took:.3f}{power}")
        print(f"  n {n:>4}  " + "   ".join(cells))


def range_() -> None:
    """The published range of alpha (2 to 6) on well-trained small networks: five seeds a recipe."""
    from dataclasses import asdict

    from eigenscape.models import build
    from eigenscape.spectra import analyze
    from eigenscape.zoo import HEALTHY_RECIPE, MLP, accuracy, digits, train

    torch.set_num_threads(1)
    print("MLP 64-256-256-256-10 on the digits; KS alpha of the three hidden matrices, 5 seeds")
    hot = {"learning_rate": 0.05, "epochs": 40}
    for change in ({}, hot, {**hot, "weight_decay": 5e-3}):
        right, alphas, labels = [], [], []
        for seed in range(5):
            data = digits(seed=seed)
            model = build(lambda: MLP(64, (256, 256, 256), 10), seed)
            recipe = {**asdict(HEALTHY_RECIPE), **change}
            train(model, data.train_inputs, data.train_labels, seed=seed, **recipe)
            right.append(accuracy(model.eval(), data.test_inputs, data.test_labels))
            layers = analyze(model).layers
            alphas += [layer.alpha_ks for layer in layers]
            labels += [layer.label for layer in layers]
        counts = ", ".join(f"{labels.count(name)} {name}" for name in sorted(set(labels)))
        print(f"  {change or 'the recipe of the check-up'}: test accuracy", end=" ")
        print(f"{spread([100 * r for r in right])} %, alpha {spread(alphas)}; {counts}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("speed", "memory", "cost", "range"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{platform.machine()}, {cores} cores, torch {torch.__version__}")
    print(f"load {os.getloadavg()[0]:.1f}")
    {"speed": speed, "memory": memory, "cost": cost, "range": range_}[parser.parse_args().what]()


if __name__ == "__main__":
    main()
