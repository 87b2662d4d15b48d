"""The null of PL_Alpha_Hill: draws the table that `theory` ships, and measures what it covers.

python benchmarks/null_bands.py table PARTS     # some ten minutes on one core; resumes in PARTS
python benchmarks/null_bands.py coverage        # fresh seeds: the share outside, and with a spike
"""

from __future__ import annotations

import argparse
import json
import math
import time
from functools import partial
from pathlib import Path

import numpy as np

from eigenscape.theory import (
    MarchenkoPastur,
    hill_null,
    marchenko_pastur_alpha,
    spike_edge,
    wishart_eigenvalues,
)

#: Rows of one slice: divisors or multiples of 12, so that every fraction is a whole number of
#: eigenvalues. Below 12 rows as many slices are pooled as make 12 eigenvalues.
ROWS = (1, 2, 3, 4, 6, 12, 24, 48, 96, 192)
#: Square roots of the aspect ratio; 0 is the limit of infinitely wide matrices.
ASPECTS = (0.0, 0.25, 0.5, math.sqrt(0.5), 1.0)
FRACTIONS = (1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 5 / 6)
DRAWS = {24: 8000, 48: 8000, 96: 4000, 192: 2000}
#: Uniform and complex entries are drawn up to this many rows; above, means differ from those of
#: normal entries by the same, and variances grow like theirs, of complex entries half as fast.
SMALL = 96
#: Normal entries are drawn one by one up to this many rows; above, only their spectrum.
DENSE = 24
#: From here on the ends of the band approach those of a normal law as one over the root of rows.
SMOOTH = 96
LAWS = ("normal", "uniform", "complex")
#: Of a normal law, half of 99 %.
Z99 = 2.5758
#: Slices in a wide pool, over those of a base pool.
WIDE = 8


def spectra(law: str, n: int, aspect: float, count: int, generator) -> np.ndarray:
    """Draw the eigenvalues of `count` matrices, (count, n), ascending."""
    if aspect == 0:
        return _limits(law, n, count, generator)
    m = round(n / aspect**2)
    if law != "uniform" and n > DENSE:
        complex_entries = law == "complex"
        draw = partial(wishart_eigenvalues, n, m, generator, complex_entries=complex_entries)
        return np.array([draw() for _ in range(count)])
    if law == "uniform":
        X = generator.random((count, n, m), dtype=np.float32) - np.float32(0.5)
    else:
        X = generator.standard_normal((count, n, m), dtype=np.float32)
        if law == "complex":
            X = X + 1j * generator.standard_normal((count, n, m), dtype=np.float32)
    gram = X @ X.conj().transpose(0, 2, 1)
    return np.linalg.eigvalsh(gram.astype(np.complex128 if law == "complex" else np.float64))


def _limits(law: str, n: int, count: int, generator) -> np.ndarray:
    """Of (X X^T / m - 1) sqrt(m / n) as m grows: a symmetric Gaussian matrix.

    Off the diagonal its entries have variance 1 / n, on it (E|x|^4 - 1) / n.
    """
    if law == "complex":
        A = generator.standard_normal((count, n, n)) + 1j * generator.standard_normal((count, n, n))
        return np.linalg.eigvalsh((A + A.conj().transpose(0, 2, 1)) / 2 / math.sqrt(n))
    A = generator.standard_normal((count, n, n))
    H = (A + A.transpose(0, 2, 1)) / math.sqrt(2 * n)
    if law == "uniform":
        H[:, range(n), range(n)] *= math.sqrt(0.8 / 2)
    return np.linalg.eigvalsh(H)


def limit(aspect: float, fraction: float) -> float:
    """1 / (E[ln x | x > t] - ln t) by Marchenko and Pastur; without logarithms by Wigner."""
    if aspect:
        return marchenko_pastur_alpha(aspect**2, fraction) - 1
    from scipy.optimize import brentq

    def above(t: float) -> float:
        return 0.5 - t * math.sqrt(4 - t * t) / (4 * math.pi) - math.asin(t / 2) / math.pi

    t = brentq(lambda x: above(x) - fraction, -2, 2)
    return 1 / ((4 - t * t) ** 1.5 / (6 * math.pi) / fraction - t)


def statistics(values: np.ndarray, n: int, aspect: float, fraction: float) -> np.ndarray:
    """U = n ((limit - 1) / (alpha - 1) - 1) of pools, (pools, eigenvalues) -> (pools,)."""
    values = np.sort(values, axis=1)
    total = values.shape[1]
    tail = values[:, round(total * (1 - fraction)) :]
    logs = np.log(tail) if aspect else tail
    height = (logs - logs[:, :1]).mean(axis=1)
    return np.asarray(n * (limit(aspect, fraction) * height - 1))


def base_pool(n: int, fraction: float) -> int:
    """Slices in a base pool: at least 12 eigenvalues, and at least 4 in the tail."""
    return math.ceil((12 if fraction > 0.3 else 24) / n)


def cell(law: str, n: int, aspect: float) -> list[list[float]]:
    """Mean and k times variance of U for base pools and wide ones, for each fraction.

    Then the 0.5 % and 99.5 % quantiles of base pools in standard deviations from their mean.
    """
    generator = np.random.default_rng([LAWS.index(law), n, round(1000 * aspect)])
    draws = DRAWS.get(n, 16_000) * math.ceil(12 / n)
    wide = round(n / aspect**2) if aspect else n
    chunk = max(1, min(draws, 20_000_000 // (n * max(n, wide))))
    sizes = [min(chunk, draws - start) for start in range(0, draws, chunk)]
    values = np.concatenate([spectra(law, n, aspect, size, generator) for size in sizes])
    rows = []
    for fraction in FRACTIONS:
        row = []
        for pool in (base_pool(n, fraction), WIDE * base_pool(n, fraction)):
            pooled = values[: draws // pool * pool].reshape(-1, pool * n)
            U = statistics(pooled, n, aspect, fraction)
            row += [float(U.mean()), float(pool * U.var(ddof=1)), U]
        U = row.pop(2)
        row.pop()
        ends = (np.quantile(U, (0.005, 0.995)) - U.mean()) / U.std(ddof=1)
        rows.append([*row, *ends.tolist()])
    return rows


def draw_table(folder: Path) -> None:
    """Draw every cell that the folder lacks, then write the table."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = {}
    for n in ROWS:
        for law in LAWS[: 1 if n > SMALL else None]:
            for aspect in ASPECTS:
                part = folder / f"{law}-{n}-{aspect:.3f}.json"
                if not part.exists():
                    start = time.perf_counter()
                    part.write_text(json.dumps(cell(law, n, aspect)))
                    print(part.name, f"{time.perf_counter() - start:.1f} s", flush=True)
                cells[law, n, aspect] = json.loads(part.read_text())
    laws = {
        law: np.array(
            [
                [coefficients(cells[law, n, a], n) for a in ASPECTS]
                for n in ROWS
                if (law, n, 1.0) in cells
            ]
        )
        for law in LAWS
    }
    for law in LAWS:
        laws[law] = smooth(laws[law], laws["normal"], 2 if law == "complex" else 1)
    table = {
        "about": "U = n ((limit - 1) / (alpha_hill - 1) - 1) of random matrices: mean and its part "
        "over the slices, k times variance and its part over the slices, ends of the 99 % band "
        "beyond those of a normal law, times the root of the slices; by rows, root of the aspect "
        "ratio, share in the tail. python benchmarks/null_bands.py table",
        "rows": ROWS,
        "aspects": [round(a, 6) for a in ASPECTS],
        "shares": [round(f, 6) for f in FRACTIONS],
        "laws": {law: np.round(values, 2).tolist() for law, values in laws.items()},
    }
    target = Path(__file__).parents[1] / "src" / "eigenscape" / "theory" / "hill_null.json"
    target.write_text(json.dumps(table, separators=(",", ":")).replace("]],[[", "]],\n[[") + "\n")


def coefficients(rows: list[list[float]], n: int) -> list[list[float]]:
    """Of one cell, (fractions, 6): mean and variance as a + b / k, ends of the band."""
    found = []
    for fraction, (mean, variance, wide_mean, wide_variance, low, high) in zip(
        FRACTIONS, rows, strict=True
    ):
        base = base_pool(n, fraction)
        step = 1 / base - 1 / (WIDE * base)
        each, more = (mean - wide_mean) / step, (variance - wide_variance) / step
        root = math.sqrt(base)
        found.append(
            [
                mean - each / base,
                each,
                variance - more / base,
                more,
                (low + Z99) * root,
                (high - Z99) * root,
            ]
        )
    return found


def smooth(values: np.ndarray, normal: np.ndarray, beta: int) -> np.ndarray:
    """Carry all numbers to more rows; take the ends of the band together over aspect ratios."""
    drawn, at = len(values), ROWS.index(SMOOTH)
    rest = normal[drawn:] - normal[drawn - 1]
    rest[..., 2:4] /= beta
    values = np.concatenate([values, values[-1] + rest])
    ends = values[at, :, :, 4:].mean(axis=0)
    for place, n in enumerate(ROWS[at:], start=at):
        values[place, :, :, 4:] = ends * math.sqrt(SMOOTH / n)
    return values


#: Shapes to cover: slices, rows, columns. Small, square, wide, and pooled as convolutions are.
SHAPES = (
    (1, 16, 64),
    (1, 24, 24),
    (1, 50, 50),
    (1, 64, 64),
    (1, 100, 400),
    (1, 64, 768),
    (1, 128, 128),
    (1, 256, 256),
    (9, 16, 16),
    (9, 32, 64),
    (9, 64, 64),
    (25, 1, 16),
    (49, 3, 64),
)
#: Matrices of one shape and law: as many as cost about the same.
SAMPLES = {64: 2000, 100: 1500, 128: 1000, 256: 400}


def entries(law: str, shape: tuple[int, ...], generator) -> np.ndarray:
    """Independent entries of variance 1, or matrices with orthonormal rows."""
    if law == "normal":
        return generator.standard_normal(shape, dtype=np.float32)
    if law == "uniform":
        return (generator.random(shape, dtype=np.float32) - np.float32(0.5)) * np.float32(12**0.5)
    if law == "truncated":  # a normal law cut off at two standard deviations, before scaling
        from scipy.special import ndtri

        low, high = 0.02275013, 0.97724987
        return ndtri(low + (high - low) * generator.random(shape)) / 0.8796257
    if law == "signs":
        return generator.integers(0, 2, shape).astype(np.float32) * 2 - 1
    if law == "t5":
        return generator.standard_t(5, shape) / math.sqrt(5 / 3)
    if law == "orthogonal":  # of all slices of a kernel together, as initialisations are
        count, k, n, m = shape
        Q = np.linalg.qr(generator.standard_normal((count, max(m, k * n), min(m, k * n))))[0]
        Q = Q if Q.shape[1:] == (m, k * n) else Q.transpose(0, 2, 1)
        return Q.reshape(count, m, k, n).transpose(0, 2, 3, 1)
    raise ValueError(law)


def alarms(law: str, shape: tuple[int, int, int], count: int, seed: int) -> tuple[int, int]:
    """How many of `count` pools lie outside their band, and how many have a spike."""
    k, n, m = shape
    generator = np.random.default_rng([seed, k, n, m])
    null = hill_null(n, m, k)
    # The first round of `fit_bulk`: with a spike there, there is one in the end.
    edge = spike_edge(n, m, k) / float(MarchenkoPastur(n / m).quantile(0.5))
    outside = spiked = 0
    step = max(1, 4_000_000 // (k * n * m))
    for start in range(0, count, step):
        X = entries(law, (min(step, count - start), k, n, m), generator).astype(np.float32)
        values = np.linalg.eigvalsh((X @ X.transpose(0, 1, 3, 2)).astype(np.float64))
        pools = np.sort(np.clip(values.reshape(len(X), -1), 1e-12, None), axis=1)
        logs = np.log(pools[:, pools.shape[1] // 2 :])
        alpha = 1 + 1 / (logs - logs[:, :1]).mean(axis=1)
        outside += int(((alpha < null.low) | (alpha > null.high)).sum())
        spiked += int((pools[:, -1] > edge * np.median(pools, axis=1)).sum())
    return outside, spiked


def coverage(seed: int) -> None:
    """Print shares outside the band and with a spike, by shape and law."""
    from eigenscape.stats import share

    laws = ("normal", "uniform", "truncated", "signs", "t5", "orthogonal")
    for what in ("outside the 99 % band of alpha_hill", "with a spike"):
        print(f"% {what}", *laws, sep="  ")
    sums = {law: np.zeros(3) for law in laws}
    for shape in SHAPES:
        count = SAMPLES.get(shape[1], 2000)
        cells = []
        for law in laws:
            found = alarms(law, shape, count, seed)
            sums[law] += (*found, count)
            cells += [f"{100 * x / count:.2f}" for x in found]
        print(*shape, count, *cells, sep="  ", flush=True)
    for law in laws:
        for what, hits in zip(("outside", "spikes"), sums[law], strict=False):
            found = share(int(hits), int(sums[law][2]))
            print(
                f"{law} {what}: {100 * found.mean:.2f} % [{100 * found.low:.2f}, "
                f"{100 * found.high:.2f}] of {int(sums[law][2])}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["table", "coverage"])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("null_bands"))
    arguments = parser.parse_args()
    if arguments.what == "table":
        draw_table(arguments.folder)
    else:
        coverage(seed=20261201)
