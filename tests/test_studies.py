"""The study: its claims as data, its page, its command."""

import argparse
import json
import re

import pytest

from eigenscape.cli import _study
from eigenscape.errors import InputError
from eigenscape.results import load
from eigenscape_studies import (
    STUDIES,
    VERDICTS,
    Claim,
    StudyResult,
    get_study,
    run_study,
    write_study_page,
)
from eigenscape_studies.heavy_tails import _plan, _run


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The study at a fifth of the small scale's work: two seeds, d = 60."""
    tiny = _plan.Scale(60, 2)
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_plan.PLANS, "small", tiny)
        patch.setattr(_run, "PLANS", _plan.PLANS)
        first = run_study("heavy_tails", folder=folder, engine="threads", jobs=1)
        again = run_study("heavy_tails", folder=folder, engine="threads", jobs=1)
    return first, again, folder


def test_claims_stand_next_to_measurements(study):
    result, again, _ = study
    assert len(result.claims) == 13
    for claim in result.claims:
        assert claim.verdict in VERDICTS
        assert claim.figure
        assert not claim.seeds or re.search(r"\d", claim.measured)
    by_name = {claim.name: claim for claim in result.claims}
    assert by_name["heavy tail without gradient noise"].seeds == 2
    assert by_name["small rates are slow"].verdict == "not tested here"
    assert result.seconds > again.seconds  # the second run only reads what the first one kept
    assert again.claims == result.claims


def test_the_loss_effect_is_stated_from_the_measurements(study):
    result, _, _ = study
    text = result.paragraphs["What it does to the loss"]
    rows = result.table("summary")
    rows = rows[(rows["series"] == "losses") & (rows["value"] == 1.0) & (rows["step"] == 10)]
    for metric in ("readout_test", "readout_test_reference"):
        mean = rows[rows["metric"] == metric]["mean"].iloc[0]
        assert f"to {mean:.3f}, a change of" in text
    assert len(re.findall(r"it (falls|rises|does not change)", text)) == 2
    assert len(re.findall(r"95 % interval [+-]\d", text)) == 2


@pytest.mark.slow
def test_page_is_self_contained_and_small(study, tmp_path):
    result, _, _ = study
    path = write_study_page(result, tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 2e6
    assert page.count("<svg") == 7
    assert "prefers-color-scheme: dark" in page
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]+"', page)
    assert "#1a1a1a" not in page.split("</style>", 1)[1].replace("currentColor", "")
    assert page.count('class="verdict') == 13


def test_result_survives_a_file(study, tmp_path):
    result, _, _ = study
    back = load(result.save(tmp_path / "result.json"))
    assert isinstance(back, StudyResult)
    assert back.claims == result.claims
    assert back.plot().axes
    assert sum(back.summary.values()) == 13


def command(*words):
    parser = argparse.ArgumentParser()
    _study.add(parser.add_subparsers())
    args = parser.parse_args(["study", *words])
    return args.verb(args)


def test_command_prints_one_json_object_and_writes_the_page(study, tmp_path, monkeypatch, capsys):
    result, _, _ = study
    monkeypatch.setattr("eigenscape_studies.run_study", lambda *_, **__: result)
    monkeypatch.setattr(
        "eigenscape_studies.write_study_page", lambda _, path: path.write_text("eigenscape")
    )
    assert command("heavy_tails", "--format", "json", "--out", str(tmp_path), "--quiet") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["study"] == "heavy_tails"
    assert (tmp_path / "report.html").exists()
    assert command("heavy_tails") == 0
    assert "no spike, no tail" in capsys.readouterr().out


def test_refusals():
    with pytest.raises(InputError, match="no study 'heavy'; expected one of heavy_tails"):
        command("heavy")
    with pytest.raises(InputError, match="scale is 'huge'; expected one of small, paper"):
        run_study("heavy_tails", "huge")
    with pytest.raises(InputError, match="seeds is 1; an interval needs 2 or more"):
        run_study("heavy_tails", seeds=1)
    with pytest.raises(InputError, match="verdict 'maybe'"):
        Claim(name="", statement="", figure="", command="", measured="", seeds=1, verdict="maybe")
    for name in STUDIES:
        assert get_study(name).name == name


def test_page_shortens_coordinates_and_no_text(study):
    from eigenscape.report import inline_svg

    result, _, _ = study
    figure = result.plot()
    figure.axes[0].set_title("threshold 0.04664")
    svg = inline_svg(figure, 0)
    assert "threshold 0.04664" in svg
    assert not re.search(r' d="[^"]*\d\.\d{3}', svg)
