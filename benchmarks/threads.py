"""One thread against all cores: time of a training step of small networks, interleaved in one run.

    python benchmarks/threads.py

`work` is parameters x samples (for a convolution or a transformer: x positions), which is about the
multiply-adds of a forward pass: what `eigenscape.runs.single_thread` decides by.
"""

import os
import platform
import time

import torch
from torch import nn

from eigenscape import zoo
from eigenscape.zoo._classifiers import SmallCNN

ROUNDS, SECONDS = 9, 0.15


def mlp(width, samples):
    model = nn.Sequential(
        nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )
    count = sum(parameter.numel() for parameter in model.parameters())
    return model, torch.randn(samples, 64), torch.randint(10, (samples,)), count * samples


def cnn(width, samples):
    model = SmallCNN(1, 10, width)
    inputs, work = torch.randn(samples, 1, 8, 8), 0

    def count(module, _, out):
        nonlocal work
        work += module.weight.numel() * out.shape[2] * out.shape[3] * samples

    hooks = [
        module.register_forward_hook(count)
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
    ]
    model(inputs)
    for hook in hooks:
        hook.remove()
    return model, inputs, torch.randint(10, (samples,)), work


def gpt(width, samples):
    model = zoo.GPTClassifier(10, 64, width=width, depth=2, heads=4, context=32)
    count = sum(parameter.numel() for parameter in model.parameters())
    return (
        model,
        torch.randint(64, (samples, 32)),
        torch.randint(10, (samples,)),
        count * 32 * samples,
    )


def step_time(model, inputs, labels, threads):
    torch.set_num_threads(threads)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        steps += 1
    return (time.perf_counter() - start) / steps


def main():
    cores = len(os.sched_getaffinity(0))
    print(f"torch {torch.__version__}, {platform.machine()}, {cores} cores")
    print("| network | width | samples | work | 1 thread, ms | all cores, ms | ratio |")
    print("|---|---|---|---|---|---|---|")
    cases = [(mlp, width, n) for width in (64, 256, 1024) for n in (32, 128, 512)]
    cases += [(cnn, width, n) for width in (8, 32) for n in (32, 128)]
    cases += [(gpt, width, n) for width in (32, 128) for n in (4, 16, 64)]
    for make, width, samples in cases:
        torch.manual_seed(0)
        *network, work = make(width, samples)
        one, many = float("inf"), float("inf")
        for _ in range(ROUNDS):  # the least of several: what the step costs when left alone
            one = min(one, step_time(*network, 1))
            many = min(many, step_time(*network, cores))
        print(
            f"| {make.__name__} | {width} | {samples} | {work:.1e} | {1e3 * one:.2f} "
            f"| {1e3 * many:.2f} | {many / one:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
