"""eigenscape patch: diff, apply, revert, show."""

import json

import pytest
import torch

from eigenscape.checkpoints import open_checkpoint, save_checkpoint
from eigenscape.cli import main


@pytest.fixture
def files(tmp_path):
    generator = torch.Generator().manual_seed(0)
    base = {"a.weight": torch.randn(8, 8, generator=generator), "a.bias": torch.ones(8)}
    pruned = {**base, "a.weight": base["a.weight"] * (base["a.weight"].abs() > 0.5)}
    save_checkpoint(base, tmp_path / "base.safetensors")
    save_checkpoint(pruned, tmp_path / "pruned.safetensors")
    return tmp_path, base, pruned


def test_a_patch_goes_there_and_back(files, capsys):
    folder, base, pruned = files
    names = ("base", "pruned", "patch", "edited", "again")
    before, after, patch, edited, again = (str(folder / f"{n}.safetensors") for n in names)
    originals = [(folder / f"{name}.safetensors").read_bytes() for name in names[:2]]
    assert main(["patch", "diff", before, after, "--out", patch]) == 0
    assert "reverts alone" in capsys.readouterr().err
    assert main(["patch", "apply", patch, before, "--out", edited, "--quiet"]) == 0
    assert main(["patch", "revert", patch, edited, "--out", again, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert torch.equal(open_checkpoint(edited)["a.weight"], pruned["a.weight"])
    assert open_checkpoint(again)["a.weight"].equal(base["a.weight"])
    assert (folder / "again.safetensors").read_bytes() == originals[0]
    assert [(folder / f"{name}.safetensors").read_bytes() for name in names[:2]] == originals

    assert main(["patch", "show", patch, "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["reverts_alone"] is True
    assert [(row["tensor"], row["changed"]) for row in shown["edits"]] == [
        ("a.weight", int((pruned["a.weight"] == 0).sum()))
    ]
    assert main(["patch", "show", patch]) == 0
    assert "a.weight" in capsys.readouterr().out


def test_a_small_patch_needs_the_base(files, capsys):
    folder, base, _ = files
    before, after, patch, back = (
        str(folder / f"{name}.safetensors") for name in ("base", "pruned", "patch", "back")
    )
    assert main(["patch", "diff", before, after, "--small", "--out", patch]) == 0
    assert main(["patch", "revert", patch, after, "--out", back]) == 2
    assert "reverts only with the base" in capsys.readouterr().err
    assert main(["patch", "revert", patch, after, "--base", before, "--out", back]) == 0
    assert open_checkpoint(back)["a.weight"].equal(base["a.weight"])


def test_nothing_is_overwritten_and_other_models_are_refused(files, capsys):
    folder, _, _ = files
    before, after, patch = (
        str(folder / f"{name}.safetensors") for name in ("base", "pruned", "patch")
    )
    assert main(["patch", "diff", before, after, "--out", before]) == 2
    assert main(["patch", "diff", before, after, "--out", patch]) == 0
    for target in (before, patch):
        assert main(["patch", "apply", patch, before, "--out", target]) == 2
        assert "exists and was not overwritten" in capsys.readouterr().err
    assert main(["patch", "apply", patch, after, "--out", str(folder / "x.safetensors")]) == 2
    assert "has the edit already" in capsys.readouterr().err
    assert main(["patch", "show", before]) == 2
    assert "is not a patch" in capsys.readouterr().err
    assert not (folder / "x.safetensors").exists()
    assert main(["patch", "diff", before, before, "--out", str(folder / "none.safetensors")]) == 0
    assert main(["patch", "show", str(folder / "none.safetensors")]) == 0
    assert "changes nothing" in capsys.readouterr().out
