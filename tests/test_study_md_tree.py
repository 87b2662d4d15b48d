"""The study of the MD tree on a reduced plan: claims, pictures, refusals."""

import re
from dataclasses import replace

import pytest

from eigenscape.errors import InputError
from eigenscape.results import load
from eigenscape_studies import StudyResult
from eigenscape_studies._claim import VERDICTS
from eigenscape_studies.md_tree import STUDY
from eigenscape_studies.md_tree._plan import CASES, MDTreePlan
from tests._data import data_file

REDUCED = {
    "temperature, few": (1, 8),
    "temperature, little data": (1, 10),
    "temperature, narrow": (2,),
    "width, few": (1,),
    "width, little data": (1,),
    "data, few": (1, 5),
    "data, narrow": (32,),
}


@pytest.fixture(scope="module")
def study():
    folder = data_file("md_tree").parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EIGENSCAPE_DATA", str(folder))
        plan = MDTreePlan(values=REDUCED, draws=200)
        return replace(STUDY, scales={"small": plan}).run(engine="threads")


@pytest.mark.slow
def test_published_scores_stand_in_the_claims(study):
    by_name = {claim.name: claim for claim in study.claims}
    assert len(by_name) == 12
    for claim in study.claims:
        assert claim.verdict in VERDICTS
        assert re.search(r"\d", claim.measured)
    expected = {
        "few configurations": ("87.71", "72.82"),
        "from little data": ("75.90", "51.73"),
        "from narrow networks": ("82.56", "67.55"),
        "width or temperature, few": ("74.11", "55.79"),
        "width or temperature, from little data": ("78.17", "63.61"),
    }
    for name, (tree, validation) in expected.items():
        assert f"MD tree {tree}" in by_name[name].measured
        assert f"validation tree {validation}" in by_name[name].measured
        assert by_name[name].verdict == "holds"


@pytest.mark.slow
def test_controls_say_what_the_headline_hides(study):
    by_name = {claim.name: claim for claim in study.claims}
    assert by_name["control: small models against no models"].verdict == "fails"
    assert by_name["control: the fit adds to the prior"].verdict == "in part"
    assert "87.50" in by_name["control: the fit adds to the prior"].measured
    assert "87.50 %" in study.paragraphs["What the headline hides"]


@pytest.mark.slow
def test_tables_pictures_and_page(study, tmp_path):
    curves = study.table("curves")
    assert set(curves["case"]) == set(CASES)
    assert (curves["mean"].between(0, 100)).all()
    margins = study.table("margins")
    assert margins["n"].sum() == 1560
    assert len(STUDY.pictures(study)) == 4
    back = load(study.save(tmp_path / "result.json"))
    assert isinstance(back, StudyResult)
    assert back.claims == study.claims
    page = STUDY.write_page(back, tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert page.count('class="verdict') == 12


def test_seeds_beyond_the_papers():
    assert STUDY.plan("small").seeds == (42, 90, 38, 18, 72)
    assert STUDY.plan("small", 2).seeds == (42, 90)
    assert STUDY.plan("small", 7).seeds == (42, 90, 38, 18, 72, 100, 101)


def test_refusals_without_the_tables(monkeypatch, tmp_path):
    assert list(STUDY.scales) == ["small", "full"]
    monkeypatch.delenv("EIGENSCAPE_DATA", raising=False)
    with pytest.raises(InputError, match="EIGENSCAPE_DATA is not set"):
        STUDY.run()
    monkeypatch.setenv("EIGENSCAPE_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"does not hold .*dataframe_normal_public"):
        STUDY.run()
