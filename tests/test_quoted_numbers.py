"""Sentences of the pages that quote a number or a name: recomputed."""

import importlib
import re
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from eigenscape.topology import check_grid

ROOT = Path(__file__).parents[1]


def papers():
    notes = re.findall(r'notes: "([^"]*)"', (ROOT / "CITATION.cff").read_text())
    return dict(enumerate(notes, 1))


def test_citation_names_what_is_there():
    studies = {point.name for point in entry_points(group="eigenscape.studies")}
    for note in papers().values():
        held = note.split(". ", 1)[-1]
        for module in re.findall(r"eigenscape[\w.]+\w", held):
            importlib.import_module(module)
        for names in re.findall(r"stud(?:y|ies) ([\w, ]+)", held):
            assert set(names.split(", ")) <= studies
        assert re.search(r"Implemented: |In part: |Not implemented", note)


def test_the_readme_says_which_papers_are_held():
    said = " ".join((ROOT / "README.md").read_text().split())
    kinds = {"Implemented": [], "In part": [], "Not implemented": []}
    for number, note in list(papers().items())[:10]:
        next(kinds[kind] for kind in kinds if f"{kind}" in note).append(number)
    assert "methods of papers 1, 2, 3, 8 and 9;" in said
    assert kinds["Implemented"] == [1, 2, 3, 8, 9]
    assert "of papers 4 and 5 the spectra" in said
    assert kinds["In part"] == [4, 5]
    assert "of papers 6, 7 and 10 nothing" in said
    assert kinds["Not implemented"] == [6, 7, 10]


@pytest.mark.parametrize("side", [7, 15])
def test_noise_is_not_called_a_zig_zag(side):
    draw = np.random.default_rng(side)
    for _ in range(150 if side < 10 else 30):
        report = check_grid(draw.normal(size=(side, side)))
        assert "zig-zag" not in [fault.name for fault in report.faults]
