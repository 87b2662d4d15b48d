"""Pictures of landscape profiles: one, or many on one shared scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from eigenscape.errors import InputError
from eigenscape.results import new_figure
from eigenscape.topology._draw_scale import (
    COLOURS,
    SADDLE,
    check_scale,
    colour_norm,
    extremum_style,
    finite_range,
    loss_label,
    marker_edge,
    marker_size,
    set_loss_scale,
)
from eigenscape.topology._profile import Profile, landscape_profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    from eigenscape.topology._tree import MergeTree

# Corners of one drawn outline: more cannot be seen at the width of a page.
_POINTS = 200
_COLUMNS = 4


def draw_profile(
    axes: Axes,
    profile: Profile,
    *,
    scale: str = "linear",
    norm: Normalize | None = None,
    limits: tuple[float, float] | None = None,
    title: str = "",
    markers: bool = True,
) -> ScalarMappable:
    """Draw one profile and return what a colour bar needs.

    Args:
        axes: where to draw.
        profile: from :func:`landscape_profile`.
        scale: "linear", "log" or "symlog" for the loss.
        norm: the colours of the mean loss; by default those of this profile alone.
        limits: lowest and highest loss shown; by default those of this profile.
        title: above the panel; a simplification is added to it.
        markers: whether minima and saddles are marked.

    Raises:
        InputError: a logarithmic scale for losses that are not positive.
    """
    from matplotlib.collections import PolyCollection

    low, high = limits or finite_range(profile.heights)
    check_scale(scale, low)
    norm = norm or colour_norm(scale, *finite_range(profile.mean_loss))
    corners = []
    for arc in profile.traversal.tolist():
        shape = profile.polygon(arc, _POINTS)
        shape[:, 0] /= profile.n_samples
        corners.append(np.clip(shape, [-1.0, low], [2.0, high]))
    shapes = PolyCollection(
        corners, cmap=COLOURS, norm=norm, edgecolors="face", linewidths=0.4, zorder=2
    )
    shapes.set_array(np.ma.masked_invalid(profile.mean_loss[profile.traversal]))
    axes.add_collection(shapes)
    if markers:
        _mark(axes, profile, high)
    set_loss_scale(axes, scale, low, high)
    axes.set(xlim=(-0.02, 1.02), xlabel="fraction of samples", ylabel=loss_label(scale))
    axes.set_title(_title(profile, title), fontsize=9)
    return shapes


def draw_profiles(
    profiles: Mapping[str, Profile | MergeTree],
    *,
    scale: str = "linear",
    share: bool = True,
    columns: int = _COLUMNS,
) -> Figure:
    """Draw profiles side by side, on one loss scale and with one meaning of the colours.

    Args:
        profiles: label to profile, or to a merge tree (laid out with the defaults).
        scale: "linear", "log" or "symlog" for the losses and for the colours.
        share: one scale for all panels; otherwise each has its own, and its own colour bar, and
            they cannot be compared by eye.
        columns: panels in a row.

    Raises:
        InputError: nothing to draw, or a scale that the losses do not allow.
    """
    if not profiles:
        raise InputError("draw_profiles expects at least one profile; got none")
    laid = {
        name: item if isinstance(item, Profile) else landscape_profile(item)
        for name, item in profiles.items()
    }
    ends = np.array([finite_range(profile.heights) for profile in laid.values()])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    check_scale(scale, low)
    means = np.concatenate([profile.mean_loss for profile in laid.values()])
    norm = colour_norm(scale, *finite_range(means)) if share else None

    wide = min(len(laid), columns)
    rows = math.ceil(len(laid) / wide)
    figure = new_figure(max(2.5 * wide + 1.3, 4.5), 2.9 * rows + 0.5)
    grid = figure.subplots(rows, wide, squeeze=False, sharey=share)
    panels = list(grid.ravel())
    for panel, (name, profile) in zip(panels, laid.items(), strict=False):
        limits = (low, high) if share else None
        drawn = draw_profile(panel, profile, scale=scale, norm=norm, limits=limits, title=name)
        if not share:
            figure.colorbar(drawn, ax=panel, label=_colour_label(profile))
        if share and panel not in grid[:, 0]:
            panel.set_ylabel("")
    for panel in panels[len(laid) :]:
        panel.set_axis_off()
    if share:
        first = next(iter(laid.values()))
        figure.colorbar(drawn, ax=panels, label=_colour_label(first), shrink=0.85)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def _mark(axes: Axes, profile: Profile, high: float) -> None:
    leaf = extremum_style(profile.superlevel)
    for style, wanted in ((SADDLE, ~profile.is_minimum), (leaf, profile.is_minimum)):
        shown = np.flatnonzero(wanted & np.isfinite(profile.bottom) & (profile.bottom <= high))
        x = profile.centre[shown] / profile.n_samples
        axes.scatter(
            x,
            profile.bottom[shown],
            s=marker_size(len(shown)),
            linewidths=marker_edge(len(shown)),
            edgecolors="white",
            zorder=3,
            **style,
        )


def _title(profile: Profile, title: str) -> str:
    count = int(profile.is_minimum.sum())
    kind = "max" if profile.superlevel else "min"
    counts = f"{count} {kind}{'imum' if count == 1 else 'ima'}"
    if profile.simplified > 0:
        counts += f" deeper than {profile.simplified:.2g}"
    return f"{title}\n{counts}" if title else counts


def _colour_label(profile: Profile) -> str:
    return f"mean loss of the {profile.mean} (dark: low)"
