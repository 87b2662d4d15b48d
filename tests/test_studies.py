"""What every study shares: the runner, the entry points, claims as data, the page, the command."""

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from eigenscape.cli import _study
from eigenscape.cli._parser import VerbParser
from eigenscape.errors import InputError, TaskError
from eigenscape.results import load
from eigenscape_studies import Claim, StudyResult, get_study, study_names
from eigenscape_studies._claim import VERDICTS
from tests._fake_study import COIN, CoinPlan

ROOT = Path(__file__).parents[1]
OURS = (
    *("heavy_tails", "landscape_profiles", "landscape_topology", "md_tree"),
    *("md_tree_population", "planted_faults", "tempbalance", "verdicts"),
)


@pytest.fixture
def coin(monkeypatch):
    """The coin as another package would offer it, beside what is installed."""
    real = metadata.entry_points

    def offered(**wanted):
        extra = metadata.EntryPoint("coin", "tests._fake_study:COIN", "eigenscape.studies")
        installed = real(group="eigenscape.studies")
        return metadata.EntryPoints([*installed, extra]).select(**wanted)

    monkeypatch.setattr(metadata, "entry_points", offered)
    return COIN


# ---- the runner


def test_stages_follow_each_other_and_the_result_is_whole():
    result = COIN.run(engine="threads")
    assert result.table("tosses")["value"].tolist() == [0.5, 0.51, 0.52, 0.53]
    assert result.paragraphs == {"In one sentence": "4 tosses."}
    fair, edge = result.claims
    assert (fair.command, fair.seeds) == ("eigenscape study coin --scale small", 3)
    assert (edge.command, edge.seeds) == ("–", 0)
    assert result.seeds == 3
    assert result.seconds > 0
    assert result.summary == {"holds": 1, "not tested here": 1}


def counted(tmp_path, **options):
    """Run the coin and return the result, and the seeds that were tossed."""
    log = tmp_path / "log"
    log.write_text("")
    plan = CoinPlan(seeds=(0, 1, 2), bias=options.pop("bias", 0.5), log=str(log))
    result = replace(COIN, scales={"small": plan}).run(engine="threads", **options)
    return result, [int(line) for line in log.read_text().split()]


def test_a_killed_study_goes_on_from_its_folder(tmp_path):
    seen = []
    folder = tmp_path / "run"
    first, tossed = counted(tmp_path, folder=folder, progress=seen.append)
    assert tossed == [0, 1, 2, 3]
    assert [progress.done for progress in seen] == [0, 1, 2, 3, 0, 1]  # stage by stage
    again, tossed = counted(tmp_path, folder=folder)
    assert tossed == []
    assert again.claims == first.claims
    assert again.seconds == first.seconds  # of the tasks, whenever they ran
    next((folder / "tosses").glob("toss_1-*.npz")).unlink()
    third, tossed = counted(tmp_path, folder=folder)
    assert tossed == [1]
    assert third.tables == first.tables


def test_failed_tasks_are_named_and_end_the_study(tmp_path):
    with pytest.raises(TaskError, match=r"3 of 3 tasks failed:\n  toss 0: ValueError: no coin"):
        counted(tmp_path, bias=2.0)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["threads", "local"])
def test_every_engine_gives_the_same(engine):
    result = COIN.run("full", engine=engine, jobs=2)
    assert result.tables == COIN.run("full", engine="threads").tables
    assert result.seeds == 30


def test_seeds_by_number_and_by_list():
    assert COIN.run(seeds=5, engine="threads").claims[0].command.endswith("small --seeds 5")
    listed = COIN.run(seed_list=(3, 5, 8), engine="threads")
    assert listed.claims[0].command == "eigenscape study coin --scale small --seed-list 3,5,8"
    assert listed.seeds == 3
    assert listed.environment.seed == 3
    np.testing.assert_allclose(listed.table("tosses")["value"], [0.53, 0.55, 0.51, 0.56])


@pytest.mark.parametrize("name", OURS)
def test_every_study_takes_its_seeds_from_one_place(name):
    study = get_study(name)
    assert study.name == name
    for scale, plan in study.scales.items():
        assert study.plan(scale) is plan
        # the networks of "verdicts" are the cases, and its seeds only some of what differs
        assert len(set(plan.seeds)) == len(plan.seeds) >= (2 if name == "verdicts" else 3)
        if name == "planted_faults":
            with pytest.raises(InputError, match="leave --seeds and --seed-list out"):
                study.plan(scale, 5)
            continue
        assert study.plan(scale, 4).seeds == plan.first_seeds(4)
        assert study.plan(scale, None, (9, 4)).seeds == (9, 4)


def test_refusals():
    with pytest.raises(InputError, match="scale is 'huge'; expected one of small, full"):
        COIN.run("huge")
    with pytest.raises(InputError, match="seeds is 1; an interval needs 2 or more"):
        COIN.run(seeds=1)
    for wrong in ((3,), (3, 3), (), (2, -1)):
        with pytest.raises(InputError, match=r"seed list .*expected 2 or more different numbers"):
            COIN.run(seed_list=wrong)
    with pytest.raises(InputError, match="a number of seeds and a list of them"):
        COIN.run(seeds=3, seed_list=(1, 2))
    with pytest.raises(InputError, match="verdict 'maybe'"):
        Claim(name="", statement="", figure="", measured="", verdict="maybe")


# ---- entry points


def test_our_studies_are_installed():
    assert set(OURS) <= set(study_names())


def test_others_can_add_a_study(coin):
    assert "coin" in study_names()
    assert get_study("coin") is COIN
    result = COIN.run(engine="threads")
    assert result.plot().axes


def test_what_is_offered_wrongly_is_refused(monkeypatch):
    def offering(*values):
        points = [metadata.EntryPoint("coin", value, "eigenscape.studies") for value in values]
        monkeypatch.setattr(
            metadata, "entry_points", lambda **wanted: metadata.EntryPoints(points).select(**wanted)
        )

    offering()
    with pytest.raises(InputError, match="no study 'coin'; installed: none"):
        get_study("coin")
    offering("tests._fake_study:toss")
    with pytest.raises(InputError, match=r"tests\._fake_study:toss is not a Study"):
        get_study("coin")
    offering("tests._fake_study:COIN", "elsewhere:COIN")
    with pytest.raises(InputError, match="more than once: tests"):
        get_study("coin")
    with pytest.raises(InputError, match="more than once"):
        command("coin")


# ---- page and command


def command(*words):
    parser = VerbParser()
    _study.add(parser.add_subparsers())
    args = parser.parse_args(["study", *words])
    return args.verb(args)


def test_page_is_self_contained_and_small(coin, tmp_path):
    result = coin.run(engine="threads")
    page = coin.write_page(result, tmp_path / "report.html").read_text(encoding="utf-8")
    assert page == coin.html(result)
    assert page.count("<svg") == 1
    assert page.count('class="verdict') == 2
    assert "Bernoulli" in page
    assert "prefers-color-scheme: dark" in page
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]+"', page)
    assert "#1a1a1a" not in page.split("</style>", 1)[1].replace("currentColor", "")


def test_result_survives_a_file_and_a_fresh_process(tmp_path):
    result = COIN.run(engine="threads")
    path = result.save(tmp_path / "result.json")
    back = load(path)
    assert isinstance(back, StudyResult)
    assert back == result
    code = f"from eigenscape.results import load; print(load({str(path)!r}).summary)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(result.summary)


def test_command_prints_one_json_object_and_writes_the_page(coin, tmp_path, capsys):
    words = ("coin", "--engine", "threads", "--seed-list", "1,2,3", "--quiet")
    assert command(*words, "--format", "json", "--out", str(tmp_path)) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["study"] == "coin"
    assert printed["claims"][0]["command"].endswith("--seed-list 1,2,3")
    assert (tmp_path / "report.html").read_text().count("<svg") == 1
    assert load(tmp_path / "result.json").seeds == 3
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["again", "tosses"]
    assert command(*words) == 0
    out = capsys.readouterr().out
    assert "not tested here" in out
    assert "In one sentence: 4 tosses." in out


def test_command_lists_what_is_installed(coin, capsys):
    assert command("--list") == 0
    out = capsys.readouterr().out
    for name in (*OURS, "coin"):
        assert re.search(rf"^ *{name}\b", out, re.MULTILINE)
    assert command("--list", "--format", "json") == 0
    listed = json.loads(capsys.readouterr().out)["studies"]
    assert {"coin", "md_tree"} <= {row["name"] for row in listed}


def test_help_names_what_is_installed(coin, capsys):
    with pytest.raises(SystemExit):
        command("--help")
    assert re.search(
        r"installed studies:\n  coin, heavy_tails, .*tempbalance, verdicts", capsys.readouterr().out
    )


def test_command_refuses_what_is_not_there():
    with pytest.raises(InputError, match="no study 'heavy'; installed: heavy_tails, land"):
        command("heavy")
    with pytest.raises(InputError, match="no study is named; installed: heavy_tails"):
        command()
    with pytest.raises(InputError, match="is '1;2'; expected whole numbers separated by"):
        command("md_tree", "--seed-list", "1;2")


def test_the_library_reads_no_study_until_one_is_asked_for():
    code = (
        "import sys, eigenscape.cli; print([m for m in sys.modules if 'eigenscape_studies' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_wheel_holds_templates_types_and_entry_points(tmp_path):
    """What the page and a type checker need is installed, not only checked out."""
    words = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (points,) = (name for name in names if name.endswith("entry_points.txt"))
        offered = archive.read(points).decode()
    assert {"eigenscape_studies/py.typed", "eigenscape/py.typed"} <= names
    assert "eigenscape_studies/templates/study.html.j2" in names
    assert any(name.startswith("eigenscape/report/templates/") for name in names)
    for name in OURS:
        assert f"{name} = eigenscape_studies.{name}:STUDY" in offered


def test_verdicts_have_their_names():
    assert VERDICTS == ("holds", "in part", "fails", "not tested here")
