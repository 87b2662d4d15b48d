"""The picture of curvature: eigenvalues, traces of the layers, spectral density."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.landscape.curvature._hessian_result import HessianResult
from eigenscape.results import PALETTE, label_text, new_figure, picture_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from eigenscape.landscape.curvature._density import SpectralDensity

_MOST_BARS = 30


@picture_of(HessianResult)
def plot_hessian(result: HessianResult) -> Figure:
    """Draw what the result holds: eigenvalues; trace by layer; density, linear and logarithmic."""
    panels = [_draw_eigenvalues]
    panels += [_draw_groups] if result.groups else []
    panels += [_draw_density, _draw_logarithmic_density] if result.density else []
    rows = 2 if len(panels) == 4 else 1
    columns = len(panels) // rows
    tall = 3.2 + 0.13 * min(len(result.groups), _MOST_BARS)
    figure = new_figure(4.6 * columns + 0.5, tall + 3.4 * (rows - 1))
    name = "Gauss-Newton matrix" if result.matrix == "ggn" else "Hessian"
    figure.suptitle(
        f"{name} of the loss of {label_text(result.model)}: {result.parameters:,} parameters, "
        f"{result.samples:,} samples",
        fontsize=10,
    )
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=[tall, 3.4][:rows])
    for axes, draw in zip(grid.flat, panels, strict=True):
        draw(axes, result)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_eigenvalues(axes: Axes, result: HessianResult) -> None:
    for values, residuals, colour, label in (
        (result.top_eigenvalues, result.residuals, "blue", "largest"),
        (result.smallest_eigenvalues, result.smallest_residuals, "vermilion", "smallest"),
    ):
        if not values:
            continue
        places = np.arange(1, len(values) + 1)
        error = np.abs(values) * np.asarray(residuals)
        axes.vlines(places, 0, values, color=PALETTE[colour], lw=1, alpha=0.4)
        axes.errorbar(
            places, values, yerr=error, fmt="o", ms=5, capsize=4, color=PALETTE[colour], label=label
        )
    axes.axhline(0, color=PALETTE["grey"], lw=0.8)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlim(0.5, len(result.top_eigenvalues) + 0.5)
    axes.set_xlabel("place")
    axes.set_ylabel("eigenvalue ± residual")
    if result.smallest_eigenvalues:
        axes.legend(frameon=False, fontsize=8)
    axes.set_title("extreme eigenvalues", fontsize=9)


def _draw_groups(axes: Axes, result: HessianResult) -> None:
    ranked = sorted(result.groups, key=lambda group: abs(group.value), reverse=True)
    chosen = set(ranked[:_MOST_BARS])
    groups = [group for group in result.groups if group in chosen]
    axes.barh(
        [label_text(group.name) for group in groups],
        [group.value for group in groups],
        xerr=[group.standard_error for group in groups],
        color=PALETTE["sky"],
        ecolor=PALETTE["black"],
        capsize=2,
        error_kw={"lw": 1},
    )
    axes.axvline(0, color=PALETTE["grey"], lw=0.8)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    left_out = len(result.groups) - len(groups)
    axes.set_xlabel("trace of the diagonal block, ± standard error")
    more = f" ({left_out} smaller ones left out)" if left_out else ""
    axes.set_title(
        f"trace {result.hessian_trace:.4g} ± {result.trace_stderr:.2g}{more}", fontsize=9
    )


def _draw_density(axes: Axes, result: HessianResult) -> None:
    density = result.density
    assert density is not None
    _draw_curves(axes, density, density.grid(4000), 0.0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("eigenvalue")
    axes.legend(frameon=False, fontsize=8)


def _draw_logarithmic_density(axes: Axes, result: HessianResult) -> None:
    density = result.density
    assert density is not None
    grid = _signed_log_grid(density)
    floor = 0.1 / density.parameters / (density.width * np.sqrt(2 * np.pi))
    _draw_curves(axes, density, grid, floor)
    axes.set_xscale("symlog", linthresh=density.width)
    axes.set_yscale("log")
    axes.set_ylim(bottom=floor)
    axes.axvline(0, color=PALETTE["grey"], lw=0.8)
    top = result.top_eigenvalues
    axes.plot(
        top,
        [floor * 1.7] * len(top),
        "|",
        ms=10,
        color=PALETTE["vermilion"],
        label="largest eigenvalues",
    )
    _thin_ticks(axes, grid, density.width)
    axes.set_xlabel(f"eigenvalue (linear within ±{density.width:.2g}, logarithmic beyond)")
    axes.legend(frameon=False, fontsize=8)


def _draw_curves(
    axes: Axes, density: SpectralDensity, grid: NDArray[np.float64], floor: float
) -> None:
    curves = np.maximum(density.density(grid), floor)
    axes.fill_between(
        grid,
        curves.min(0),
        curves.max(0),
        color=PALETTE["sky"],
        alpha=0.5,
        lw=0,
        label=f"range of {len(curves)} probes",
    )
    axes.plot(grid, curves.mean(0), color=PALETTE["blue"], lw=1.2, label="mean")
    axes.set_ylabel("density (share of eigenvalues per unit)")
    axes.set_title(f"spectral density, Gaussian of width {density.width:.2g}", fontsize=9)


def _signed_log_grid(density: SpectralDensity) -> NDArray[np.float64]:
    """Return eigenvalues spaced as they are drawn, with every node among them."""
    plain = density.grid()
    near = np.linspace(-density.width, density.width, 101)
    far = np.geomspace(density.width, np.abs(plain).max(), 600)
    nodes = np.concatenate([np.asarray(row) for row in density.nodes])
    every = np.unique(np.concatenate((-far, near, far, nodes, plain)))
    inside: NDArray[np.float64] = every[(every >= plain[0]) & (every <= plain[-1])]
    return inside


def _thin_ticks(axes: Axes, grid: NDArray[np.float64], width: float) -> None:
    """Label zero and a few powers of ten on each side."""
    first = int(np.ceil(np.log10(width * 3)))
    ticks = [0.0]
    for sign, end in ((1, grid[-1]), (-1, -grid[0])):
        if end > 10.0**first:
            last = int(np.floor(np.log10(end)))
            step = max(1, (last - first + 1) // 3)
            ticks += [sign * 10.0**power for power in range(last, first - 1, -step)]
    axes.set_xticks(sorted(ticks))
