r"""The five largest Hessian eigenvalues: products, time and error, side by side in one run.

    pip install tqdm && pip install --no-deps curvlinops-for-pytorch==3.0.1 PyHessian==0.1 \
        backpack-for-pytorch einops einconv linear_operator opt-einsum
    python benchmarks/hessian.py mlp       # an MLP on the digits
    python benchmarks/hessian.py resnet    # a published ResNet-20 on 40 images; needs the data
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from eigenscape import zoo
from eigenscape.landscape import top_eigenpairs
from eigenscape.models import Objective, build
from eigenscape.zoo._cifar_resnet import load_cifar_resnet

K, SEEDS = 5, 3


def mlp():
    data = zoo.digits(seed=0)
    model = build(lambda: zoo.MLP(64, (32, 16), 10), 0)
    zoo.train(
        model,
        data.train_inputs,
        data.train_labels,
        seed=0,
        epochs=20,
        learning_rate=0.05,
        batch_size=32,
    )
    return model.eval(), (data.train_inputs[:500], data.train_labels[:500])


def resnet():
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EIGENSCAPE_DATA", beside))
    with np.load(folder / "cifar10" / "train4000_exact.npz") as arrays:
        pixels = torch.from_numpy(arrays["images"][:40]).permute(0, 3, 1, 2) / 255
        labels = torch.from_numpy(arrays["labels"][:40]).long()
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    model = load_cifar_resnet(folder / "cifar_resnet" / "resnet20-12fca82f.th")
    return model, ((pixels - mean) / std, labels)


class Counted:
    """A linear operator that counts its products."""

    def __init__(self, operator):
        self.operator, self.products = operator, 0
        self.shape, self.dtype = operator.shape, operator.dtype

    def matvec(self, vector):
        self.products += 1
        return self.operator @ vector


def ours(model, batch, seed, tolerance):
    objective = Objective(model, nn.functional.cross_entropy, batch)
    found = top_eigenpairs(objective, K, seed=seed, tolerance=tolerance)
    return found.values.tolist(), found.products


def scipy_curvlinops(model, batch, seed, tolerance):
    """curvlinops' Hessian under scipy's eigsh: ARPACK, the same tolerance."""
    from curvlinops import HessianLinearOperator
    from scipy.sparse.linalg import LinearOperator, eigsh

    parameters = [p for p in model.parameters() if p.requires_grad]
    operator = HessianLinearOperator(
        model, nn.CrossEntropyLoss(), parameters, [batch], check_deterministic=False
    )
    counted = Counted(operator.to_scipy())
    wrapped = LinearOperator(counted.shape, counted.matvec, dtype=counted.dtype)
    start = np.random.default_rng(seed).normal(size=counted.shape[0]).astype(counted.dtype)
    values = eigsh(wrapped, K, which="LA", tol=tolerance, v0=start, return_eigenvectors=False)
    return sorted(values, reverse=True), counted.products


def pyhessian_power(model, batch, seed, tolerance, most=100):
    """PyHessian's power iteration with deflation; its tolerance is of the change of a value."""
    import pyhessian

    torch.manual_seed(seed)
    peer = pyhessian.hessian(model, nn.CrossEntropyLoss(), data=batch, cuda=False)
    space = type(peer).eigenvalues.__globals__
    plain, products = space["hessian_vector_product"], 0

    def counted(*arguments):
        nonlocal products
        products += 1
        return plain(*arguments)

    space["hessian_vector_product"] = counted
    try:
        values, _ = peer.eigenvalues(maxIter=most, tol=tolerance, top_n=K)
    finally:
        space["hessian_vector_product"] = plain
    model.zero_grad(set_to_none=True)
    return values, products


def pyhessian_tight(model, batch, seed, tolerance):
    """The same, driven towards the error that the others have at their tolerance."""
    return pyhessian_power(model, batch, seed, tolerance / 1000, most=3000)


WAYS = {
    "eigenscape, tolerance 1e-3": ours,
    "curvlinops + scipy eigsh, tol 1e-3": scipy_curvlinops,
    "PyHessian as it comes (tol 1e-3, 100 iterations)": pyhessian_power,
    "PyHessian, tol 1e-6, 3000 iterations": pyhessian_tight,
}


def spread(values, form="{:.3g}"):
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{form} [{form}, {form}]".format(middle, low, high)


def compare(name, problem, *, tight):
    model, batch = problem
    wide = Objective(model, nn.functional.cross_entropy, batch, dtype=torch.float64)
    reference = top_eigenpairs(wide, K, tolerance=1e-8, seed=99)
    known = reference.values.numpy()
    worst = float(reference.residuals.max())
    print(f"{name}: {wide.space.count} parameters, {len(batch[0])} samples, top {K}")
    print(f"  reference in float64, residuals below {worst:.0e}: {np.round(known, 4)}")
    ways = {key: way for key, way in WAYS.items() if tight or way is not pyhessian_tight}
    seen = {key: [] for key in ways}
    ours(model, batch, 0, 1e-1)
    for seed in range(SEEDS):
        for key, way in ways.items():
            start = time.perf_counter()
            values, products = way(model, batch, seed, 1e-3)
            took = time.perf_counter() - start
            error = float(np.max(np.abs(np.array(values) - known) / np.abs(known)))
            seen[key].append((products, took, error))
    first = next(iter(seen.values()))
    for key, rows in seen.items():
        products, took, errors = zip(*rows, strict=True)
        ratios = [b / a for (_, a, _), (_, b, _) in zip(first, rows, strict=True)]
        print(f"  {key}")
        print(f"    products {spread(products, '{:.0f}')}   seconds {spread(took)}", end="   ")
        print(f"largest error {spread(errors, '{:.1e}')}   time / eigenscape's {spread(ratios)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("mlp", "resnet"))
    parser.add_argument("--tight", action="store_true", help="PyHessian at equal accuracy too")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(f"{platform.machine()}, one thread, torch {torch.__version__}", end=", ")
    print(f"load {os.getloadavg()[0]:.1f}; {SEEDS} seeds interleaved, median [min, max]")
    compare(args.what, {"mlp": mlp, "resnet": resnet}[args.what](), tight=args.tight)


if __name__ == "__main__":
    main()
