"""What quantization to GGUF does to the metrics of a layer table, and what reading a file costs.

    python benchmarks/quantization.py metrics DATA [SMOLLM2]   # DATA: the folder of real data
    python benchmarks/quantization.py file OUT.gguf FOLDER     # the folder was made from the file

``metrics`` quantizes networks that are stored in float32 with the package gguf, reads the files
back, and prints how far each metric moved, beside the metric's own interval. SMOLLM2 is a folder
that was dequantized from Q4_1: its rows are a second rounding, and are printed apart.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np

from eigenscape import analyze, compare, open_checkpoint
from eigenscape.zoo import healthy_and_sick

KINDS = ("Q8_0", "Q5_1", "Q4_1", "Q4_0", "TQ2_0")
BLOCK = {"TQ2_0": 256}
#: Metric -> how a change is measured: as a difference, or as a share of the value before.
METRICS = {
    "alpha_hill": "difference",
    "alpha_excess": "difference",
    "alpha_ks": "difference",
    "spikes": "difference",
    "stable_rank": "share",
    "spectral_norm": "share",
    "log_norm": "difference",
    "entropy": "difference",
    "rank": "difference",
    "row_dispersion": "difference",
}


def quantized(tensors, kind, path):
    """Write matrices in a quantized type, all else in float32, by the names that they have."""
    type_, block = gguf.GGMLQuantizationType[kind], BLOCK.get(kind, 32)
    writer = gguf.GGUFWriter(path, "none")
    for name, tensor in tensors.items():
        values = tensor.float().numpy()
        if values.ndim == 2 and values.shape[1] % block == 0:
            writer.add_tensor(name, gguf.quants.quantize(values, type_), raw_dtype=type_)
        elif values.ndim:
            writer.add_tensor(name, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def networks(data, smollm2):
    """Name -> tensors of a network that is stored in float32."""
    for twin in healthy_and_sick():
        yield f"MLP on digits, {twin.name}", dict(open_checkpoint(twin.model))
    yield "stories260K", dict(open_checkpoint(Path(data) / "stories260k"))
    if smollm2:
        source = open_checkpoint(smollm2)
        wanted = [
            name for name in source if name.startswith(("model.layers.1.", "model.layers.15."))
        ]
        yield (
            "SmolLM2-135M, blocks 1 and 15 (rounded a second time)",
            {n: source[n] for n in wanted},
        )


def changed(before, after, metric):
    """How far a metric moved in each quantized layer; rows without the number are left out."""
    moved = []
    for old, new in zip(before, after, strict=True):
        a, b = (getattr(row, metric) for row in (old, new))
        if not new.layer.encoding or a is None or b is None or not np.isfinite([a, b]).all():
            continue
        moved.append(abs(b - a) / (abs(a) if METRICS[metric] == "share" else 1.0))
    return moved


def within(before, after):
    """How many layers keep their exponents within the interval of the value before."""
    hill = [a.alpha_hill_low <= b.alpha_hill <= a.alpha_hill_high for a, b in _pairs(before, after)]
    ks = [
        abs(a.alpha_ks - b.alpha_ks) <= 2 * a.sigma
        for a, b in _pairs(before, after)
        if np.isfinite([a.alpha_ks, b.alpha_ks]).all()
    ]
    label = [a.label == b.label for a, b in _pairs(before, after)]
    return {"alpha_hill": hill, "alpha_ks": ks, "label": label}


def _pairs(before, after):
    return [(a, b) for a, b in zip(before, after, strict=True) if b.layer.encoding]


def metrics(data, smollm2=None):
    """Print the tables."""
    for name, tensors in networks(data, smollm2):
        before = analyze(tensors)
        print(f"\n{name}: median (worst) change in a layer")
        found = {}
        with tempfile.TemporaryDirectory() as folder:
            for kind in KINDS:
                after = analyze(quantized(tensors, kind, Path(folder) / "q.gguf"))
                found[kind] = (_ordered(before, after), after)
        layers = {
            kind: sum(bool(row.layer.encoding) for row in after)
            for kind, (_, after) in found.items()
        }
        print(f"{'':<24}" + "".join(f"{kind:>20}" for kind in KINDS))
        print(f"{'layers quantized':<24}" + "".join(f"{layers[kind]:>20}" for kind in KINDS))
        for metric, how in METRICS.items():
            line = f"{metric + (', share' if how == 'share' else ''):<24}"
            for old, new in found.values():
                moved = changed(old, new, metric)
                line += f"{f'{np.median(moved):.2g} ({max(moved):.2g})' if moved else '-':>20}"
            print(line)
        for what in ("alpha_hill", "alpha_ks", "label"):
            line = f"{what + (' kept' if what == 'label' else ' in interval'):<24}"
            for old, new in found.values():
                kept = within(old, new)[what]
                line += f"{f'{sum(kept)} of {len(kept)}' if kept else '-':>20}"
            print(line)


def _ordered(before, after):
    """The rows before, in the order of those after."""
    rows = {row.name: row for row in before}
    return [rows[row.name] for row in after]


def file(path, folder):
    """Print what opening, reading and comparing take, and whether each tensor is the same."""
    start = time.perf_counter()
    ours = open_checkpoint(path)
    print(f"opened in {time.perf_counter() - start:.2f} s: {ours!r}")
    start = time.perf_counter()
    for name in ours:
        ours[name]
    print(
        f"each tensor read once, one in memory: {time.perf_counter() - start:.1f} s, peak {_peak()}"
    )
    theirs = open_checkpoint(folder)
    same = [name for name in theirs if _bits(ours[name]) == _bits(theirs[name])]
    print(f"{len(same)} of {len(theirs)} tensors of {folder} are equal to the bit")
    start = time.perf_counter()
    states = compare(path, folder).summary["states"]
    print(f"compare: {states}, {time.perf_counter() - start:.0f} s")


def _bits(tensor):
    return tuple(tensor.shape), tensor.dtype, tensor.numpy().tobytes()


def _peak():
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"


if __name__ == "__main__":
    {"metrics": metrics, "file": file}[sys.argv[1]](*sys.argv[2:])
