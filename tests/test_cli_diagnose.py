"""``eigenscape diagnose``: exit codes, streams, files, bad input."""

import json
from pathlib import Path

import pytest

from eigenscape.cli import main
from eigenscape.diagnosis import GrowPlan, MDTree, read_population
from tests._data import data_file
from tests.test_diagnosis import small_table


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "grid.csv"
    small_table().to_csv(path, index=False)
    return path


def run(capsys, *words):
    code = main(["diagnose", *map(str, words)])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_evaluate_prints_json_alone(capsys, table):
    code, out, err = run(
        capsys,
        "evaluate",
        "--train",
        table,
        "--test",
        table,
        "--search",
        "exact",
        "--cells",
        "3",
        "--seed-list",
        "1,2",
        "--format",
        "json",
    )
    data = json.loads(out)
    assert code == 0
    assert data["schema"] == "eigenscape.diagnosis_evaluation/1"
    assert [row["seed"] for row in data["per_seed"]] == [1, 2]
    assert len(data["thresholds"]) == 3
    assert data["majority"] == 50.0
    assert 0 <= data["zero_shot"] <= 100
    assert "does not state how its metrics were measured" in err


@pytest.mark.parametrize("form", ["table", "csv", "md"])
def test_other_formats(capsys, table, form):
    code, out, _ = run(
        capsys, "evaluate", "--train", table, "--test", table, "--format", form, "--quiet"
    )
    assert code == 0
    assert "majority" in out
    assert "validation" in out


def test_fit_writes_the_tree(capsys, table, tmp_path):
    folder = tmp_path / "tree"
    code, out, err = run(capsys, "fit", table, "--question", "width", "--out", folder)
    assert code == 0
    assert "n_width" in out
    assert "thresholds (exact search)" in err
    assert {path.name for path in folder.iterdir()} == {"tree.json", "tree.png"}
    tree = MDTree.load(folder / "tree.json")
    assert tree.thresholds == MDTree.fit(read_population(table), question="width").thresholds
    assert run(capsys, "fit", table, "--out", folder, "--format", "json", "--quiet")[0] == 0


def test_baselines_without_their_columns_are_left_out(capsys, tmp_path):
    path = tmp_path / "bare.csv"
    small_table().drop(columns=["test_loss", "CKA"]).to_csv(path, index=False)
    words = ("evaluate", "--train", path, "--test", path, "--format", "json", "--quiet")
    data = json.loads(run(capsys, *words)[1])
    assert list(data["baselines"]) == ["hyperparameters", "one checkpoint"]
    data = json.loads(run(capsys, *words, "--no-baselines")[1])
    assert data["baselines"] == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--question", "depth"), "--question is 'depth'; expected temperature, width or data"),
        (("--search", "fast"), "--search is 'fast'; expected paper or exact"),
        (("--cells", "99"), "cells is 99; grid has 6"),
        (
            ("--question", "width", "--variant", "cka"),
            "no tree for question 'width', variant 'cka'",
        ),
        (("--max-width", "1"), "no configuration of grid is left"),
    ],
)
def test_bad_input_is_one_sentence(capsys, table, words, message):
    code, out, err = run(capsys, "evaluate", "--train", table, "--test", table, "--quiet", *words)
    assert code == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_missing_columns_are_named_at_once(capsys, tmp_path):
    path = tmp_path / "bad.csv"
    small_table().drop(columns=["width", "test_acc"]).to_csv(path, index=False)
    code, _, err = run(capsys, "fit", path)
    assert code == 2
    assert "missing columns: width, test_acc" in err
    assert run(capsys, "fit", tmp_path / "nowhere.csv")[0] == 2


def test_the_published_tables(capsys):
    folder = data_file("md_tree")
    code, out, err = run(
        capsys,
        "evaluate",
        "--train",
        folder / "dataframe_normal_public.csv",
        "--test",
        folder / "dataframe_noise_public.csv",
        "--question",
        "data",
        "--search",
        "paper",
        "--no-baselines",
        "--format",
        "json",
    )
    assert code == 0
    assert json.loads(out)["accuracy"] == pytest.approx(63.0, abs=0.1)
    assert "--min-width 32" in err


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        ([], (0, 1)),
        (["--seeds", "3"], (0, 1, 2)),
        (["--seeds", "3", "--seed", "5"], (5, 6, 7)),
        (["--seed-list", "4,9"], (4, 9)),
    ],
)
def test_grow_takes_a_number_of_seeds_or_the_seeds(capsys, monkeypatch, words, seeds):
    from eigenscape.cli import _diagnose_grow

    asked = []
    monkeypatch.setattr(_diagnose_grow, "_estimate", lambda *given: asked.append(given) or 0)
    probe = f"{Path(__file__).parent / '_grow_family.py'}:family"
    code, _, err = run(capsys, "grow", "--probe", probe, "--out", "x", "--estimate", *words)
    assert code == 0, err
    assert [each.seeds for each in asked[0] if isinstance(each, GrowPlan)] == [seeds]


def test_seeds_and_a_list_of_them_exclude_each_other(capsys, table):
    words = ("evaluate", "--train", table, "--test", table, "--seeds", "2", "--seed-list", "1,2")
    code, _, err = run(capsys, *words)
    assert code == 2
    assert "--seed-list and --seeds exclude each other. Try: one of them" in err
    code, _, err = run(capsys, *words[:5], "--seed-list", "1,b")
    assert code == 2
    assert "--seed-list is '1,b'; expected whole numbers separated by commas" in err
