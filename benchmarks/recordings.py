"""The numbers of the fast verbs on fixed seeds, to see that a change of the code changes none.

    OMP_NUM_THREADS=1 python benchmarks/recordings.py record OUT.npz [VERB ...]
    python benchmarks/recordings.py compare BEFORE.npz AFTER.npz [--all]

`record` runs every verb on one thread and keeps what it returns; `compare` prints a table, verb by
verb: equal to the bit, or the largest difference relative to the largest entry of its array, beside
what is allowed and why. It fails where more moved than that, or where a verb is missing.

Real weights are read from EIGENSCAPE_DATA, or ../shared/data beside the repository.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}

import numpy as np
import torch
from torch import nn

from eigenscape import analyze, compare, zoo
from eigenscape.allocation import allocate
from eigenscape.balancing import TempBalance
from eigenscape.landscape import (
    cka_matrix,
    connect,
    hessian,
    model_cka,
    random_directions,
    sample,
    top_eigenpairs,
)
from eigenscape.topology import (
    bottleneck_distance,
    examine_topology,
    landscape_profile,
    merge_tree,
    wasserstein_distance,
)

if importlib.util.find_spec("eigenscape.models"):
    import _recordings_names as names
else:
    import _recordings_base as names

CE = nn.functional.cross_entropy
Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Verb:
    """What to run, and how far its numbers may move."""

    run: Callable[[], Arrays]
    allowed: float
    reason: str


VERBS: dict[str, Verb] = {}


def verb(allowed: float = 0.0, reason: str = "") -> Callable[[Callable[[], Arrays]], Any]:
    def keep(run: Callable[[], Arrays]) -> Callable[[], Arrays]:
        VERBS[run.__name__] = Verb(run, allowed, reason)
        return run

    return keep


SUMS_32 = {"allowed": 1e-6, "reason": "float32, sums in another order"}
SUMS_64 = {"allowed": 1e-12, "reason": "float64, sums in another order"}


# --- what several verbs need


def data_file(name: str) -> Path:
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("EIGENSCAPE_DATA", beside)) / name


def columns(table: Any, prefix: str = "") -> Arrays:
    """Every column of numbers or words of a pandas table."""
    found = {}
    for column in table.columns:
        values = table[column].to_numpy()
        if values.dtype == object:
            if not all(isinstance(value, str | float | int | None) for value in values):
                continue
            numbers = [value is None or isinstance(value, float | int) for value in values]
            values = values.astype(float) if all(numbers) else values.astype(str)
        found[prefix + names.RENAMED.get(column, column)] = values
    return found


def state(model: nn.Module, prefix: str = "weights.") -> Arrays:
    return {prefix + name: tensor for name, tensor in model.state_dict().items()}


def few_digits(dtype: torch.dtype = torch.float32, count: int = 96) -> tuple[Any, Any]:
    split = zoo.digits(seed=0)
    return split.train_inputs[:count].to(dtype), split.train_labels[:count]


def small_mlp(seed: int = 0, dtype: torch.dtype = torch.float32, epochs: int = 2) -> nn.Module:
    model = names.build(lambda: zoo.MLP(64, (12, 8), 10), seed)
    inputs, labels = few_digits()
    names.trained(
        model, inputs, labels, epochs=epochs, batch_size=32, learning_rate=0.05, seed=seed
    )
    return model.to(dtype).eval()


def small_cnn() -> tuple[nn.Module, tuple[Any, Any]]:
    inputs, labels = few_digits(count=48)
    images = inputs.view(-1, 1, 8, 8)
    model = names.build(lambda: names.SmallCNN(1, 10, 4), 0)
    names.trained(model, images, labels, epochs=1, batch_size=16, learning_rate=0.05, seed=0)
    return model.eval(), (images, labels)


def small_gpt() -> tuple[nn.Module, tuple[Any, Any]]:
    model = names.build(lambda: zoo.GPT(11, width=16, depth=2, heads=2, context=12), 0)
    tokens = torch.randint(11, (8, 12), generator=torch.Generator().manual_seed(0))
    return model.eval(), (tokens, tokens)


def next_token_loss(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    if logits.dim() == 3:
        logits = logits[:, :-1].flatten(0, 1)
    return CE(logits, tokens[:, 1:].flatten())


def grid(model: nn.Module, loss: Any, batch: Any, **options: Any) -> Arrays:
    objective = names.objective(model, loss, batch, **options)
    found = sample(objective, random_directions(objective, 2, seed=1), steps=9)
    return {
        "values": found.values,
        "center": found.loss_at_center,
        "norms": found.norms,
        "gram": found.gram,
        "coordinates": np.stack(found.coordinates),
    }


# --- spectra


def spectra(path: Path, **options: Any) -> Arrays:
    result = analyze(path, jobs=1, **options)
    eigenvalues = {f"eigenvalues.{one.name}": names.spectrum(one) for one in result}
    return {**columns(result.frame(full=True)), **eigenvalues}


@verb()
def spectra_resnet20() -> Arrays:
    return spectra(data_file("cifar_resnet/resnet20-12fca82f.th"))


@verb()
def spectra_resnet56() -> Arrays:
    return spectra(data_file("cifar_resnet/resnet56-4bfd9763.th"))


@verb()
def spectra_stories260k() -> Arrays:
    return spectra(data_file("stories260k"))


@verb()
def spectra_options() -> Arrays:
    """The costly metrics, other fits, other readings of convolutions, windows."""
    path = data_file("cifar_resnet/resnet20-12fca82f.th")
    asked = {
        "costly": {"metrics": ("shuffle", "tpl", "bottom"), "fit": "peak"},
        "flat": {"conv": "flatten", "xmin": "third", "fit": "small"},
        "fft": {"conv": "fft", "include": ("layer1*",), "precision": "float32"},
        "windows": {"windows": 16, "include": ("layer3*",)},
    }
    found = {}
    for name, options in asked.items():
        found |= {f"{name}.{key}": value for key, value in spectra(path, **options).items()}
    return found


@verb()
def spectra_paper_hill() -> Arrays:
    """Tail exponents by equation 2 of Liu et al. (2024), which leaves the threshold out."""
    path = data_file("cifar_resnet/resnet20-12fca82f.th")
    return spectra(path, conv="flatten", hill="paper", xmin="third")


@verb()
def spectra_compare() -> Arrays:
    return columns(compare(small_mlp(epochs=1), small_mlp(epochs=6), min_eigenvalues=4).frame())


# --- the landscape


@verb(**SUMS_64)
def grid_mlp() -> Arrays:
    return grid(small_mlp(dtype=torch.float64), CE, few_digits(torch.float64))


@verb(**SUMS_32)
def grid_mlp_float32() -> Arrays:
    return grid(small_mlp(), CE, few_digits())


@verb(**SUMS_32)
def grid_cnn_frozen() -> Arrays:
    return grid(*with_loss(small_cnn()), batch_norm="frozen")


@verb(**SUMS_32)
def grid_cnn_recompute() -> Arrays:
    return grid(*with_loss(small_cnn()), batch_norm="recompute")


@verb(**SUMS_32)
def grid_cnn_batch() -> Arrays:
    return grid(*with_loss(small_cnn()), batch_norm="batch")


@verb(**SUMS_32)
def grid_gpt() -> Arrays:
    return grid(*with_loss(small_gpt(), next_token_loss))


def with_loss(pair: tuple[nn.Module, Any], loss: Any = CE) -> tuple[nn.Module, Any, Any]:
    model, batch = pair
    return model, loss, batch


def curvature(model: nn.Module, loss: Any, batch: Any, **options: Any) -> Arrays:
    objective = names.objective(model, loss, batch)
    told = {"k": 3, "trace_samples": 6, "density": True, "ends": "both", "tolerance": 1e-3}
    found = hessian(objective, seed=0, **names.hessian_options(told | options))
    trace, error = names.hessian_trace(found)
    return {
        "largest": found.top_eigenvalues,
        "smallest": found.smallest_eigenvalues,
        "residuals": found.residuals,
        "trace": trace,
        "trace_error": error,
        "groups": [group.value for group in found.groups],
        "loss": found.loss,
        "gradient_norm": found.gradient_norm,
        "products": found.products,
        "nodes": np.concatenate(found.density.nodes) if found.density else (),
        "node_weights": np.concatenate(found.density.weights) if found.density else (),
    }


@verb(**SUMS_64)
def hessian_mlp() -> Arrays:
    return curvature(small_mlp(dtype=torch.float64), CE, few_digits(torch.float64))


@verb(**SUMS_32)
def hessian_mlp_float32() -> Arrays:
    return curvature(small_mlp(), CE, few_digits(), trace_method="hutch++")


@verb(**SUMS_64)
def hessian_ggn() -> Arrays:
    model = small_mlp(dtype=torch.float64)
    return curvature(model, CE, few_digits(torch.float64), matrix="ggn", ends="largest")


@verb(**SUMS_32)
def hessian_cnn() -> Arrays:
    objective = names.objective(*with_loss(small_cnn()))
    found = top_eigenpairs(objective, 2, seed=0)
    return {"values": found.values, "residuals": found.residuals, "products": found.products}


@verb(**SUMS_32)
def hessian_gpt() -> Arrays:
    model, loss, batch = with_loss(small_gpt(), next_token_loss)
    return curvature(model, loss, batch, k=2, ends="largest", density=False)


@verb(**SUMS_32)
def path() -> Arrays:
    split = zoo.digits(seed=0)
    held_out = split.test_inputs[:64], split.test_labels[:64]
    found = connect(
        small_mlp(0),
        small_mlp(1),
        CE,
        few_digits(),
        test=held_out,
        **names.curve_options(epochs=3, batch_size=32),
    )
    table = columns(found.frame())
    return {
        **table,
        "training_loss": found.training_loss,
        "connectivity": found.mode_connectivity,
        "peak": found.mode_connectivity_peak,
        "barrier": found.barrier,
        "line_barrier": found.line_barrier,
        "distance": found.distance,
    }


@verb(**SUMS_32)
def similarity() -> Arrays:
    told = {"batches": 3, "batch_size": 32}
    found = model_cka(small_mlp(0), small_mlp(1), few_digits(), **told)
    plain = model_cka(small_mlp(0), small_mlp(1), few_digits(), mixup=None, unbiased=True, **told)
    return {
        "value": found.value,
        "error": found.standard_error,
        "unbiased": plain.value,
        "matrix": cka_matrix([small_mlp(seed) for seed in range(3)], few_digits(), **told),
    }


# --- topology


def bumps(side: int, seed: int) -> np.ndarray:
    x, y = np.meshgrid(*[np.linspace(-2, 2, side)] * 2, indexing="ij")
    rough = np.random.default_rng(seed).normal(size=(side, side))
    return x**2 + y**2 + np.sin(5 * x) * np.cos(4 * y) + 0.1 * rough


def arrays_of(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """The fields of a dataclass that hold numbers."""
    for field in fields(value):
        found = getattr(value, field.name)
        if isinstance(found, np.ndarray | int | float | str):
            yield f"{prefix}{field.name}", found
        elif is_dataclass(found):
            yield from arrays_of(found, f"{prefix}{field.name}.")


@verb()
def topology() -> Arrays:
    first, second = (merge_tree(bumps(17, seed)) for seed in (0, 1))
    cube = merge_tree(np.stack([bumps(9, seed) for seed in range(4)]), "cross")
    found = {}
    for name, tree in (("flat", first), ("cube", cube), ("simple", first.simplify(0.2))):
        found |= dict(arrays_of(tree, f"{name}."))
        found |= dict(arrays_of(tree.metrics(), f"{name}.metrics."))
        found |= dict(arrays_of(landscape_profile(tree), f"{name}.profile."))
        found[f"{name}.persistence"] = tree.persistence
    for name, distance in (
        ("bottleneck", bottleneck_distance),
        ("wasserstein", wasserstein_distance),
    ):
        found[name] = distance(first, second)
    numbers = names.topology_numbers(examine_topology(bumps(17, 0)))
    plain = {key: value for key, value in numbers.items() if isinstance(value, float | int)}
    return {**found, **{f"numbers.{key}": value for key, value in plain.items()}}


# --- allocation and balancing


@verb()
def allocation() -> Arrays:
    spectrum = analyze(data_file("cifar_resnet/resnet20-12fca82f.th"), jobs=1)
    asked: dict[str, dict[str, Any]] = {
        "rates": {"kind": "lr"},
        "rates_sigmoid": {"kind": "lr", "rule": "tb_sigmoid"},
        "rates_careful": {"kind": "lr", "rule": "tb_linear", "noise_aware": True},
        "rates_shuffled": {"kind": "lr", "rule": "shuffled", "of": "tb_linear", "seed": 3},
        "sparsity": {"kind": "sparsity", "total": 0.7},
        "sparsity_additive": {"kind": "sparsity", "total": 0.5, "rule": "additive"},
        "sparsity_blocks": {"kind": "sparsity", "total": 0.6, "rule": "alphapruning"},
        "sparsity_reference": {"kind": "sparsity", "total": 0.7, "reference": True},
        "experts": {"kind": "experts", "total": 80},
        "ranks": {"kind": "ranks", "total": 200},
        "bits": {"kind": "bits", "total": 4.0},
    }
    found: dict[str, Any] = {}
    for name, options in asked.items():
        result = allocate(spectrum, **{"noise_aware": False, **options})
        found |= {f"{name}.budgets": list(result.layers.values()), f"{name}.total": result.total}
        if options["kind"] == "sparsity":
            found[f"{name}.pruned"] = list(result.entries_to_prune().values())
    return found


@verb()
def tempbalance() -> Arrays:
    inputs, labels = few_digits()
    found: dict[str, Any] = {}
    for rule in ("tb_linear", "tb_sigmoid"):
        model = names.build(lambda: zoo.MLP(64, (64, 56, 60), 10), 0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        balance = TempBalance(optimizer, model, rule=rule, every=10, skip=())
        rates, losses = [], []
        for step in range(30):
            rows = slice(32 * (step % 3), 32 * (step % 3) + 32)
            optimizer.zero_grad()
            loss = CE(model(inputs[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            balance.step()
            losses.append(float(loss.detach()))
            rates.append(balance.get_last_lr())
        trace = balance.trace
        table = (trace() if callable(trace) else trace).frame()
        found |= {f"{rule}.rates": rates, f"{rule}.losses": losses}
        found |= columns(table, f"{rule}.") | state(model, f"{rule}.weights.")
    return found


# --- training


def trained_network(**recipe: Any) -> Arrays:
    model = names.build(lambda: zoo.MLP(64, (16,), 10), 2)
    losses = names.trained(model, *few_digits(), epochs=3, batch_size=20, seed=5, **recipe)
    return {"losses": losses, **state(model)}


@verb(**SUMS_32)
def train_sgd() -> Arrays:
    return trained_network(learning_rate=0.05)


@verb(**SUMS_32)
def train_adam() -> Arrays:
    return trained_network(learning_rate=0.003, optimizer="adam", schedule="constant")


@verb(**SUMS_64)
def train_pinn() -> Arrays:
    model, losses = names.pinn(seed=0, hidden=(10, 10), max_iterations=20)
    return {"losses": losses, **state(model)}


@verb(**SUMS_32)
def train_operator() -> Arrays:
    model, losses, error = names.operator(
        epochs=3, batch_size=8, learning_rate=2e-3, halvings=1, seed=0
    )
    return {"losses": losses, "error": error, **state(model)}


@verb(**SUMS_32)
def train_language() -> Arrays:
    gpt, classifier, first, second = names.language_models(
        lambda size: zoo.GPT(size, width=16, depth=2, heads=2, context=16),
        {"dialects": 2, "stems": 8, "forms": 2},
        {"epochs": 2, "batch_size": 16, "learning_rate": 3e-3},
        {"epochs": 2, "batch_size": 8},
    )
    found = {"pretraining": first, "tuning": second}
    return {**found, **state(gpt, "gpt."), **state(classifier, "classifier.")}


@verb(**SUMS_32)
def laboratory() -> Arrays:
    return names.laboratory()


# --- diagnosis

QUICK = {"curve_steps": 20, "probes": 4, "hessian_samples": 60, "cka_samples": 128}


@verb(**SUMS_32)
def population() -> Arrays:
    split = zoo.digits(test_fraction=0.5)
    return columns(
        names.population(
            lambda width: zoo.MLP(64, [width], 10),
            split,
            widths=(3, 6),
            data=(100, 200),
            rates=(0.02, 0.2),
            measuring=QUICK,
            epochs=3,
            batch_size=32,
        )
    )


@verb(**SUMS_32)
def measured() -> Arrays:
    return names.measured([small_mlp(0), small_mlp(1)], few_digits(), QUICK)


@verb(**SUMS_64)
def md_tree() -> Arrays:
    return names.md_tree(data_file("md_tree"))


# --- record and compare


def record(target: Path, chosen: list[str]) -> int:
    torch.set_num_threads(1)
    kept: dict[str, np.ndarray] = {}
    failed = 0
    for name in chosen or VERBS:
        torch.manual_seed(0)
        start = time.perf_counter()
        try:
            for key, value in VERBS[name].run().items():
                array = value.detach().numpy() if torch.is_tensor(value) else np.asarray(value)
                kept[f"{name}/{key}"] = array
            print(f"{name:<20} {time.perf_counter() - start:6.1f} s", flush=True)
        except Exception:
            failed += 1
            print(f"{name:<20} failed:\n{traceback.format_exc()}", flush=True)
    np.savez_compressed(target, **kept)
    return 1 if failed else 0


def difference(before: np.ndarray, after: np.ndarray) -> float:
    """The largest difference relative to the largest entry; infinite where shape or kind differ."""
    if before.shape != after.shape or (before.dtype.kind in "US") != (after.dtype.kind in "US"):
        return np.inf
    if before.dtype.kind in "US":
        return 0.0 if (before == after).all() else np.inf
    if np.array_equal(before, after, equal_nan=before.dtype.kind in "fc"):
        return 0.0
    apart = np.isfinite(before) != np.isfinite(after)
    both = np.isfinite(before) & np.isfinite(after)
    odd = ~both & ~((before == after) | (np.isnan(before) & np.isnan(after)))
    if apart.any() or odd.any():
        return np.inf
    scale = np.abs(before[both].astype(float)).max()
    return float(np.abs(after[both].astype(float) - before[both].astype(float)).max() / scale)


def compared(before: Arrays, after: Arrays, show_all: bool) -> int:
    worse = 0
    print("| verb | arrays | equal | largest difference | allowed | where |")
    print("|---|---|---|---|---|---|")
    for name, one in VERBS.items():
        keys = [key for key in before if key.startswith(name + "/")]
        there = [key for key in keys if key in after]
        found = {key: difference(before[key], after[key]) for key in there}
        lost = [key for key in keys if key not in after]
        most = max(found, key=lambda key: found[key], default="")
        largest = found.get(most, 0.0)
        bad = largest > one.allowed or bool(lost) or not keys
        worse += bad
        equal = sum(value == 0 for value in found.values())
        told = "equal to the bit" if equal == len(keys) and keys else f"{largest:.1e}"
        bound = f"{one.allowed:.0e}: {one.reason}" if one.allowed else "none"
        place = most.split("/", 1)[-1] if largest else ""
        if lost:
            place += f" MISSING {', '.join(key.split('/', 1)[-1] for key in lost[:6])}"
        mark = " **" if bad else ""
        print(f"| {name}{mark} | {len(keys)} | {equal} | {told} | {bound} | {place} |")
        if show_all:
            for key, value in found.items():
                if value:
                    print(f"    {key}: {value:.2e}")
    new = sorted({key for key in after if key not in before})
    if new:
        print(f"only in the second: {', '.join(new[:12])}{' ...' if len(new) > 12 else ''}")
    return 1 if worse else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    making = actions.add_parser("record")
    making.add_argument("out", type=Path)
    making.add_argument("verbs", nargs="*", metavar="VERB", help=", ".join(VERBS))
    comparing = actions.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--all", action="store_true", help="every array that differs")
    args = parser.parse_args()
    if args.action == "record":
        return record(args.out, args.verbs)
    with np.load(args.before) as before, np.load(args.after) as after:
        return compared(dict(before), dict(after), args.all)


if __name__ == "__main__":
    sys.exit(main())
