"""What a page shows, and where on it: anchors of rows and spectra, findings and their marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from eigenscape.errors import InputError
from eigenscape.report._layered import Mark, layer_rows
from eigenscape.results import Finding, Result
from eigenscape.spectra import LABELS, LayerSpectrum, SpectraResult

#: Spectra on a page, and layers that a finding names; the page says what it leaves out.
_PANELS, _NAMED = 210, 4


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Args:
        title: the heading.
        results: label to result, in the order of the page.
        lead: whose answer and findings stand first; by default the only result, or none of several.
        statements: what else is said, below the findings.
        facts: name and value pairs for the end of the page.

    Raises:
        InputError: no results.
    """

    title: str
    results: Mapping[str, Result]
    lead: Result | None = None
    statements: Sequence[Finding] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.results:
            raise InputError("a page of no results; expected one or more")

    @property
    def leading(self) -> Result | None:
        """The result whose answer and findings stand first."""
        only = next(iter(self.results.values())) if len(self.results) == 1 else None
        return self.lead or only


@dataclass(frozen=True)
class Said:
    """One finding on the page: its number, and where its evidence is."""

    number: int
    finding: Finding
    links: tuple[tuple[str, str, str], ...]
    more: int


class Places:
    """Where everything of a page is: anchors of rows and panels, and the findings' marks."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.names = {
            label: [name for name, _, _, _ in layer_rows(result)]
            for label, result in page.results.items()
        }
        self.several = len(page.results) > 1
        self.drawn = _drawn(page, self)

    def row(self, label: str, index: int) -> str:
        """The anchor of one layer's row."""
        return f"r{list(self.names).index(label)}-{index}"

    def panel(self, label: str, index: int) -> str:
        """The anchor of one layer's panel; empty where it is not drawn."""
        return f"p{self.row(label, index)[1:]}" if (label, index) in self.drawn else ""

    def rows(self, label: str) -> list[str]:
        """The anchors of all rows of one result."""
        return [self.row(label, index) for index in range(len(self.names[label]))]

    def panels(self, label: str) -> list[str]:
        """The anchors of all panels of one result, empty where none is drawn."""
        return [self.panel(label, index) for index in range(len(self.names[label]))]

    def found(self, name: str, own: Result | None) -> Iterator[tuple[str, int]]:
        """Where a layer that a finding names is: in its own result, or else wherever it is."""
        inside = any(result is own for result in self._page.results.values())
        for label, names in self.names.items():
            if inside and self._page.results[label] is not own:
                continue
            plain = name.removeprefix(f"{label}: ")
            for index, other in enumerate(names):
                if other == plain:
                    yield label, index

    def said(self, result: Result) -> tuple[Said, ...]:
        """The findings of a result, with links to the layers that they point at."""
        listed = []
        for index, finding in enumerate(result.findings, 1):
            links = [
                (self.names[label][at], self.row(label, at), self.panel(label, at))
                for name in finding.layers[:_NAMED]
                for label, at in list(self.found(name, result))[:1]
            ]
            more = max(0, len(finding.layers) - _NAMED)
            listed.append(Said(index, finding, tuple(links), more))
        return tuple(listed)

    def marks(self) -> dict[str, dict[str, Mark]]:
        """Of each result, layer to the findings that point at it."""
        marks: dict[str, dict[str, Mark]] = {label: {} for label in self.names}
        lead = self._page.leading
        for result in [lead] if lead else list(self._page.results.values()):
            for number, finding in enumerate(result.findings, 1):
                for name in finding.layers:
                    for label, index in self.found(name, result):
                        own = self.names[label][index]
                        before = marks[label].get(own, Mark())
                        asks = before.asks or bool(finding.todo)
                        marks[label][own] = Mark((*before.numbers, number), asks)
        return marks


def _drawn(page: Page, places: Places) -> set[tuple[str, int]]:
    """The layers with a panel: if there are too many, those that findings point at come first."""
    marks = places.marks()
    found = [
        ((_order(marks[label].get(layer.name)), _severity(layer), index, order), (label, index))
        for order, (label, result) in enumerate(page.results.items())
        if isinstance(result, SpectraResult)
        for index, layer in enumerate(result.layers)
    ]
    return {place for _, place in sorted(found)[:_PANELS]}


def _order(mark: Mark | None) -> int:
    return 2 if mark is None else 0 if mark.asks else 1


def _severity(layer: LayerSpectrum) -> int:
    return list(LABELS).index(layer.label) if layer.label else len(LABELS)
