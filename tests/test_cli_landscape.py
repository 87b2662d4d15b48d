"""The verb ``landscape`` and its probe: files, exit codes, and every way to get it wrong."""

import json
import os

import pytest

from eigenscape.cli import _landscape, main
from eigenscape.cli._verb import own_file
from eigenscape.landscape import Landscape

FORMS = ("png", "svg", "pdf")
PROBE = """
import random

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from eigenscape.models import Objective

CE = nn.functional.cross_entropy


def data():
    return torch.randn(20, 4), torch.arange(20) % 3


def build():
    print("hello from the probe")
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), CE, data()


def objective():
    model, loss, batches = build()
    return Objective(model, loss, batches)


def shuffled():
    loader = DataLoader(TensorDataset(*data()), batch_size=5, shuffle=True)
    return nn.Linear(4, 3), CE, loader


class Noisy(nn.Linear):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5)


def noisy():
    return Noisy(4, 3), CE, data()


def vector():
    return nn.Linear(4, 3), nn.CrossEntropyLoss(reduction="none"), data()


def spread():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3, device="meta"))
    return model, CE, data()


def zero():
    model = nn.Linear(4, 3)
    nn.init.zeros_(model.weight)
    return model, CE, data()


def off():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 5.0)
    return model, lambda outputs, _: outputs.mean(), (torch.ones(4, 1), torch.ones(4, 1))


def wall():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 5.0)
    data = torch.ones(4, 1), torch.ones(4, 1)
    return model, lambda out, _: torch.where(out == 5, out / 5, out * torch.inf).mean(), data


def wrong():
    return 3


def pair():
    return nn.Linear(4, 3), CE


def fails():
    return {}["missing key"]


def leaves():
    raise SystemExit("enough")


number = 3
"""


@pytest.fixture
def probe(tmp_path):
    path = tmp_path / "my probe.py"
    path.write_text(PROBE)
    return path


def run(capsys, *words):
    code = main([str(word) for word in words])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_json_is_alone_on_standard_output_and_the_estimate_on_the_other(capsys, probe):
    words = ("--probe", f"{probe}:build", "--steps", "9", "--format", "json")
    code, out, err = run(capsys, "landscape", *words)
    found = json.loads(out)
    assert code == 0
    assert found["schema"] == "eigenscape.landscape/1"
    assert found["minima"] >= 1
    assert found["coordinates"][0] == [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1]
    assert found["lowest_loss"] <= found["loss_at_center"] <= found["highest_loss"]
    assert "to do: 81 points" in err
    assert "hello from the probe" in err
    assert json.loads(run(capsys, "landscape", *words)[1])["lowest_loss"] == found["lowest_loss"]


@pytest.mark.slow
def test_files_are_written_read_back_and_not_written_over(capsys, probe, tmp_path):
    out = tmp_path / "out"
    words = (
        "landscape",
        "--probe",
        f"{probe}:objective",
        "--directions",
        "hessian",
        "--steps",
        "5",
        "--out",
        out,
    )
    code, text, err = run(capsys, *words)
    assert code == 0
    assert "curvature, eigenvector 1" in text
    assert err.count("wrote") == 9
    pictures = [f"{name}.{form}" for name in ("landscape", "surface") for form in FORMS]
    assert {item.name for item in out.iterdir()} == {
        "landscape.json",
        "landscape.nc",
        "report.html",
        *pictures,
    }
    heads = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for name in pictures:
        assert (out / name).read_bytes().startswith(heads[name[-3:]])
    landscape = Landscape.load(out / "landscape.nc")
    assert landscape.kind == "hessian"
    assert landscape.to_dict() == Landscape.load(out / "landscape.json").to_dict()
    for item in out.iterdir():  # its own files may be replaced
        assert own_file(out, item.name) == item
    for name in ("landscape.nc", "landscape.pdf", "surface.svg"):
        kept = (out / name).read_bytes()
        (out / name).write_text("mine")
        code, _, err = run(capsys, *words)
        assert code == 2
        assert f"{name} exists and was not written by eigenscape" in err
        (out / name).write_bytes(kept)


@pytest.mark.parametrize("form", ["table", "md", "csv"])
def test_other_formats(capsys, probe, form):
    code, out, err = run(
        capsys,
        "landscape",
        "--probe",
        f"{probe}:build",
        "--dim",
        "1",
        "--steps",
        "5",
        "--quiet",
        "--format",
        form,
    )
    assert code == 0
    assert ("alpha_1,loss" if form == "csv" else "loss at center") in out
    assert err == "hello from the probe\n"


def test_a_run_goes_on(capsys, probe, tmp_path):
    words = ("landscape", "--probe", f"{probe}:build", "--steps", "5", "--run", tmp_path / "run")
    assert "to do: 25 points" in run(capsys, *words)[2]
    assert "to do: 0 points" in run(capsys, *words)[2]


def test_an_even_grid_is_noted(capsys, probe):
    words = ("landscape", "--probe", f"{probe}:build", "--steps", "4", "--include", "2.*")
    code, _, err = run(capsys, *words)
    assert code == 0
    assert "no point of the grid is at the center" in err
    assert "outputs of 0 kept" in err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("noisy", "not repeatable"),
        ("vector", "expected one real number"),
        ("shuffled", "shuffle=False"),
        ("spread", "expected one device"),
        ("zero", "directions without length"),
        ("wrong", "returned a int; expected an eigenscape.models.Objective"),
        ("pair", "returned a tuple of 2"),
        ("fails", "with KeyError: 'missing key'"),
        ("leaves", "SystemExit: enough"),
        ("number", "no function 'number'; its functions: data, build"),
        ("missing", "no function 'missing'"),
    ],
)
def test_what_is_wrong_with_a_probe_is_said_in_one_sentence(capsys, probe, name, message):
    code, out, err = run(capsys, "landscape", "--probe", f"{probe}:{name}", "--steps", "3")
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_the_line_of_a_failure_is_named(capsys, probe):
    _, _, err = run(capsys, "landscape", "--probe", f"{probe}:fails")
    line = PROBE.splitlines().index('    return {}["missing key"]') + 1
    assert f'line {line} (return {{}}["missing key"])' in err
    probe.write_text("x = (")
    assert "line 1 with SyntaxError" in run(capsys, "landscape", "--probe", f"{probe}:fails")[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--probe", "nowhere.py:build"), "there is no file nowhere.py"),
        (("--probe", "model.pt:build"), "expects FILE.py:FUNCTION"),
        (("--probe", "probe.py"), "expects FILE.py:FUNCTION"),
        (("--steps", "100000", "--dim", "4"), "points; at most"),
        (("--time-budget", "1e-9"), "more than the budget"),
        (("--directions", "pca"), "--directions is 'pca'; expected random or hessian"),
        (
            ("--normalize", "weights"),
            "--normalize is 'weights'; expected filter, layer, ",
        ),
        (("--unit", "metre"), "--unit is 'metre'; expected absolute, relative or direction"),
        (("--connectivity", "star"), "--connectivity is 'star'"),
        (("--include", "nope"), "no parameter matches"),
        (("--device", "nonsense"), "--device nonsense cannot be used"),
        (("--radius", "-1"), "--radius is '-1'; expected a number above 0"),
    ],
)
def test_bad_options_leave_with_2(capsys, probe, words, message):
    given = words if "--probe" in words else ("--probe", f"{probe}:build", *words)
    code, _, err = run(capsys, "landscape", *given)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_help_says_that_the_file_is_run(capsys):
    with pytest.raises(SystemExit):
        main(["landscape", "--help"])
    assert "The file is run" in " ".join(capsys.readouterr().out.split())


def test_the_process_is_left_as_found(capsys, probe):
    import random

    import torch

    before, state, folder = random.getstate(), torch.get_rng_state(), os.getcwd()
    run(capsys, "landscape", "--probe", f"{probe}:build", "--steps", "3")
    assert random.getstate() == before
    assert torch.equal(torch.get_rng_state(), state)
    assert os.getcwd() == folder


def test_a_lower_point_is_said_first_and_its_place_is_in_the_json(capsys, probe):
    words = ("landscape", "--probe", f"{probe}:off", "--dim", "1", "--steps", "5", "--quiet")
    place = "-1"  # a line of slope 1: w from 0 to 10 about the model's 5, along the direction drawn
    code, out, _ = run(capsys, *words)
    answer, _, rest = " ".join(out.split()).partition(" 1. ")
    assert code == 0
    assert answer == (
        f"The model is not the lowest of the 5 points: at ({place}) in multiples of the directions "
        "the loss is 0, 5 below the model's 5 (100 %)."
    )
    assert rest.startswith(
        f"The model is not at a minimum of this slice; the lowest point is at ({place}) in "
        "multiples of the directions, on the border of the grid: lower ones may lie outside. Both "
        "losses are means over the same 4 samples, in the batches as given; other data were not "
        "evaluated. -> Train on, or start from that point"
    )
    whole = json.loads(run(capsys, *words, "--format", "json")[1])
    assert (whole["answer"], whole["lowest"]) == (answer, [float(place)])


def test_of_one_direction_there_is_no_surface(capsys, probe, tmp_path, monkeypatch):
    drawn = []

    def draw(_, *paths, surface):
        drawn.append((surface, [path.name for path in paths]))
        for path in paths:
            path.touch()

    monkeypatch.setattr(_landscape, "save_picture", draw)
    words = ("landscape", "--probe", f"{probe}:off", "--dim", "1", "--steps", "5", "--quiet")
    code, out, err = run(capsys, *words, "--format", "csv", "--out", tmp_path)
    assert (code, err, out.splitlines()[0]) == (0, "", "alpha_1,loss")
    assert drawn == [(False, [f"landscape.{form}" for form in FORMS])]


def test_a_grid_without_a_finite_loss_is_written_and_not_drawn(capsys, probe, tmp_path):
    words = ("landscape", "--probe", f"{probe}:wall", "--dim", "1", "--steps", "4", "--quiet")
    code, out, err = run(capsys, *words, "--out", tmp_path)
    assert (code, err) == (0, "")
    assert out.startswith("None of the 4 points of the grid has a finite loss; the model's 1 is.")
    assert {item.name for item in tmp_path.iterdir()} >= {"landscape.json", "landscape.nc"}
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "landscape.png").exists()
    code, _, err = run(capsys, "topology", tmp_path / "landscape.json")
    assert code == 2
    assert "no finite value" in err
