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
    figure = new_figure(7.0, 3.4)
    axes = figure.subplots()
    axes.plot(range(len(result.window_nll)), result.window_nll, ".", color=PALETTE["blue"])
    axes.axhline(result.nll, color=PALETTE["orange"])
    if result.standard_error is not None:
        half = 1.96 * result.standard_error
        band = (result.nll - half, result.nll + half)
        axes.axhspan(*band, color=PALETTE["orange"], alpha=0.2, linewidth=0)
    axes.set(xlabel="window", ylabel="-log p of a token (nats)")
    axes.set_title(f"{result.model}: perplexity {result.value:.4g} on {result.tokens:,} tokens")
    return figure
