"""A check-up with a probe: what fails is named, what works stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eigenscape.cli import main

MODELS = {
    "bags": "nn.Sequential(nn.EmbeddingBag(10, 4), nn.Linear(4, 1))",
    "one": "nn.Sequential(nn.Embedding(10, 1), nn.Flatten(), nn.Linear(3, 1))",
}
PROBE = """
import torch
from torch import nn

class Moody(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.calls = {model}, 0

    def forward(self, ids):
        self.calls += 1
        if self.calls > {limit}:
            raise KeyError("no more")
        return self.inner(ids)

def build():
    data = torch.randint(10, (12, 3)), torch.randn(12, 1)
    return Moody(), nn.functional.mse_loss, [data]
"""


def _checked(
    folder: Path, capsys: pytest.CaptureFixture[str], model: str, limit: float
) -> tuple[dict[str, object], int]:
    probe = folder / "probe.py"
    probe.write_text(PROBE.format(model=MODELS[model], limit=limit))
    options = ["--out", str(folder / "out"), "--format", "json", "--quiet", "--engine", "threads"]
    code = main(["checkup", "--probe", f"{probe}:build", *options])
    capsys.readouterr()
    return json.loads((folder / "out" / "result.json").read_text()), code


def test_without_a_second_derivative_the_landscape_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, code = _checked(tmp_path, capsys, "bags", 1e9)
    assert code == 0
    assert list(found["around"]) == ["Landscape of the loss"]
    said = " ".join(found["sentences"])
    assert "Not examined: the curvature of the loss, because of: an operation" in said
    assert "in a random filter-normalised plane" in said
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000


def test_a_model_that_begins_to_fail_keeps_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, code = _checked(tmp_path, capsys, "one", 8)
    assert code == 0
    assert list(found["around"]) == ["Curvature of the loss"]
    refused = [line for line in found["sentences"] if line.startswith("Not examined: the ")]
    assert len(refused) == 2
    assert refused[0].startswith("Not examined: the landscape of the loss")
    assert refused[1].startswith("Not examined: the use of the layers")  # it has none
    assert "KeyError: 'no more'" in refused[0]
