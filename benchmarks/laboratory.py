"""Ten full-batch Adam steps at the paper's size, measured at every step: ours and the plain way.

    python benchmarks/laboratory.py [--threads N] [--repeats N] [--size 1000]

Both take the same steps from the same start and report, after each, the spectrum of W, its
PL_Alpha_Hill and the similarity of the first right singular vector to the teacher. Plain: autograd,
``torch.optim.Adam``, one singular value decomposition a step. Times are the best of the repeats.
"""

import argparse
import platform
import time

import torch

from eigenscape_studies.laboratory import LabOptions, SingleIndex, run_experiment


def ours(options, problem):
    """Return alpha and similarity of each step."""
    result = run_experiment(options, problem)
    return [(record.alpha_hill, record.similarity) for record in result.records]


def plain(options, problem, dtype=None):
    """Do the same with autograd, torch's Adam and a full decomposition at each step."""
    W = problem.W.clone().requires_grad_()
    X, y = problem.train
    optimizer = torch.optim.Adam([W], lr=options.learning_rate)
    found = []
    for step in range(options.steps + 1):
        with torch.no_grad():
            _, s, Vt = torch.linalg.svd(W if dtype is None else W.to(dtype), full_matrices=False)
            values = s.double().square().flip(0)
            start = len(values) // 2
            tail = values[start:]
            alpha = 1 + len(tail) / float(torch.log(tail / tail[0]).sum())
            found.append((alpha, abs(float(Vt[0].to(problem.beta.dtype) @ problem.beta))))
        if step == options.steps:
            break
        optimizer.zero_grad()
        out = torch.tanh(X @ W.T / options.d**0.5) @ problem.a / options.h**0.5
        torch.nn.functional.mse_loss(out, y).backward()
        optimizer.step()
    return found


def best(function, repeats, *arguments):
    """Return the shortest of some runs, in seconds, and the last value."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        value = function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times), value


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=1000, help="d; n is 2 d, h is 1.5 d")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    d = args.size
    options = LabOptions(n=2 * d, d=d, h=3 * d // 2, n_test=1, measures=("teacher",))
    problem = SingleIndex.draw(options)
    fast, a = best(ours, args.repeats, options, problem)
    single, _ = best(plain, args.repeats, options, problem)
    double, c = best(plain, args.repeats, options, problem, torch.float64)
    apart = max(abs(x[0] - y[0]) for x, y in zip(a, c, strict=True))
    print(
        f"n {options.n}, d {d}, h {options.h}, {options.steps} steps, {args.threads} thread(s), "
        f"best of {args.repeats}; torch {torch.__version__}, {platform.machine()}"
    )
    print(f"eigenscape_studies.laboratory, every step measured (float64 Gram)  {fast:6.2f} s")
    print(
        f"plain autograd loop, float32 SVD each step                 {single:6.2f} s  "
        f"{single / fast:.1f} times as long"
    )
    print(
        f"plain autograd loop, float64 SVD each step                 {double:6.2f} s  "
        f"{double / fast:.1f} times as long"
    )
    print(
        f"alpha after ten steps {a[-1][0]:.4f} and {c[-1][0]:.4f}; "
        f"largest difference over the steps {apart:.1e}"
    )


if __name__ == "__main__":
    main()
