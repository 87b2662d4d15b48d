"""Six checkpoints of known state: what the first five lines of a terminal say of each."""

import math
from dataclasses import replace

import pytest
import torch
from matplotlib.collections import LineCollection

from eigenscape.ablation import ablate
from eigenscape.checkpoints import save_checkpoint
from eigenscape.checkup import CheckupResult
from eigenscape.cli import main
from eigenscape.models import Objective
from eigenscape.results import load
from eigenscape.spectra import analyze, compare

#: Words that would judge a training by its weights, which no measurement allows.
JUDGING = (
    "under-trained",
    "over-trained",
    "well trained.",
    "train longer",
    "stop",
    "learning rate",
)


def heavy(seed, rows=64, cols=96):
    """A matrix whose eigenvalues follow a power law of exponent 3, inside the published range."""
    generator = torch.Generator().manual_seed(seed)
    left, _ = torch.linalg.qr(torch.randn(rows, rows, generator=generator))
    right, _ = torch.linalg.qr(torch.randn(cols, rows, generator=generator))
    quantiles = (torch.arange(rows) + 0.5) / rows
    return left * quantiles ** (-1 / 4) @ right.T


def random(seed, rows=64, cols=96):
    return torch.randn(rows, cols, generator=torch.Generator().manual_seed(seed)) / math.sqrt(cols)


def network(make):
    """Four blocks of two layers and a norm each, the layers by their number."""
    layers = {f"h.{k // 2}.{('up', 'down')[k % 2]}.weight": make(k) for k in range(8)}
    return layers | {f"h.{k}.ln.weight": torch.ones(64) for k in range(4)}


def tuned(weights, by, frozen=()):
    """Every layer moved by a random matrix of ``by(k)`` times its norm."""
    after = {}
    for k, (name, before) in enumerate(weights.items()):
        noise = torch.randn(before.shape, generator=torch.Generator().manual_seed(100 + k))
        move = noise * (by(k) * before.norm() / noise.norm())
        after[name] = before.clone() if name in frozen else before + move
    return after


@pytest.fixture
def first_lines(tmp_path, monkeypatch, capsys):
    """Run a verb on checkpoints at 80 columns; return its first five lines and all of them."""
    monkeypatch.setenv("COLUMNS", "80")

    def lines(verb, *checkpoints, options=()):
        paths = [
            save_checkpoint(weights, tmp_path / f"{index}.safetensors", overwrite=True)
            for index, weights in enumerate(checkpoints)
        ]
        assert main([verb, *map(str, paths), "--quiet", *options]) == 0
        told = capsys.readouterr().out.splitlines()
        assert max(map(len, told)) <= 80
        assert not [word for word in JUDGING for line in told[:8] if word in line]
        return " ".join(" ".join(told[:5]).split()), told

    return lines


def test_a_healthy_network_is_described_and_not_praised(first_lines):
    five, _ = first_lines("spectra", network(heavy))
    assert five.startswith("8 layers (99% of 49,408 parameters): 8 ")
    assert "weights alone do not say how well it is trained." in five
    assert "1. No layer is NaN, zero, of low rank or random-like." in five
    assert "-> Measure on data what the layers do: eigenscape checkup" in five


def test_a_network_at_its_random_start(first_lines):
    five, told = first_lines("spectra", network(random))
    assert five.startswith("7 of 8 layers (99% of 49,408 parameters) have the spectrum of a random")
    assert "(1% of random ones lie outside), as before any training;" in five  # one in 13 networks
    assert "weights alone do not say whether it was trained." in five
    assert "1. Random-like spectrum in 7 of 8 layers: " in five
    assert any("eigenscape checkup --probe" in line for line in told[:7])


def test_a_network_half_of_which_is_random(first_lines):
    five, _ = first_lines("spectra", network(lambda k: heavy(k) if k % 2 else random(k)))
    assert "4 random-like" in five
    assert "1. Random-like spectrum in 4 of 8 layers: h.*.up; its" not in five
    assert "1. Random-like spectrum in 4 of 8 layers: h.*.up" in five
    assert "-> See whether the network uses them" in five


def test_a_wrecked_fine_tuning_is_told_in_the_first_line(first_lines):
    before = network(heavy)
    five, told = first_lines("compare", before, tuned(before, lambda k: 4 + k))
    assert five.startswith(
        "8 of 8 layers moved beyond rounding (by 4 to 11 times their norm, most h.3.down);"
    )
    assert "1. 8 of 8 layers moved by more than their own norm (most h.3.down, 11 times)" in five
    assert "-> Measure the loss of both on held-out data." in five
    assert " – " not in "".join(told)  # no dash stands for a number that there is not
    table = [line for line in told if "*.ln.weight" in line]
    assert len(table) == 1  # four norms in one row


def test_a_frozen_layer_is_named(first_lines):
    before = network(heavy)
    frozen = ("h.1.up.weight", *(f"h.{k}.ln.weight" for k in range(4)))
    five, _ = first_lines("compare", before, tuned(before, lambda _: 0.02, frozen))
    assert five.startswith("7 of 8 layers moved beyond rounding (by 2 % of their norm, most h.")
    assert "1 unchanged bit for bit" in five
    assert "1. Unchanged bit for bit while 7 layers moved (frozen?): h.1.up." in five
    assert "-> Check that this is meant." in five


def test_nan_comes_first(first_lines):
    before = network(heavy)
    after = tuned(before, lambda _: 0.02)
    after["h.2.up.weight"][3, 4] = math.nan
    five, _ = first_lines("spectra", after)
    assert five.startswith(
        "1 of 8 layers (99% of 49,408 parameters) holds NaN or infinite weights, so that the "
        "network cannot be used as it is:"
    )
    assert "1. NaN or infinite weights in h.2.up (1 of 6,144" in five
    five, _ = first_lines("compare", before, after)
    assert five.startswith("1 layer with NaN or infinite weights; 7 of 8 layers moved")
    assert "1. NaN or infinite weights after, finite before: h.2.up." in five


# ------------------------------------------------------------------ what beyond noise means


def test_a_cast_to_another_type_is_within_rounding_and_a_larger_change_is_not():
    before = network(heavy)
    cast = compare(before, {name: tensor.bfloat16() for name, tensor in before.items()})
    assert cast.answer.startswith("None of 8 layers moved beyond rounding, 8 within it;")
    assert all(0 < change.weight_change <= change.rounding for change in cast.changes)
    assert cast.changes[0].rounding == pytest.approx(2.0**-8 + 2.0**-24)
    again = {name: (1.02 * tensor).bfloat16() for name, tensor in before.items()}
    assert compare(before, again).answer.startswith("8 of 8 layers moved beyond rounding")


def test_equal_checkpoints_are_said_to_be_equal():
    before = network(heavy)
    result = compare(before, before)
    assert result.answer == "All 8 layers are equal bit for bit, and every other tensor."
    assert result.findings == ()


def test_a_saved_comparison_says_the_same(tmp_path):
    before = network(heavy)
    result = compare(before, tuned(before, lambda k: 0.1 * (k + 1)))
    again = load(result.save(tmp_path / "result.json"))
    assert (again.answer, again.findings) == (result.answer, result.findings)


def test_the_picture_has_every_layer_before_and_after():
    before = network(heavy)
    figure = compare(before, tuned(before, lambda _: 0.5, ("h.0.up.weight",))).plot()
    moves, alphas = figure.axes
    points = [collection.get_offsets() for collection in moves.collections]
    assert sorted(len(each) for each in points) == [1, 7]
    assert [text.get_text() for text in moves.get_yticklabels()][:2] == ["h.0.up", "h.0.down"]
    before_marks, *after_marks = [each for each in alphas.collections if not is_line(each)]
    assert len(before_marks.get_offsets()) == 8
    assert sum(len(each.get_offsets()) for each in after_marks) == 8  # in one colour or two
    assert [len(each.get_segments()) for each in alphas.collections if is_line(each)] == [8]


def is_line(drawn):
    return isinstance(drawn, LineCollection)


# ------------------------------------------------------------------ with data


def test_a_check_up_with_data_says_what_is_used_and_asks_no_more_of_these_layers():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 48, generator=generator)
    model = torch.nn.Linear(48, 48, bias=False)
    model.weight.data = random(3, 48, 48)
    measured = analyze(model)
    objective = Objective(model, torch.nn.functional.mse_loss, (inputs, inputs @ model.weight.T))
    use = ablate(objective)
    alone = CheckupResult(
        environment=measured.environment,
        title="net",
        statements=(),
        facts={},
        examined={"net": measured},
    )
    assert alone.answer == measured.answer
    assert alone.findings == measured.findings
    both = replace(alone, around={"use": use})
    assert "on 64 samples (loss 0) the network uses 1 of 1 layers, 0 unused" in both.answer.replace(
        f"{use.base_loss:.4g}", "0"
    )
    assert both.findings[0].text.startswith("Random-like spectrum, yet used: ")
    assert not any(found.todo.startswith("See whether") for found in both.findings)


# ------------------------------------------------------------------ many layers


def test_above_forty_layers_the_terminal_shows_groups_and_names_what_stands_out(first_lines):
    weights = {
        f"model.layers.{k}.{name}.weight": heavy(k, 32, 32)
        for k in range(25)
        for name in ("attn.q_proj", "mlp.up_proj")
    }
    weights["model.layers.7.mlp.up_proj.weight"] = random(7, 32, 32)
    five, told = first_lines("spectra", weights)
    rows = [line.split() for line in told if line.startswith(" *.")]
    assert [row[:2] for row in rows] == [["*.attn.q_proj", "25"], ["*.mlp.up_proj", "25"]]
    assert rows[1][-2:] == ["7", "(random-like)"]
    assert "1 random-like" in five
    assert sum("model.layers." in line for line in told) < 5
    _, every = first_lines("spectra", weights, options=("--all",))
    assert sum("model.layers." in line for line in every) >= 50
