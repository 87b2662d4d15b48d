"""Sampling a landscape: time against a plain loop and against Landscaper; what it costs; resuming.

    python benchmarks/landscape.py peers --landscaper-python ENV/bin/python
    python benchmarks/landscape.py cost
    python benchmarks/landscape.py resume

Landscaper needs an environment of its own (``pip install torch==2.13.0 landscaper==1.3.1``: its
pins do not fit ours). Every process here uses one thread.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional

SEEDS = (0, 1, 2)
STEPS = 41
SOURCE = Path(__file__).resolve().parent.parent / "src"


def autograd_pinn_loss(model, batch, beta: float):
    """The usual PINN loss: derivatives in x and t by torch.autograd."""
    with torch.enable_grad():
        points = batch["interior"].clone().requires_grad_()
        u = model(points)
        (slope,) = torch.autograd.grad(u.sum(), points, create_graph=True)
        residual = slope[:, 1] + beta * slope[:, 0]
    start = model(batch["initial"]) - batch["initial_values"]
    ends = model(batch["left"]) - model(batch["right"])
    return (start**2).mean() + (ends**2).mean() + (residual**2).mean()


def cases(seed: int):
    """Yield name, model, batch, the loss for an Objective and the loss of a plain loop."""
    from eigenscape.models import build
    from eigenscape.zoo import MLP
    from eigenscape.zoo._classifiers import SmallCNN
    from eigenscape_studies.networks import convection
    from eigenscape_studies.networks._pinn import PINN

    draw = torch.Generator().manual_seed(seed)
    flat = torch.randn(512, 784, generator=draw), torch.randint(0, 10, (512,), generator=draw)
    images = torch.randn(64, 1, 16, 16, generator=draw), flat[1][:64]

    def entropy(model, batch):
        return functional.cross_entropy(model(batch[0]), batch[1])

    mlp = build(lambda: MLP(784, [256], 10, batch_norm=False), seed)
    deep = build(lambda: MLP(784, [256, 128], 10, batch_norm=False), seed)
    yield "MLP 784-256-10", mlp, flat, entropy, entropy
    yield "MLP 784-256-128-10", deep, flat, entropy, entropy
    yield "SmallCNN", build(SmallCNN, seed).eval(), images, entropy, entropy
    problem = convection(5.0)
    pinn = build(PINN, seed)
    points = {name: part.float() for name, part in problem.batch().items()}
    yield "PINN", pinn, points, problem.loss_of, lambda m, b: autograd_pinn_loss(m, b, 5.0)


def plain_loop(model, batch, loss, vectors: torch.Tensor, radius: float) -> list[float]:
    """What one writes by hand: set the parameters, evaluate, point after point."""
    center = torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()
    axis = torch.linspace(-radius, radius, STEPS).tolist()
    found = []
    with torch.no_grad():
        for a, b in itertools.product(axis, axis):
            point = center + a * vectors[:, 0] + b * vectors[:, 1]
            torch.nn.utils.vector_to_parameters(point, model.parameters())
            found.append(float(loss(model, batch)))
        torch.nn.utils.vector_to_parameters(center, model.parameters())
    return found


def seconds(function) -> tuple[float, object]:
    start = time.perf_counter()
    answer = function()
    return time.perf_counter() - start, answer


def spread(values, digits: int = 2) -> str:
    middle = statistics.median(values)
    return f"{middle:.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def landscaper_child(name: str, seed: int) -> None:
    """Run inside Landscaper's environment: print the seconds of one 41 x 41 landscape."""
    import contextlib
    import io

    from landscaper.compute import compute_loss_landscape

    for label, model, batch, _, loss in cases(seed):
        if label != name:
            continue
        torch.manual_seed(seed)
        ways = [[torch.randn_like(p) for p in model.parameters()] for _ in range(2)]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            taken, _ = seconds(
                lambda m=model, b=batch, f=loss, w=ways: compute_loss_landscape(
                    m,
                    b,
                    w,
                    lambda n, d: float(f(n, d)),
                    steps=STEPS,
                    distance=0.1,
                    dim=2,
                    device="cpu",
                )
            )
        print("SECONDS", taken)


def landscaper(python: str, name: str, seed: int) -> float | None:
    done = subprocess.run(
        [python, __file__, "child", "--case", name, "--seed", str(seed)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
    )
    for line in done.stdout.splitlines():
        if line.startswith("SECONDS"):
            return float(line.split()[1])
    print("   ", (done.stderr.strip().splitlines() or ["no answer"])[-1][:120])
    return None


def peers(python: str | None) -> None:
    from eigenscape.landscape import random_directions, sample
    from eigenscape.models import Objective

    print(f"{STEPS} x {STEPS} points, random directions, seeds {SEEDS}; median [min, max]")
    for name in [case[0] for case in cases(0)]:
        fast, plain, loop, peer, apart = [], [], [], [], []
        for seed in SEEDS:
            _, model, batch, forward, loss = next(c for c in cases(seed) if c[0] == name)
            objective = Objective(model, None, batch, forward=forward, dtype=torch.float32)
            ways = random_directions(objective, 2, seed=seed)
            taken, ours = seconds(lambda o=objective, w=ways: sample(o, w, steps=STEPS))
            fast.append(taken)
            taken, slow = seconds(lambda o=objective, w=ways: sample(o, w, steps=STEPS, fast=False))
            plain.append(taken / fast[-1])
            apart.append(float(abs(ours.values - slow.values).max() / abs(slow.values).max()))
            norm = float(objective.center.norm())
            vectors = ways.scaled(ours.unit, norm).float()
            taken, by_hand = seconds(
                lambda m=model, b=batch, f=loss, v=vectors, r=ours.radius: plain_loop(m, b, f, v, r)
            )
            loop.append(taken / fast[-1])
            hand = torch.tensor(by_hand).reshape(STEPS, STEPS).double().numpy()
            apart.append(float(abs(hand - slow.values).max() / abs(slow.values).max()))
            if python and (taken := landscaper(python, name, seed)):
                peer.append(taken / fast[-1])
        print(f"{name}: {objective.space.count} parameters")
        print(f"  eigenscape {spread(fast)} s ({'; '.join(ours.notes) or 'no notes'})")
        print(f"  eigenscape without the fast path {spread(plain)} times as long")
        print(f"  plain loop {spread(loop)} times as long")
        print(f"  Landscaper 1.3.1 {spread(peer) + ' times as long' if peer else 'not run'}")
        print(f"  largest relative difference between the three: {max(apart):.1e}", flush=True)


def cost() -> None:
    from eigenscape.landscape import sample
    from eigenscape.models import Objective, build
    from eigenscape.zoo import MLP

    draw = torch.Generator().manual_seed(0)
    data = torch.randn(256, 64, generator=draw), torch.randint(0, 10, (256,), generator=draw)

    def timed(width: int, dim: int, steps: int) -> float:
        model = build(lambda: MLP(64, [width, width], 10, batch_norm=False), 0)
        objective = Objective(model, functional.cross_entropy, data)
        return statistics.median(
            seconds(lambda: sample(objective, "random", dim=dim, steps=steps))[0] for _ in range(3)
        )

    print("MLP 64-w-w-10 on 256 samples, seconds (median of 3) and microseconds a point")
    for width, dim, steps in (
        (64, 2, 11),
        (64, 2, 21),
        (64, 2, 41),
        (64, 2, 81),
        (64, 1, 41),
        (64, 3, 21),
        (64, 4, 11),
        (128, 2, 41),
        (256, 2, 41),
        (512, 2, 41),
    ):
        taken = timed(width, dim, steps)
        each = taken / steps**dim * 1e6
        print(f"  w {width:4d}, {steps}^{dim} points: {taken:7.3f} s, {each:7.0f} us a point")


def resume() -> None:
    """Kill a sampling half-way, go on, and compare with an uninterrupted one."""
    from eigenscape.landscape import Landscape

    body = (
        "import torch, sys\n"
        "torch.set_num_threads(1)\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from landscape import cases\n"
        "from eigenscape.landscape import sample\n"
        "from eigenscape.models import Objective\n"
        "_, model, batch, forward, _ = next(c for c in cases(0) if c[0] == 'SmallCNN')\n"
        "objective = Objective(model, None, batch, forward=forward)\n"
        "sample(objective, steps=41, folder=sys.argv[1], chunk=50).save(sys.argv[2])\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)

        def run(name: str, stop: float | None = None) -> float:
            start = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-c", body, str(place / name), str(place / f"{name}.nc")]
            )
            try:
                process.wait(timeout=stop)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return time.perf_counter() - start

        whole = run("whole")
        first = run("killed", whole * 0.6)
        second = run("killed")
        same = Landscape.load(place / "whole.nc").values.tobytes() == (
            Landscape.load(place / "killed.nc").values.tobytes()
        )
        print(
            f"SmallCNN, 41 x 41: uninterrupted {whole:.1f} s; killed after {first:.1f} s and "
            f"resumed {second:.1f} s; bit for bit the same: {same}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("peers", "cost", "resume", "child"))
    parser.add_argument("--landscaper-python")
    parser.add_argument("--case")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "child":
        landscaper_child(args.case, args.seed)
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
    {"peers": lambda: peers(args.landscaper_python), "cost": cost, "resume": resume}[args.what]()


if __name__ == "__main__":
    main()
