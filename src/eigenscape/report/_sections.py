"""The parts of a page: spectra in groups, pictures of all layers, and a section for each result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from eigenscape.report._figure import inline_picture
from eigenscape.report._layered import Mark, Picture, picture_of_layers
from eigenscape.report._panel import spectrum_panel
from eigenscape.report._places import Page, Places, Said
from eigenscape.report._tables import Table, change_table, frame_table, layer_table, shape
from eigenscape.results import Result
from eigenscape.spectra import ComparisonResult, LayerSpectrum, SpectraResult

#: So many spectra are all open.
_OPEN = 24
_NO_BLOCK = "in no block"


@dataclass(frozen=True)
class Panel:
    """The spectrum of one layer: its drawing, and what is said of it."""

    anchor: str
    row: str
    name: str
    label: str
    svg: Markup
    layer: LayerSpectrum


@dataclass(frozen=True)
class PanelGroup:
    """Spectra under one heading; they are open where it is empty, and folded else."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Section:
    """What a page says of one result.

    Args:
        label: of the result.
        anchor: of the section.
        result: of which.
        said: its findings, where they do not stand first on the page.
        picture: of the whole result; empty where the picture of all layers has it.
        folded: whether the picture is folded, since one picture of all layers says it in less.
        tables: heading to table.
        notes: remarks of the result.
    """

    label: str
    anchor: str
    result: Result
    said: tuple[Said, ...]
    picture: Markup
    folded: bool
    tables: Mapping[str, Table]
    notes: tuple[str, ...]


def panel_groups(spectra: Mapping[str, SpectraResult], places: Places) -> list[PanelGroup]:
    """Draw the spectra: those that a finding asks to look at first, the others by block.

    Layers are in the checkpoint's order, those of several results side by side. A few are all in
    one group that is open.
    """
    marks = places.marks()
    asked = {place for place in places.drawn if _asked(marks, spectra, place)}
    first = places.drawn if len(places.drawn) <= _OPEN else asked if len(asked) <= _OPEN else set()
    groups: dict[str, list[Panel]] = {}
    for index in range(max(map(len, spectra.values()), default=0)):
        for label, result in spectra.items():
            if (label, index) not in places.drawn:
                continue
            layer = result.layers[index]
            name = "" if (label, index) in first else layer.block or _NO_BLOCK
            groups.setdefault(name, []).append(_panel(layer, label, index, places))
    order = sorted(groups, key=bool)  # what is open comes first
    return [PanelGroup(name, tuple(groups[name])) for name in order]


def _asked(
    marks: Mapping[str, Mapping[str, Mark]],
    spectra: Mapping[str, SpectraResult],
    place: tuple[str, int],
) -> bool:
    label, index = place
    return marks[label].get(spectra[label].layers[index].name, Mark()).asks


def _panel(layer: LayerSpectrum, label: str, index: int, places: Places) -> Panel:
    return Panel(
        anchor=places.panel(label, index),
        row=places.row(label, index),
        name=layer.name,
        label=label if places.several else "",
        svg=Markup(spectrum_panel(layer)),
        layer=layer,
    )


def pictures(page: Page, places: Places) -> list[Picture]:
    """The pictures of all layers: results of one class share a scale."""
    kinds: dict[type, dict[str, Result]] = {}
    for label, result in page.results.items():
        if places.names[label]:
            kinds.setdefault(type(result), {})[label] = result
    anchors = {
        label: [panel or row for panel, row in zip(panels, places.rows(label), strict=True)]
        for label, panels in ((label, places.panels(label)) for label in places.names)
    }
    found = [picture_of_layers(results, anchors, places.marks()) for results in kinds.values()]
    return [picture for picture in found if picture]


def section(page: Page, label: str, places: Places) -> Section:
    """Return what the page says of one result: its findings, picture, tables and notes."""
    result = page.results[label]
    index = list(page.results).index(label)
    tables: dict[str, Table] = {}
    picture = Markup("")
    rows = places.rows(label)
    if isinstance(result, SpectraResult):
        roles = result.by_role()
        if len(roles) > 1:
            tables["By what the layers do"] = frame_table(roles)
        tables["The layer table"] = layer_table(result, rows, places.panels(label))
    elif isinstance(result, ComparisonResult):
        picture = inline_picture(result, index)
        tables["What moved"] = change_table(result, rows)
    else:
        picture = inline_picture(result, index)
        tables["The numbers"] = frame_table(result.frame(), rows)
    return Section(
        label=label,
        anchor=f"s{index}",
        result=result,
        said=() if result is page.leading else places.said(result),
        picture=picture,
        folded=len(rows) > _OPEN and not isinstance(result, ComparisonResult),
        tables=tables,
        notes=tuple(getattr(result, "notes", ())),
    )


def skipped(result: SpectraResult) -> list[tuple[str, list[str]]]:
    """Skipped tensors by reason, so that a hundred biases take one line."""
    ordered = sorted(result.skipped, key=lambda item: item.reason)
    return [
        (reason, [f"{item.name} {shape(item.shape)}" for item in items])
        for reason, items in groupby(ordered, key=lambda item: item.reason)
    ]
