"""The picture of a rank pattern: the exponent of each layer, and its rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigenscape.adapters._ranks import RankPattern
from eigenscape.results import PALETTE, new_figure, picture_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@picture_of(RankPattern)
def plot_ranks(pattern: RankPattern) -> Figure:
    """Draw the exponents above the ranks, layer by layer in the order of the network."""
    figure = new_figure(8.0, 4.6)
    above, below = figure.subplots(2, 1, sharex=True)
    places = range(len(pattern.plan))
    above.plot(
        places, [row.layer.value for row in pattern.plan.rows], "o", ms=3, color=PALETTE["grey"]
    )
    above.set_ylabel("alpha (Hill)")
    below.bar(places, list(pattern.ranks.values()), color=PALETTE["blue"])
    below.axhline(pattern.mean_rank, color=PALETTE["black"], lw=0.9, ls="--")
    below.set_ylabel("rank")
    below.set_xlabel("layer, in the order of the network")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
