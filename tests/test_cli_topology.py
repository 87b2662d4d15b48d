"""``eigenscape topology`` and ``eigenscape check-grid`` as a stranger uses them."""

import json

import numpy as np
import pytest

from eigenscape.cli import main

WORKED = np.array([5.0, 1, 3, 0, 4, 2, 6])


def run(capsys, *words):
    code = main([str(word) for word in words])
    out = capsys.readouterr()
    return code, out.out, out.err


def saved(folder, values, name="grid.npy"):
    np.save(folder / name, values)
    return folder / name


def rough(seed=0, n=21):
    x = np.linspace(-1, 1, n)
    return 1 + np.add.outer(x**2, x**2) + 0.3 * np.random.default_rng(seed).random((n, n))


def test_json_has_the_numbers_at_the_top(capsys, tmp_path):
    code, out, _ = run(capsys, "topology", saved(tmp_path, WORKED), "--format", "json")
    data = json.loads(out)
    assert code == 0
    assert data["schema"] == "eigenscape.topology/1"
    assert data["minima"] == [3, 1, 5]
    assert data["saddles"] == [2, 4]
    assert data["essential"] == [3]
    assert data["pairs"] == [
        {"birth_index": 1, "death_index": 2, "birth": 1, "death": 3, "persistence": 2},
        {"birth_index": 5, "death_index": 4, "birth": 2, "death": 4, "persistence": 2},
    ]
    assert data["average_persistence"] == 2
    assert data["average_persistence_with_essential"] == pytest.approx(10 / 3)
    assert data["total_persistence"] == 4
    assert data["entropy"] == pytest.approx(np.log(2))
    arcs = {arc["node_index"]: (arc["parent_index"], arc["samples"]) for arc in data["arcs"]}
    assert arcs == {1: (2, 1), 3: (2, 1), 2: (4, 1), 5: (4, 1), 4: (-1, 3)}


@pytest.mark.parametrize("form", ["table", "csv", "md"])
def test_other_formats(capsys, tmp_path, form):
    code, out, err = run(capsys, "topology", saved(tmp_path, rough()), "--format", form)
    assert code == 0
    assert "birth_index" in out
    assert ("minima by connectivity" in out) == (form != "csv")
    assert err == ""


def test_connectivities_and_superlevel(capsys, tmp_path):
    path = saved(tmp_path, rough())
    counts = {}
    for name in ("cross", "freudenthal", "full"):
        _, out, _ = run(capsys, "topology", path, "--connectivity", name, "--format", "json")
        data = json.loads(out)
        counts[name] = data["n_minima"]
        assert {row["connectivity"]: row["n_minima"] for row in data["sensitivity"]}[name] == (
            data["n_minima"]
        )
    assert counts["cross"] > counts["freudenthal"] > counts["full"]
    code, out, _ = run(capsys, "topology", path, "--superlevel")
    assert code == 0
    assert "maxima by connectivity" in out


def test_simplification(capsys, tmp_path):
    path = saved(tmp_path, rough())
    _, out, _ = run(capsys, "topology", path, "--simplify", "5%", "--format", "json")
    data = json.loads(out)
    assert data["simplified"] == pytest.approx(0.05 * np.ptp(rough()))
    assert data["unsimplified_minima"] > data["n_minima"]
    assert min(pair["persistence"] for pair in data["pairs"]) >= data["simplified"]
    _, out, _ = run(capsys, "topology", path, "--simplify", "0.05")
    assert "pairs below 0.05 cancelled" in out


def test_files_are_written_and_only_ours_are_overwritten(capsys, tmp_path):
    path, out = saved(tmp_path, rough()), tmp_path / "out"
    for _ in range(2):  # a second time over our own
        code, _, err = run(capsys, "topology", path, "--out", out, "--format", "json")
        assert code == 0
    assert "topology.png" in err
    assert {item.name for item in out.iterdir()} == {"topology.json", "topology.png"}
    assert (out / "topology.png").read_bytes()[:4] == b"\x89PNG"
    (out / "topology.png").write_bytes(b"\x89PNG a picture of mine")
    before = (out / "topology.json").read_bytes()
    code, _, err = run(capsys, "topology", path, "--out", out)
    assert code == 2
    assert "not written by eigenscape" in err
    assert (out / "topology.json").read_bytes() == before
    assert (out / "topology.png").read_bytes() == b"\x89PNG a picture of mine"


def test_large_grids_leave_the_comparison_out_and_say_so(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("eigenscape.topology._result.LARGEST_STORED", 100)
    path = saved(tmp_path, rough())
    _, out, err = run(capsys, "topology", path)
    assert "by connectivity" not in out
    assert "--sensitivity" in err
    _, out, _ = run(capsys, "topology", path, "--sensitivity")
    assert "by connectivity" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["topology", "missing.npy"], "no such file"),
        (["topology", "GRID", "--simplify", "lots"], "--simplify expects"),
        (["topology", "GRID", "--simplify", "-1"], "--simplify expects"),
        (["topology", "GRID", "--simplify", "120%"], "--simplify expects"),
        (["topology", "GRID", "--simplify", "nan"], "--simplify expects"),
        (["topology", "GRID", "--connectivity", "knight"], "connectivity is 'knight'"),
        (["topology", "GRID", "--value", "loss"], "without a name"),
        (["check-grid", "missing.npy"], "no such file"),
    ],
)
def test_bad_usage_is_one_sentence(capsys, tmp_path, words, says):
    path = saved(tmp_path, WORKED)
    code, out, err = run(capsys, *(path if word == "GRID" else word for word in words))
    assert code == 2
    assert out == ""
    assert says in err
    assert "Traceback" not in err


def test_nan_samples_are_reported(capsys, tmp_path):
    values = rough()
    values[:2, :2] = np.nan
    code, out, err = run(capsys, "topology", saved(tmp_path, values), "--format", "json")
    assert code == 0
    assert json.loads(out)["values"][0][:2] == ["Infinity", "Infinity"]
    assert "4 of 441 samples are not finite" in err
    flat = np.isnan(values).reshape(-1)
    assert not flat[json.loads(out)["minima"]].any()  # a patch without values is no basin


def test_check_grid(capsys, tmp_path):
    x = np.linspace(-1, 1, 21)
    clean = saved(tmp_path, np.add.outer(x**2, x**2), "clean.npy")
    code, out, _ = run(capsys, "check-grid", clean, "--fail-on-fault")
    assert code == 0
    assert out == "Nothing found on 21×21 samples that would mislead a count of minima.\n\n"
    valley = 0.02 * x[:, None] ** 2 + (np.linspace(-1, 1, 22) + 1.2) ** 2
    rows = valley[:, 1:].copy()
    rows[1::2] = valley[1::2, :-1]
    path = saved(tmp_path, rows)
    code, out, _ = run(capsys, "check-grid", path, "--format", "json", "--out", tmp_path / "out")
    assert code == 0
    data = json.loads(out)
    assert data["schema"] == "eigenscape.grid_report/1"
    assert data["n_faults"] == 1
    assert data["suspicions"][0]["name"] == "zig-zag"
    assert json.loads((tmp_path / "out/grid_report.json").read_text())["n_faults"] == 1
    code, out, err = run(capsys, "check-grid", path, "--fail-on-fault")
    assert code == 1
    assert "unzigzag(values, axis=1" in out
    assert "gate: zig-zag" in err
    code, out, _ = run(capsys, "check-grid", path, "--format", "csv")
    assert out.startswith("severity,finding")


def test_the_answer_stands_first(capsys, tmp_path):
    line = saved(tmp_path, WORKED)
    _, out, _ = run(capsys, "topology", line)
    words = " ".join(out.split())
    assert words.startswith(
        "3 minima and 2 saddles on 7 samples (diagonal neighbours count; a plateau counts once); 2 "
        "pairs persist 2 on average, 33.3 % of the range of the losses."
    )
    _, out, _ = run(capsys, "topology", line, "--superlevel", "--format", "json")
    assert json.loads(out)["answer"].startswith("4 maxima and 3 saddles on 7 samples")
    _, out, _ = run(capsys, "topology", saved(tmp_path, np.ones((3, 3))))
    assert out.startswith("1 minimum and no saddle on 3×3 samples")


def test_findings_name_the_file(capsys, tmp_path):
    values = np.array([1.0, np.nan, 0.0, 1e-5, 0.5e-5, 2.0])
    path = saved(tmp_path, values, "a grid.npy")
    _, out, _ = run(capsys, "topology", path, "--format", "json")
    lost, shallow = json.loads(out)["findings"]
    assert lost["text"] == (
        "1 of 6 samples is NaN or infinite, taken as above all others; 1 pair of basins that meet "
        "only there is in no average."
    )
    assert lost["command"] == f"eigenscape check-grid '{path}'"
    assert shallow["text"] == "1 of 1 pairs persist no more than a thousandth of the range (0.002)."
    assert shallow["command"] == f"eigenscape topology '{path}' --simplify 0.1%"
    _, out, _ = run(capsys, "check-grid", path)
    words = " ".join(out.split())
    assert words.startswith(
        "1 fault and 1 note on 6 samples: not-finite, even-steps; a count of minima on it misleads."
    )
    assert "1. Fault: 1 of 6 samples are NaN or infinite, in 1 patch(es). -> Sample a " in words
    _, out, _ = run(capsys, "check-grid", path, "--format", "md")
    assert out.count("| fault | not-finite |") == 1
