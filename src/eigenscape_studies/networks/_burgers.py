"""Burgers' equation: its solver, and pairs of an early and a late solution to learn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from eigenscape.errors import InputError

_WAVES = 32  # of a random field
_CHUNK = 64  # fields that are solved at once: they fit the cache
_LEAST_VISCOSITY = 1e-3
_SMALLEST = 8


@dataclass(frozen=True, eq=False)
class FieldSplit:
    """A data set of functions on a grid and what they are mapped to, in two parts.

    Attributes:
        train_inputs: float32, ``(n_train, channels, *grid)``.
        train_targets: float32, ``(n_train, channels, *grid)``.
        test_inputs: float32, ``(n_test, channels, *grid)``.
        test_targets: float32, ``(n_test, channels, *grid)``.
    """

    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor


def solve_burgers(
    initial: ArrayLike,
    viscosity: float,
    times: Sequence[float],
    *,
    length: float = 1.0,
    step: float | None = None,
) -> NDArray[np.float64]:
    """Solve ``u_t + u u_x = viscosity * u_xx``, periodic in x, for many initial fields at once.

    Fourier-Galerkin in space: the waves below a third of the points are kept, the others, which
    the product would fold back, are dropped (Orszag, 1971). The diffusion is integrated exactly,
    as a factor, and the rest by the classical Runge-Kutta scheme of order 4 (Kassam and Trefethen,
    "Fourth-order time-stepping for stiff PDEs", 2005, section 2). The mean of u is constant and
    carries all else along: it is taken out before and put back afterwards, which is exact.

    Steep fronts are about ``4 * viscosity / jump`` wide, and are resolved from about
    ``2 * length * jump / viscosity`` points on; with fewer the answer wiggles.

    Args:
        initial: u at time 0 and at ``points`` equally spaced places that begin at 0 and leave out
            ``length``: shape ``(..., points)``, at least 8.
        viscosity: above 0.
        times: when the solution is wanted: from 0 on, ascending.
        length: the period.
        step: the longest time step; by default one in which the shortest wave kept turns by one
            radian when it rides on the largest ``|u - mean|`` (the scheme is stable up to 2.8).

    Returns:
        float64, ``(len(times), ..., points)``.

    Raises:
        InputError: an argument is out of its range (all problems are listed), or the solution
            overflows because the step is too long.

    >>> x = np.arange(64) / 64
    >>> def exact(t):                                 # Cole-Hopf: -2 nu phi_x / phi
    ...     decay = np.exp(-0.02 * (2 * np.pi) ** 2 * t)
    ...     wave = decay * np.sin(2 * np.pi * x) / (2 + decay * np.cos(2 * np.pi * x))
    ...     return 2 * 0.02 * 2 * np.pi * wave
    >>> bool(abs(solve_burgers(exact(0.0), 0.02, [0.5], step=0.01)[0] - exact(0.5)).max() < 1e-9)
    True
    """
    fields = np.asarray(initial, dtype=np.float64)
    _check(fields, viscosity, times, length, step)
    points = fields.shape[-1]
    waves = 2 * math.pi / length * np.arange((points + 2) // 3)  # those below points / 3
    if step is None:
        fluctuations = fields - fields.mean(axis=-1, keepdims=True)
        fastest = waves[-1] * abs(fluctuations).max(initial=0.0)
        step = 1 / fastest if fastest > 0 else math.inf
    rows = fields.reshape(-1, points)
    found = np.empty((len(times), *rows.shape))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            found[:, part] = _follow(rows[part], viscosity, times, waves, step)
    if not np.isfinite(found).all():
        raise InputError(
            f"the solution of Burgers' equation overflows with step={step}; give a shorter one, or "
            "none"
        )
    return found.reshape(len(times), *fields.shape)


def _check(
    fields: NDArray[np.float64],
    viscosity: float,
    times: Sequence[float],
    length: float,
    step: float | None,
) -> None:
    problems = [
        f"{name}={value}; expected a finite number above 0"
        for name, value in (("viscosity", viscosity), ("length", length), ("step", step))
        if value is not None and not 0 < value < math.inf
    ]
    if fields.ndim == 0 or fields.shape[-1] < _SMALLEST:
        problems.append(
            f"initial has the shape {fields.shape}; expected (..., points) with {_SMALLEST} or more"
        )
    elif not np.isfinite(fields).all():
        problems.append("initial is not finite everywhere; expected finite numbers")
    if not all(0 <= a <= b < math.inf for a, b in zip([0, *times], times, strict=False)):
        problems.append(f"times={list(times)}; expected finite numbers from 0 on, ascending")
    if problems:
        raise InputError("solve_burgers has " + "; ".join(problems))


def _follow(
    rows: NDArray[np.float64],
    viscosity: float,
    times: Sequence[float],
    waves: NDArray[np.float64],
    step: float,
) -> NDArray[np.float64]:
    """Return some fields at all times, ``(times, rows, points)``."""
    points, mean = rows.shape[-1], rows.mean(axis=1, keepdims=True)
    state, now, found = np.fft.rfft(rows - mean)[:, : len(waves)], 0.0, []
    for time in times:
        if time > now:
            count = max(1, math.ceil((time - now) / step * (1 - 1e-9)))
            state = _advance(state, points, waves, viscosity, (time - now) / count, count)
            now = time
        found.append(mean + np.fft.irfft(state * np.exp(-1j * mean * time * waves), points))
    return np.stack(found) if found else np.empty((0, *rows.shape))


def _advance(
    state: NDArray[np.complex128],
    points: int,
    waves: NDArray[np.float64],
    viscosity: float,
    step: float,
    count: int,
) -> NDArray[np.complex128]:
    """Take ``count`` steps; ``state`` holds the kept waves, ``(rows, waves)``."""
    half = np.exp(-viscosity * waves**2 * step / 2)
    whole, slope = half**2, -0.5j * step * waves

    def change(now: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return slope * np.fft.rfft(np.fft.irfft(now, points) ** 2)[:, : len(waves)]

    for _ in range(count):
        first = change(state)
        second = change(half * (state + first / 2))
        third = change(half * state + second / 2)
        fourth = change(whole * state + half * third)
        state = whole * (state + first / 6) + half * (second + third) / 3 + fourth / 6
    return state


def _random_fields(count: int, points: int, key: Sequence[int]) -> NDArray[np.float64]:
    """Return Gaussian random fields on [0, 1), ``(count, points)``; the first ones stay the same.

    Their waves, and so their values at a place, do not depend on the number of points.
    """
    wave = 2 * math.pi * np.arange(_WAVES)
    deviations = 25 / (wave**2 + 25)
    deviations[1:] *= math.sqrt(2)  # the mean square of a sine is a half
    draws = np.random.default_rng(key).standard_normal((count, 2, _WAVES)) * deviations
    angles = np.outer(wave, np.arange(points) / points)
    fields: NDArray[np.float64] = draws[:, 0] @ np.cos(angles) + draws[:, 1] @ np.sin(angles)
    return fields


def burgers(
    train_count: int = 100,
    test_count: int = 200,
    *,
    viscosity: float = 0.02,
    time: float = 0.5,
    grid: int = 64,
    seed: int = 0,
) -> FieldSplit:
    """Return pairs u(., 0) and u(., time) of Burgers' equation on [0, 1), periodic.

    The operator that Fourier neural operators were first shown to learn (Li et al., "Fourier Neural
    Operator for Parametric Partial Differential Equations", ICLR 2021, section 5.1), with their
    initial fields: Gaussian with covariance ``625 (-d^2/dx^2 + 25)^-2``, that is, the coefficients
    of ``sqrt(2) cos(2 pi k x)`` and ``sqrt(2) sin(2 pi k x)`` have the standard deviation
    ``25 / ((2 pi k)^2 + 25)``; here k is 0 to 31. So u has a random mean, of standard deviation 1,
    which carries it along; that of the rest is 0.6. The viscosity and the time are our own (0.1 and
    1 in the paper): fronts form, a few grid points wide, and do not yet decay.

    The equation is solved by :func:`solve_burgers` on a grid that is fine enough for the fronts,
    of which every second, third, ... point is kept: the targets are right to 1e-5, with the
    defaults to 1e-6. Nothing is downloaded. The test part does not depend on ``train_count``, and a
    smaller training part is the beginning of a larger one.

    Args:
        train_count: pairs to learn from.
        test_count: pairs that are held out.
        viscosity: 0.001 or more; a tenth of it costs a hundred times the seconds.
        time: of the targets; 0 or more.
        grid: points, at ``0, 1 / grid, ...``
        seed: seeds the initial fields.

    Returns:
        Inputs u(., 0) and targets u(., time), float32 ``(n, 1, grid)``.

    Raises:
        InputError: an argument is out of its range (all problems are listed).

    >>> split = burgers(4, 2)
    >>> split.train_inputs.shape, split.test_targets.shape
    (torch.Size([4, 1, 64]), torch.Size([2, 1, 64]))
    """
    problems = [
        f"{name}={value}; expected {expected}"
        for name, expected, value, fits in (
            ("train_count", "1 or more", train_count, train_count >= 1),
            ("test_count", "1 or more", test_count, test_count >= 1),
            ("grid", f"{_SMALLEST} or more", grid, grid >= _SMALLEST),
            (
                "viscosity",
                f"{_LEAST_VISCOSITY} or more",
                viscosity,
                _LEAST_VISCOSITY <= viscosity < math.inf,
            ),
            ("time", "a finite number of 0 or more", time, 0 <= time < math.inf),
        )
        if not fits
    ]
    if problems:
        raise InputError("burgers has " + "; ".join(problems))
    # The shortest waves of the start; and the fronts, whose jumps are about 2.
    finer = math.ceil(max(5 * _WAVES, 3.8 / viscosity) / grid)
    step = 3 / (2 * math.pi * grid * finer)
    parts = []
    for part, count in enumerate((train_count, test_count)):
        start = _random_fields(count, grid * finer, (seed, part))
        end = solve_burgers(start, viscosity, [time], step=step)[0]
        parts += [_kept(start, finer), _kept(end, finer)]
    return FieldSplit(*parts)


def _kept(fields: NDArray[np.float64], finer: int) -> Tensor:
    """Return every ``finer``-th point, float32 ``(n, 1, grid)``."""
    return torch.from_numpy(fields[:, None, ::finer]).float().contiguous()
