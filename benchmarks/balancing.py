"""What TempBalance costs: an update, its share of an epoch, and a full SVD of every layer.

python benchmarks/balancing.py    # an MLP, a ResNet-20, a transformer of 12 blocks; one thread
"""

from __future__ import annotations

import os
import platform
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

from eigenscape import zoo
from eigenscape.balancing import TempBalance
from eigenscape.models import build
from eigenscape.spectra import SpectraOptions
from eigenscape.zoo._cifar_resnet import cifar_resnet

REPEATS, MEASURED = 5, 6


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        h = self.norm1(x)
        heads = [f(h).unflatten(-1, (4, -1)).transpose(1, 2) for f in (self.q, self.k, self.v)]
        mixed = functional.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).flatten(2))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, width=256, depth=12, vocabulary=512):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def cases():
    """Name, model, a batch, steps in an epoch, and how it is balanced."""
    generator = torch.Generator().manual_seed(0)
    digits = zoo.digits(seed=0)
    batch = (digits.train_inputs[:64], digits.train_labels[:64])
    model = build(lambda: zoo.MLP(64, (256, 256, 256), 10), 0)
    yield "MLP 64-256-256-256-10, batch 64", model, batch, -(-len(digits.train_labels) // 64), {}
    images = torch.randn(128, 3, 32, 32, generator=generator)
    labels = torch.randint(10, (128,), generator=generator)
    model = build(lambda: cifar_resnet(20), 0)
    yield "ResNet-20, batch 128 (CIFAR-10: 391 steps)", model, (images, labels), 391, {}
    tokens = torch.randint(512, (8, 129), generator=generator)
    model = build(Transformer, 0)
    name = "transformer, 12 blocks of width 256, 8 x 128 tokens (epoch: 1,000 steps)"
    yield name, model, (tokens[:, :-1], tokens[:, 1:]), 1000, {"group": "block"}


def stepper(model, batch):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    inputs, labels = batch

    def step():
        optimizer.zero_grad()
        out = model(inputs)
        functional.cross_entropy(out.flatten(0, -2), labels.flatten()).backward()
        optimizer.step()

    return optimizer, step


def median(function, repeats=REPEATS):
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def full_svd(model):
    """What a plain implementation does: singular values of each slice of each layer, float32."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            W = parameter.detach()
            torch.linalg.svdvals(W if W.ndim == 2 else W.flatten(2).permute(2, 0, 1))


def main():
    torch.set_num_threads(1)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, one thread; ",
        end="",
    )
    print(f"load {os.getloadavg()[0]:.1f}; medians of {REPEATS}")
    for name, model, batch, epoch, options in cases():
        optimizer, step = stepper(model, batch)
        step()
        plain = median(step, MEASURED)
        svd = median(lambda model=model: full_svd(model))
        print(f"\n{name}\n  a step {1e3 * plain:.1f} ms; SVD of every layer {1e3 * svd:.1f} ms")
        for precision in ("float64", "float32"):
            spectra = SpectraOptions(min_eigenvalues=16, precision=precision)
            balance = TempBalance(optimizer, model, spectra=spectra, **options)
            update = median(balance.update)
            split = median(lambda balance=balance: balance.param_groups, 50)
            balance.remove()
            share = 100 * update / (epoch * plain)
            print(
                f"  {precision}: an update {1e3 * update:.1f} ms ({svd / update:.1f} times as fast "
                f"as the SVDs), {len(balance.factors)} factors; once an epoch {share:.2f} %, every "
                f"100 steps {update / plain:.2f} %; the split {1e3 * split:.2f} ms a step"
            )
        held = TempBalance(optimizer, model, every=1, max_overhead=0.05, **options)
        for _ in range(MEASURED * 5):
            step()
            held.step()
        steps = held.trace().steps
        held.remove()
        print(f"  max_overhead=0.05: updates at {steps}, overhead {100 * held.overhead:.1f} %")


if __name__ == "__main__":
    main()
