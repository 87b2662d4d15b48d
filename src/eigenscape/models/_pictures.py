"""The picture of a perplexity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigenscape.models._perplexity import Perplexity
from eigenscape.results import PALETTE, new_figure, picture_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@picture_of(Perplexity)
def plot_perplexity(result: Perplexity) -> Figure:
    """Draw the mean loss of each window, and the mean over all tokens with its interval."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(7.0, 3.4)
    axes = figure.subplots()
    windows = range(len(result.window_nll))
    axes.plot(windows, result.window_nll, ".", color=PALETTE["blue"], label="each window")
    axes.axhline(result.nll, color=PALETTE["orange"], label="all tokens")
    if result.standard_error is not None:
        half = 1.96 * result.standard_error
        band = (result.nll - half, result.nll + half)
        axes.axhspan(*band, color=PALETTE["orange"], alpha=0.2, linewidth=0, label="95 % interval")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8)
    axes.set(xlabel="window", ylabel="-log p of a token (nats)")
    axes.set_title(f"{result.model}: perplexity {result.value:.4g} on {result.tokens:,} tokens")
    return figure
