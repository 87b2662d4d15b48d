"""The picture of a balanced training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eigenscape.balancing._trace import BalancingTrace, TraceRow
from eigenscape.results import PALETTE, label_text, new_figure, picture_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: More lines than this cannot be told apart by colour: they are shaded by their depth.
_NAMED = 7
_SHORT = 28


@picture_of(BalancingTrace)
def plot_trace(trace: BalancingTrace) -> Figure:
    """Draw the metric and the factor of each layer, or of each group, over the steps."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import FuncFormatter

    lines: dict[str, list[TraceRow]] = {}
    for row in trace.rows:
        lines.setdefault(row.name, []).append(row)
    shades = colormaps["cividis"]
    named = len(lines) <= _NAMED
    colours: list[Any] = [PALETTE[name] for name in PALETTE if name != "grey"][: len(lines)]
    if not named:
        colours = [shades(at / (len(lines) - 1)) for at in range(len(lines))]
    figure = new_figure(7.5, 5.6)
    above, below = figure.subplots(2, 1, sharex=True)
    mark = "o" if len(trace.steps) <= 30 else None
    for (name, rows), colour in zip(lines.items(), colours, strict=True):
        steps = np.array([row.step for row in rows])
        values = np.array([row.average for row in rows])
        factors = np.array([row.factor for row in rows])
        label = label_text(name if len(name) <= _SHORT else f"...{name[-_SHORT:]}")
        above.plot(steps, values, color=colour, lw=1.3, marker=mark, ms=2.5, label=label)
        below.step(steps, factors, where="post", color=colour, lw=1.3, marker=mark, ms=2.5)
    metric = str(trace.options.get("metric", "metric"))
    above.set_ylabel(metric + (", running mean" if trace.options.get("average") else ""))
    below.set_ylabel("factor on the base rate" + ("" if trace.applied else "\n(dry run: not used)"))
    below.set_xlabel("calls of step()")
    if _wide(trace):
        below.set_yscale("log")
        below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    below.axhline(1.0, color=PALETTE["grey"], lw=0.8, ls="--")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    if named and lines:
        figure.legend(loc="outside right upper", frameon=False, fontsize=8, title="layer")
    elif lines:
        bar = figure.colorbar(
            ScalarMappable(Normalize(1, len(lines)), shades), ax=[above, below], aspect=40
        )
        bar.set_label("layer, in the order of the network")
    return figure


def _wide(trace: BalancingTrace) -> bool:
    """Tell whether the factors span a decade, which wants a logarithmic axis."""
    factors = [row.factor for row in trace.rows]
    return bool(factors) and 0 < 10 * min(factors) <= max(factors)
