"""The study of the MD tree on a reduced plan: claims, pictures, refusals."""

import re
from dataclasses import replace

import pytest

from eigenscape.diagnosis import SEEDS, read_population, sample_cells
from eigenscape.errors import InputError
from eigenscape.results import load
from eigenscape_studies import StudyResult
from eigenscape_studies._claim import VERDICTS
from eigenscape_studies.md_tree import STUDY
from eigenscape_studies.md_tree._plan import CASES, MDTreePlan, find_tables
from eigenscape_studies.md_tree._tasks import distinct_draws
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
        "width or temperature, few": ("75.26", "61.36"),
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


@pytest.mark.slow
def test_an_interval_is_over_distinct_training_sets_alone(study):
    by_name = {claim.name: claim.measured for claim in study.claims}
    assert by_name["width or temperature, few"].startswith("10 distinct training sets")
    assert by_name["few configurations"].startswith("5 distinct training sets")
    for name in ("from little data", "from narrow networks"):
        assert by_name[name].startswith("One training set, so no interval")
        assert "[" not in by_name[name]
    curves = study.table("curves").set_index(["case", "value", "method"])
    one = curves.loc[("temperature, narrow", 2, "validation")]
    assert one["low"] != one["low"]


def test_two_of_the_papers_seeds_draw_the_same_slice():
    data_file("md_tree")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EIGENSCAPE_DATA", str(data_file("md_tree").parent))
        clean = read_population(find_tables()["clean"])
    slices = [
        sorted(set(clean.table["data"][sample_cells(clean, "width", 1, seed)])) for seed in SEEDS
    ]
    assert slices == [[9], [9], [9], [8], [1]]
    draws = distinct_draws("width, few", 1, SEEDS, clean)
    assert list(draws)[:3] == [42, 18, 72]
    assert sorted(float(part.table["data"].iloc[0]) for part in draws.values()) == list(
        range(1, 11)
    )
    few = distinct_draws("width, few", 4, SEEDS, clean)
    sets = {tuple(sorted(set(part.table["data"]))) for part in few.values()}
    assert len(sets) == len(few) == 5
    fixed = distinct_draws("width, little data", 1, SEEDS, clean)
    assert len({id(part) for part in fixed.values()}) == 1


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
