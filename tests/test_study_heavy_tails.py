"""The study of heavy tails at a fifth of the small scale's work: two seeds, d = 60."""

import re
from dataclasses import replace

import pytest

from eigenscape.report import inline_svg
from eigenscape.results import load
from eigenscape_studies._claim import VERDICTS
from eigenscape_studies.heavy_tails import STUDY
from eigenscape_studies.heavy_tails._plan import HeavyTailsPlan


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    tiny = replace(STUDY, scales={"small": HeavyTailsPlan(d=60, seeds=(0, 1))})
    folder = tmp_path_factory.mktemp("study")
    first = tiny.run(folder=folder, engine="threads")
    again = tiny.run(folder=folder, engine="threads")
    assert again.claims == first.claims
    assert again.seconds == first.seconds
    return first


def test_claims_stand_next_to_measurements(result):
    assert len(result.claims) == 13
    for claim in result.claims:
        assert claim.verdict in VERDICTS
        assert claim.figure
        assert not claim.seeds or re.search(r"\d", claim.measured)
    by_name = {claim.name: claim for claim in result.claims}
    assert by_name["heavy tail without gradient noise"].seeds == 2
    assert by_name["small rates are slow"].verdict == "not tested here"


def test_the_loss_effect_is_stated_from_the_measurements(result):
    text = result.paragraphs["What it does to the loss"]
    rows = result.table("summary")
    rows = rows[(rows["series"] == "losses") & (rows["value"] == 1.0) & (rows["step"] == 10)]
    for metric in ("readout_test", "readout_test_reference"):
        mean = rows[rows["metric"] == metric]["mean"].iloc[0]
        assert f"to {mean:.3f}, a change of" in text
    assert len(re.findall(r"it (falls|rises|does not change)", text)) == 2
    assert len(re.findall(r"95 % interval [+-]\d", text)) == 2


@pytest.mark.slow
def test_page_and_file(result, tmp_path):
    path = STUDY.write_page(result, tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 2e6
    assert page.count("<svg") == 7
    assert page.count('class="verdict') == 13
    back = load(result.save(tmp_path / "result.json"))
    assert back == result
    assert back.plot().axes


def test_another_list_of_seeds_gives_other_numbers(result):
    tiny = replace(STUDY, scales={"small": HeavyTailsPlan(d=60, seeds=(0, 1))})
    other = tiny.run(seed_list=(1, 7), engine="threads")
    mine, theirs = (
        r.table("summary").query("metric == 'alpha_hill'")["mean"] for r in (result, other)
    )
    assert len(mine) == len(theirs)
    assert (mine.to_numpy() != theirs.to_numpy()).any()


def test_page_shortens_coordinates_and_no_text(result):
    figure = result.plot()
    figure.axes[0].set_title("threshold 0.04664")
    svg = inline_svg(figure, 0)
    assert "threshold 0.04664" in svg
    assert not re.search(r' d="[^"]*\d\.\d{3}', svg)
