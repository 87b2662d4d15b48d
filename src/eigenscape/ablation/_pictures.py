"""The picture of an ablation: a row for each role, the blocks from left to right."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from eigenscape.ablation._changes import CHANGES
from eigenscape.ablation._result import AblatedLayer, AblationResult
from eigenscape.errors import InputError
from eigenscape.results import PALETTE, label_text, new_figure, picture_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _ROW, _REST = 5.2, 0.7, 1.2  # inches; narrow, so that a telephone can show it
_MOST_ROWS, _NAMED = 14, 10
_SPREAD = 0.25  # of a block's place


@picture_of(AblationResult)
def plot_ablation(result: AblationResult, change: str | None = None) -> Figure:
    """Draw the effect of a change with its interval, by block and role.

    Args:
        result: of :func:`eigenscape.ablation.ablate`.
        change: which; by default the first that was measured.

    Raises:
        InputError: it was not measured.
    """
    change = change or result.changes[0]
    if change not in result.changes:
        raise InputError(
            f"{change!r} was not measured; the changes are {', '.join(result.changes)}"
        )
    rows: dict[str, list[AblatedLayer]] = {}
    for one in result.layers:
        rows.setdefault(one.role, []).append(one)
    shown = list(rows.items())[:_MOST_ROWS]
    places = _places(result)
    figure = new_figure(_WIDTH, _REST + _ROW * len(shown))
    grid = figure.subplots(len(shown), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (role, layers) in zip(grid, shown, strict=True):
        _draw_row(axes, result, layers, change, places)
        axes.set_ylabel(label_text(role), rotation=0, ha="right", va="center", fontsize=9)
    _finish(figure, list(grid), result, change, len(rows) - len(shown))
    return figure


def _blocks(result: AblationResult) -> dict[str, int]:
    """Return the place of each block: its number where all are of one list, else its order."""
    names = list(dict.fromkeys(one.layer.block for one in result.layers if one.layer.block))
    numbered = [re.fullmatch(r"(.*\D)(\d+)", name) for name in names]
    if all(numbered) and len({match[1] for match in numbered if match}) == 1:
        return {match[0]: int(match[2]) for match in numbered if match}
    return {name: place for place, name in enumerate(names)}


def _places(result: AblationResult) -> dict[str, float]:
    """Return where each layer stands: at its block, the others before or after."""
    blocks = _blocks(result)
    if not blocks:
        return {one.name: float(place) for place, one in enumerate(result.layers)}
    found: dict[str, float] = {}
    members: dict[tuple[str, str], list[str]] = {}
    last = min(blocks.values()) - 1.0
    for one in result.layers:
        if one.layer.block is None:
            last = min(last + 0.5, max(blocks.values()) + 0.5)
            found[one.name] = last
        else:
            last = float(blocks[one.layer.block])
            members.setdefault((one.layer.block, one.role), []).append(one.name)
    for (block, _), names in members.items():
        for place, name in enumerate(names):  # of one role, beside each other within the block
            found[name] = blocks[block] + _SPREAD * (place - (len(names) - 1) / 2)
    return found


def _draw_row(
    axes: Axes,
    result: AblationResult,
    layers: list[AblatedLayer],
    change: str,
    places: dict[str, float],
) -> None:
    axes.axhline(0, color=PALETTE["grey"], linewidth=0.6)
    for suspect in (False, True):
        some = [one for one in layers if (one.name in result.suspects) is suspect]
        known = [one for one in some if math.isfinite(one.effect(change).increase)]
        if not known:
            continue
        effects = [one.effect(change) for one in known]
        values = np.array([effect.increase for effect in effects])
        ends = np.array([(effect.low, effect.high) for effect in effects])
        ends = np.where(np.isfinite(ends), ends, values[:, None])
        axes.errorbar(
            [places[one.name] for one in known],
            values,
            yerr=np.abs(ends.T - values),
            fmt="o",
            markersize=3.5,
            linewidth=0.9,
            color=PALETTE["vermilion" if suspect else "blue"],
            label="in question" if suspect else "other layers" if result.suspects else None,
        )


def _finish(
    figure: Figure, grid: list[Axes], result: AblationResult, change: str, left_out: int
) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    zero = max(result.nothing, 1e-12)
    effects = [one.effect(change) for one in result.layers]
    ends = [x for one in effects for x in (one.increase, one.low, one.high) if math.isfinite(x)]
    low, high = min([-zero, *ends]), max([10 * zero, *ends])
    ticks = [0.0, *(10.0**power for power in _powers(zero, high))]
    for axes in grid:
        axes.set_yscale("symlog", linthresh=zero, linscale=0.4)
        axes.set_ylim(1.5 * low, 1.7 * high)
        axes.yaxis.set_major_locator(FixedLocator(ticks))
        axes.yaxis.set_minor_locator(FixedLocator([]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    blocks = _blocks(result)
    grid[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    if blocks and not all(name.endswith(str(place)) for name, place in blocks.items()):
        step = -(-len(blocks) // _NAMED)
        some = list(blocks.items())[::step]
        grid[-1].set_xticks(
            [place for _, place in some], [label_text(name) for name, _ in some], rotation=40
        )
    more = f" ({left_out} further roles are in the table)" if left_out else ""
    grid[-1].set_xlabel(("block" if blocks else "layer, in order") + more, fontsize=9)
    unit = "nats" if result.in_nats else "loss"
    figure.suptitle(
        f"{label_text(result.model)}: by how much the loss grows ({unit}) with\n"
        f"{CHANGES[change].words if change in CHANGES else label_text(change)}",
        fontsize=9,
    )
    handles = {
        label: handle
        for axes in grid
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower right", fontsize=8, ncols=2
        )


def _powers(low: float, high: float) -> list[int]:
    """Return at most three powers of ten between two numbers, the highest first."""
    first, last = math.floor(math.log10(max(low, 1e-12))), math.floor(math.log10(max(high, 1e-12)))
    step = max(1, -(-(last - first) // 2))
    return list(range(last, first, -step)) or [last]
