"""The verb ``landscape`` and its probe: files, exit codes, and every way to get it wrong."""

import json
import os

import pytest

from eigenscape.cli import main
from eigenscape.landscape import Landscape

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


def test_files_are_written_read_back_and_not_written_over(capsys, probe, tmp_path):
    out = tmp_path / "out"
    words = (
        "landscape",
        "--probe",
        f"{probe}:objective",
        "--directions",
        "hessian",
        "--steps",
        "9",
        "--out",
        out,
    )
    code, text, err = run(capsys, *words)
    assert code == 0
    assert "curvature, eigenvector 1" in text
    assert err.count("wrote") == 3
    landscape = Landscape.load(out / "landscape.nc")
    assert landscape.kind == "hessian"
    assert landscape.to_dict() == Landscape.load(out / "landscape.json").to_dict()
    assert run(capsys, *words)[0] == 0  # its own files may be replaced
    (out / "landscape.nc").write_text("mine")
    code, _, err = run(capsys, *words)
    assert code == 2
    assert "was not written by eigenscape" in err


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
        (("--directions", "pca"), "'random', 'hessian'"),
        (("--normalize", "weights"), "filter, layer, model, none"),
        (("--unit", "metre"), "absolute, relative, direction"),
        (("--connectivity", "star"), "--connectivity is 'star'"),
        (("--include", "nope"), "no parameter matches"),
        (("--device", "nonsense"), "--device nonsense cannot be used"),
        (("--radius", "-1"), "above 0"),
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
    assert "Your file is run" in " ".join(capsys.readouterr().out.split())


def test_the_process_is_left_as_found(capsys, probe):
    import random

    import torch

    before, state, folder = random.getstate(), torch.get_rng_state(), os.getcwd()
    run(capsys, "landscape", "--probe", f"{probe}:build", "--steps", "3")
    assert random.getstate() == before
    assert torch.equal(torch.get_rng_state(), state)
    assert os.getcwd() == folder
