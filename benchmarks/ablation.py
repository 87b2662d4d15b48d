"""Ablation of real networks: what their layers contribute, and what measuring that costs.

    python benchmarks/ablation.py resnet20 --data DATA
    python benchmarks/ablation.py resnet56 --data DATA --changes shuffled
    python benchmarks/ablation.py FOLDER --text FILE --changes shuffled --draws 1 --run KEPT

DATA has ``cifar_resnet/`` and ``cifar10/test100_exact.npz``; FOLDER is a language model of
transformers, of whose text two windows of 192 tokens are drawn with seed 0. One thread.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.nn import functional

from eigenscape.ablation import CHANGES, ablate
from eigenscape.models import LanguageModel, Objective, Tokens
from eigenscape.zoo._cifar_resnet import load_cifar_resnet

FILES = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def resnet(name: str, data: Path) -> Objective:
    raw = np.load(data / "cifar10" / "test100_exact.npz")
    images = torch.from_numpy(raw["images"]).permute(0, 3, 1, 2).float() / 255
    images = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    labels = torch.from_numpy(raw["labels"]).long()
    model = load_cifar_resnet(data / "cifar_resnet" / FILES[name])
    return Objective(model, functional.cross_entropy, (images, labels))


def language_model(folder: str, text: Path, tokens: int) -> tuple[LanguageModel, Tokens]:
    model = LanguageModel.of(folder, dtype=torch.float32)
    windows = Tokens.of(text, folder, length=192, stride=192)
    return model, windows.take(round(tokens * len(windows) / windows.count), seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network")
    parser.add_argument("--data", type=Path, default=Path())
    parser.add_argument("--text", type=Path)
    parser.add_argument("--tokens", type=int, default=384)
    parser.add_argument("--changes", default=",".join(CHANGES))
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--budget", type=float)
    parser.add_argument("--run", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.network in FILES:
        what: tuple[object, ...] = (resnet(args.network, args.data),)
    else:
        what = language_model(args.network, args.text, args.tokens)
    start, cpu = time.perf_counter(), time.process_time()
    result = ablate(
        *what,
        changes=args.changes.split(","),
        draws=args.draws,
        budget_seconds=args.budget,
        folder=args.run,
        on_estimate=lambda cost: print(f"before the start: {cost}", flush=True),
    )
    spent = f"{time.perf_counter() - start:.0f} s, {time.process_time() - cpu:.0f} s of processor"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{spent}, peak memory {peak:.2f} GiB")
    print(f"{result.units} {result.unit}s, loss {result.base_loss:.4f}; {len(result)} layers")
    for change in result.changes:
        effects = [one.effect(change) for one in result]
        values = [one.increase for one in effects]
        ends = f"{min(values):7.3f} {median(values):7.3f} {max(values):7.3f}"
        above = ", ".join(f"{sum(x > y for x in values)} above {y}" for y in (0.02, 0.05))
        read = ", ".join(f"{n} {word}" for word, n in Counter(map(result.reading, effects)).items())
        print(f"  {change:13} {ends}   {above}; {read}")


if __name__ == "__main__":
    main()
