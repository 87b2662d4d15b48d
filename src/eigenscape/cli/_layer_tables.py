"""The tables of layers: rows, groups, places among others, and changes."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eigenscape.cli._layout import FIXED
from eigenscape.cli._tables import cell, print_frame
from eigenscape.results import named

if TYPE_CHECKING:
    import pandas as pd

    from eigenscape.spectra import ComparisonResult, LayerChange, Placement, SpectraResult

#: Above so many layers a terminal is shown groups of them.
MOST_ROWS = 40
#: Columns of the layer table that a narrow terminal does without, the first one first.
SPARE = (
    *("interval", "stable rank", "kind", "eigs", "random", "shape", "spikes", "excess"),
    *("ks alpha", "range"),
)


def print_layers(
    result: SpectraResult,
    form: str,
    *,
    title: str = "",
    every: bool = False,
    placement: Placement | None = None,
) -> None:
    """Print the layer table; where it is long, for a terminal, one row for each group.

    Args:
        result: the layers.
        form: ``table`` or ``md``.
        title: a line above.
        every: a row for each layer, however many there are.
        placement: adds where each layer lies among others; not to groups.
    """
    if form == "table" and not every and len(result) > MOST_ROWS:
        print_frame(group_table(result), form, title, SPARE)
        print(f"(a row for each of the {len(result)} layers: --all)")
        return
    table = layer_table(result)
    if placement:
        table = with_places(table, placement, short=True)
    print_frame(table, form, title, SPARE)


def layer_table(result: SpectraResult) -> pd.DataFrame:
    """Return the columns that fit a terminal, intervals written out."""
    import pandas as pd

    rows = [
        {
            "layer": layer.name,
            "kind": layer.kind,
            "shape": "×".join(map(str, layer.shape)),
            "eigs": layer.n_eigenvalues,
            "alpha": _three(layer.alpha_hill),
            "interval": _interval(layer.alpha_hill_low, layer.alpha_hill_high),
            "random": _three(layer.alpha_null),
            "excess": _three(layer.alpha_excess),
            "ks alpha": _plus_minus(layer.alpha_ks, 2 * layer.sigma),
            "spikes": layer.spikes,
            "stable rank": _three(layer.stable_rank),
            "label": layer.label or "–",
        }
        for layer in result
    ]
    return pd.DataFrame(rows)


def short_pattern(patterns: Sequence[str]) -> dict[str, str]:
    """Return the patterns of names without what all of them have before their first star.

    >>> short_pattern(["model.layers.*.mlp", "model.layers.*.attn", "head"])["model.layers.*.mlp"]
    '*.mlp'
    """
    heads = {one.partition("*")[0] for one in patterns if "*" in one}
    head = heads.pop() if len(heads) == 1 else ""
    short = {one: one.removeprefix(head) if "*" in one else one for one in patterns}
    return short if len(set(short.values())) == len(short) else {one: one for one in patterns}


def group_table(result: SpectraResult) -> pd.DataFrame:
    """Return one row for each group of layers, with the layers that stand out."""
    import pandas as pd

    from eigenscape.spectra import name_numbers

    groups = result.groups()
    short = short_pattern([group.pattern for group in groups])
    rows = [
        {
            "layers": short[group.pattern],
            "of": len(group.layers),
            "alpha": _median(group.values("alpha_hill")),
            "range": _range(group.values("alpha_hill")),
            "excess": _median(group.values("alpha_excess")),
            "labels": ", ".join(f"{count}{FIXED}{label}" for label, count in group.labels.items()),
            "stands out": named(
                f"{name_numbers(name)} ({why})".replace(" ", FIXED)
                for name, why in group.outliers.items()
            ),
        }
        for group in groups
    ]
    return pd.DataFrame(rows)


def _median(values: Sequence[float]) -> str:
    return _three(statistics.median(values)) if values else "–"


def _range(values: Sequence[float]) -> str:
    return _interval(min(values), max(values)) if values else "–"


def with_places(table: pd.DataFrame, placement: Placement, *, short: bool) -> pd.DataFrame:
    """Return a layer table with where each layer lies among reference layers.

    Args:
        table: with the layers' names in its first column.
        placement: the places.
        short: one column, by alpha_excess, instead of a number for each metric.
    """
    names = table.iloc[:, 0]
    found = {place.layer: place for place in placement.places if place.metric == "alpha_excess"}
    if short:
        words = [
            f"{found[name].percentile:.0f} % of {found[name].n}"
            if name in found and not found[name].why
            else "–"
            for name in names
        ]
        return table.assign(**{"excess above": words})
    known = {(place.layer, place.metric): place.percentile for place in placement.places}
    columns: dict[str, list[Any]] = {
        f"{metric}_percentile": [known.get((name, metric), math.nan) for name in names]
        for metric in placement.metrics
    }
    columns["reference_n"] = [found[name].n if name in found else 0 for name in names]
    return table.assign(**columns)


def print_changes(result: ComparisonResult, form: str, *, every: bool = False) -> None:
    """Print what changed: layers, or for a terminal groups of many; then the other tensors.

    Args:
        result: the comparison.
        form: ``table`` or ``md``.
        every: a row for each layer, however many there are.
    """
    layers = [change for change in result.changes if change.examined]
    others = [change for change in result.changes if not change.examined]
    grouped = form == "table" and not every and len(layers) > MOST_ROWS
    table = change_groups(layers, "layers") if grouped else change_table(layers)
    print_frame(table, form, spare=_SPARE_CHANGES)
    if grouped:
        print(f"(a row for each of the {len(layers)} layers: --all)")
    if others:
        print()
        print_frame(change_groups(others, "tensors without a spectrum"), form)


#: Columns of the changes that a narrow terminal does without, the first one first.
_SPARE_CHANGES = ("stable rank", "norm", "ks alpha", "in sd", "zeros")


def change_table(changes: Sequence[LayerChange]) -> pd.DataFrame:
    """Return the changes of layers, without the columns in which nothing stands."""
    import pandas as pd

    rows = [
        {
            "layer": change.name,
            "state": change.state,
            "weights": cell(change.weight_change),
            "zeros": _arrow(change.sparsity_before, change.sparsity_after),
            "alpha": _arrow(change.alpha_hill_before, change.alpha_hill_after),
            "in sd": _three(change.alpha_hill_z),
            "ks alpha": _three(change.alpha_ks_change),
            "norm": _times(change.spectral_norm_ratio),
            "stable rank": _times(change.stable_rank_ratio),
            "label": change.label_before
            if change.label_before == change.label_after
            else f"{change.label_before or '–'} → {change.label_after or '–'}",
        }
        for change in changes
    ]
    table = pd.DataFrame(rows)
    kept = [name for name in table.columns if name == "layer" or not _empty(table[name])]
    return table[kept]


def change_groups(changes: Sequence[LayerChange], heading: str) -> pd.DataFrame:
    """Return one row for each group of changes of one name but for its numbers.

    Args:
        changes: of layers, or of other tensors.
        heading: of the column with their names.
    """
    import pandas as pd

    from eigenscape.spectra import name_numbers, name_pattern

    groups: dict[str, list[LayerChange]] = {}
    for change in changes:
        groups.setdefault(name_pattern(change.name), []).append(change)
    short = short_pattern(list(groups))
    rows = []
    for pattern, group in groups.items():
        moved = [one.weight_change for one in group if not math.isnan(one.weight_change)]
        states = Counter(one.state for one in group)
        rows.append(
            {
                heading: group[0].name if len(group) == 1 else short[pattern],
                "of": len(group),
                "weights": cell(statistics.median(moved)) if moved else "–",
                "range": f"{cell(min(moved))}–{cell(max(moved))}" if moved else "–",
                "states": ", ".join(f"{count}{FIXED}{state}" for state, count in states.items()),
                "beyond noise": named(name_numbers(one.name) for one in group if one.clear),
            }
        )
    table = pd.DataFrame(rows)
    return table[[name for name in table.columns if not _empty(table[name])]]


def _arrow(before: float, after: float) -> str:
    ends = [_three(before), _three(after)]
    return " → ".join(ends) if set(ends) != {"–"} and set(ends) != {"0"} else "–"


def _times(ratio: float) -> str:
    return "–" if math.isnan(ratio) else f"×{ratio:.3g}"


def _empty(column: pd.Series[Any]) -> bool:
    """Whether nothing stands in any row."""
    return all(value is None or value in ("", "–") for value in column)


def _three(value: float) -> str:
    """Three digits: intervals of an exponent are wider than the fourth."""
    return "–" if math.isnan(value) else f"{value:.3g}"


def _interval(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{low:.2f}–{high:.2f}"


def _plus_minus(value: float, error: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}±{error:.2f}"
