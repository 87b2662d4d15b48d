"""What an allocation says first: what was achieved, the range, the share covered, the noise."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from eigenscape.allocation import allocate
from eigenscape.allocation._rules import beyond_noise
from eigenscape.errors import InputError
from eigenscape.results import Environment, load
from eigenscape.spectra import analyze

VALUES = (2.0, 3.0, 4.0)


def table(errors=None, parameters=None):
    return {
        f"blocks.{i}.fc": {
            "alpha": value,
            **({} if errors is None else {"error": errors}),
            **({} if parameters is None else {"parameters": parameters}),
        }
        for i, value in enumerate(VALUES)
    }


# ------------------------------------------------------------------ noise, by default


def test_noise_counts_where_every_error_is_known():
    noisy = allocate(table(0.3))
    assert noisy.layers == allocate(table(0.3), noise_aware=True).layers
    assert noisy.settings["noise_aware"] is True
    assert noisy.wide == (0.5, 1.5)
    full = allocate(table(0.3), noise_aware=False)
    assert list(full.layers.values()) == [0.5, 1.0, 1.5]
    assert (full.wide, full.noise_share, full.settings["noise_aware"]) == (None, None, False)
    unknown = table(0.3)
    del unknown["blocks.1.fc"]["error"]
    assert list(allocate(unknown).layers.values()) == [0.5, 1.0, 1.5]


def test_the_published_code_does_not_look_at_noise():
    assert list(allocate(table(0.3), reference=True).layers.values()) == [0.5, 1.0, 1.5]


@pytest.mark.parametrize(
    ("options", "column"),
    [
        ({}, "alpha_excess"),
        ({"noise_aware": False}, "alpha_hill"),
        ({"reference": True}, "alpha_hill"),
        ({"rule": "tb_log2"}, "alpha_hill"),  # a logarithm of what is below 1 is no score
        ({"column": "alpha_ks"}, "alpha_ks"),
    ],
)
def test_the_metric_of_an_examination(options, column):
    torch.manual_seed(0)
    heavy = torch.randn(64, 64) @ torch.diag(torch.arange(1, 65.0) ** -1.5)
    spectra = analyze({"a.weight": heavy, "b.weight": heavy.T.contiguous() * 2})
    assert allocate(spectra, **options).metric == column


def test_a_metric_without_errors_keeps_its_range_and_says_so():
    torch.manual_seed(0)
    spectra = analyze({"a.weight": torch.randn(64, 64), "b.weight": torch.randn(64, 32)})
    found = allocate(spectra, column="stable_rank")
    assert (found.told_apart, found.noise_share, found.wide) == (None, None, None)
    assert sorted(found.layers.values()) == [0.5, 1.5]
    assert "stable_rank has no standard errors, so whether" in found.answer
    assert found.findings[0].todo.startswith('Give "error" fields')


def test_what_is_beyond_noise_by_hand():
    # three equal errors e about the mean: e^2 (1 - 2/3) + 3 e^2 / 9 = 2 e^2 / 3
    quantile = 2.3877  # of the normal law at (1 + 0.95^(1/3)) / 2
    far = quantile * math.sqrt(2 / 3) * 0.3
    for away, told in ((0.99 * far, False), (1.01 * far, True)):
        values = np.array([2.0, 2.0 + away, 2.0 - away])
        assert beyond_noise(values, np.full(3, 0.3)).tolist() == [False, told, told]
    assert beyond_noise(np.array([2.0, 2.1]), np.zeros(2)).tolist() == [True, True]
    assert beyond_noise(np.array([0.3, 0.3]), np.zeros(2)).tolist() == [False, False]


@pytest.mark.parametrize(("count", "share"), [(2, 0.025), (8, 0.05), (40, 0.05)])
def test_of_equal_layers_none_is_told_apart_in_95_percent_of_networks(count, share):
    rng = np.random.default_rng(0)
    errors = rng.uniform(0.05, 0.5, count)
    draws = 3 + errors * rng.standard_normal((4000, count))
    wrong = np.mean([beyond_noise(values, errors).any() for values in draws])
    assert abs(wrong - share) < 0.01  # of two, both are told apart or none is: one test, not two


# ------------------------------------------------------------------ sentences


def test_the_answer_of_a_sparsity():
    found = replace(
        allocate(table(0.3, 1_000_000), kind="sparsity", total=0.7, epsilon=0.2),
        parameters_total=4_000_000,
    )
    low, high = min(found.layers.values()), max(found.layers.values())
    assert found.answer == (
        f"Sparsity by alphapruning: achieved 0.7 (target 0.7), {low:.3g} to {high:.3g} over 3 "
        "blocks, in 3 million of 4 million parameters (75 %); noise can explain a part of the "
        f"spread of alpha, so the range is narrowed to {100 * found.noise_share:.3g} %."
    )
    first, share = found.findings
    assert first.text == (
        "alpha tells 2 of 3 blocks apart from their mean; with noise_aware=False the budgets would "
        f"spread from 0.56 to 0.84, now they spread from {low:.3g} to {high:.3g}."
    )
    assert share.text == (
        "The budgets cover 3 million of 4 million parameters (75 %); of the whole network 0.525 is "
        "pruned."
    )
    assert share.todo == "For 0.7 of the whole network, ask for 0.9333"
    assert (first.command, share.command) == ("", "")  # made in Python


def test_the_command_is_the_users_own_with_one_more_word():
    made = Environment(command="eigenscape allocate sparsity 'my model' --total 0.7 --out here")
    found = replace(
        allocate(table(0.3, 10), kind="sparsity", total=0.7), parameters_total=40, environment=made
    )
    again = "eigenscape allocate sparsity 'my model' --total 0.7"
    commands = [one.command for one in found.findings]
    assert commands == [f"{again} --no-noise-aware --column alpha", f"{again} --total 0.9333"]
    full = allocate(table(0.6, 10), kind="sparsity", total=0.7, noise_aware=False)
    [wide] = replace(full, environment=made).findings
    assert wide.text.startswith("alpha tells 0 of 3 blocks apart from their mean; budgets spread")
    assert wide.command == f"{again} --noise-aware"


def test_all_of_the_spread_can_be_noise():
    found = allocate(table(2.0), kind="experts", total=12)
    assert found.answer == (
        "Experts by alphalora: achieved 12 (target 12) in sum, the same for 3 blocks; noise can "
        "explain all of the spread of alpha."
    )
    assert found.findings[0].text == (
        "alpha tells 0 of 3 blocks apart from their mean; with noise_aware=False the budgets would "
        "spread from 1 to 7, they are equal now."
    )


def test_what_else_is_said():
    rates = allocate(table())
    assert rates.answer.startswith("Learning-rate factors by tb_linear: achieved 1 (no target) on ")
    bits = allocate(table(0.0, 1000), kind="bits", total=4)
    assert "achieved 4 (target 4) on average, 2 to 7 over 3 blocks, in 3,000 para" in bits.answer
    assert bits.answer.endswith("noise explains nothing of the spread of alpha.")
    assert bits.findings[0].text == "alpha tells 2 of 3 blocks apart from their mean."
    held = allocate(table(0.0, 1000), kind="sparsity", total=0.9, epsilon=0.5)
    assert held.findings[1].text.startswith("2 of 3 blocks are held by a floor or a cap")
    assert held.findings[1].layers == ("blocks.1.fc", "blocks.2.fc")
    mixed = allocate({**table(), "head": 2.5}, kind="experts", total=12)
    assert "over 4 groups" in mixed.answer
    assert allocate(table(), rule="uniform").findings == ()
    assert allocate({"a": 2.0}).findings == ()


def test_the_share_comes_from_the_examination_and_survives_a_file(tmp_path):
    torch.manual_seed(0)
    weights = {"a.weight": torch.randn(64, 64), "b.weight": torch.randn(64, 64), "n": torch.ones(8)}
    found = allocate(analyze(weights), kind="sparsity", total=0.5)
    assert (found.parameters_covered, found.parameters_total) == (8192, 8200)
    back = load(found.save(tmp_path / "allocation.json"))
    assert back == found
    assert (back.answer, back.findings) == (found.answer, found.findings)
    assert "8,192 of 8,200 parameters (99.9 %)" in back.answer
    with pytest.raises(InputError, match="8192 parameters have a budget, of 8000 in all"):
        replace(found, parameters_total=8000)


def test_the_picture_shows_what_is_told_apart_and_the_full_range():
    found = allocate({**table(0.1), "blocks.3.fc": {"alpha": 3.0, "error": 0.1}})
    assert found.told_apart == ("blocks.0.fc", "blocks.2.fc")
    above, below = found.plot().axes
    labels = above.get_legend_handles_labels()[1]
    assert "beyond noise from the mean of all (2 of 4)" in labels
    assert "the range without regard to noise" in below.get_legend_handles_labels()[1]
    plain = allocate(table(0.1), noise_aware=False).plot().axes[1]
    assert "the range without regard to noise" not in plain.get_legend_handles_labels()[1]
