"""Every rule of the descriptions, by a layer on each side of its border; what the words may say."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from eigenscape.checkup import checkup
from eigenscape.checkup._sentences import described, not_told, second_look
from eigenscape.cli import main
from eigenscape.errors import InputError
from eigenscape.spectra import CERTAIN, LABELS, analyze, precisions
from eigenscape.spectra._description import Description, describe
from eigenscape.stats import Precision

#: What no description may say: a judgement of the training, or an advice.
JUDGEMENTS = re.compile(
    r"confidence|is (not |well |under-?|over-?)trained|train (it|longer|more|the)|stop (it|earlier)"
    r"|(lower|raise|larger|smaller) (the )?(\w+ )?(learning )?rate|healthy|check that",
    re.IGNORECASE,
)
NULL = 2.0  # the middle of the band below


def judged(text):
    """Return the judgement in a text; what it says that it does not tell is none."""
    found = JUDGEMENTS.search(re.sub(r"whether [^.:]*", "", text))
    return found and found.group()


@pytest.fixture(scope="module")
def plain():
    """A row of a 40 x 60 layer outside the null's band, with an exponent well inside the range."""
    row = analyze({"w": torch.randn(40, 60, generator=torch.Generator().manual_seed(0))})["w"]
    return replace(
        row,
        rank=40,
        spikes=0,
        alpha_hill=1.5,
        alpha_null_low=NULL - 0.1,
        alpha_null_high=NULL + 0.1,
        alpha_ks=4.0,
        sigma=0.1,
        tail_size=20,
        fit="ks",
    )


def label(row, **changed):
    return describe(replace(row, **changed)).label


def test_the_row_that_the_others_change(plain):
    assert plain.n_eigenvalues == 40
    assert label(plain) == "heavy-tail"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        # numerical rank: below half of 40
        ({"rank": 19}, "rank-deficient"),
        ({"rank": 20}, "heavy-tail"),
        ({"rank": None}, "heavy-tail"),
        # random-like: inside the band, both ends counted, and no spike
        ({"alpha_hill": NULL - 0.1}, "random-like"),
        ({"alpha_hill": NULL - 0.1001}, "heavy-tail"),
        ({"alpha_hill": NULL + 0.1}, "random-like"),
        ({"alpha_hill": NULL + 0.1001}, "heavy-tail"),
        ({"alpha_hill": NULL, "spikes": 1}, "heavy-tail"),
        ({"alpha_hill": NULL, "spikes": 0}, "random-like"),
        # the order: certain before random-like before the exponent
        ({"alpha_hill": NULL, "rank": 19}, "rank-deficient"),
        ({"alpha_hill": NULL, "alpha_ks": 1.2}, "random-like"),
        # no exponent, or not that of the KS fit
        ({"alpha_ks": math.nan, "sigma": math.nan}, "no-fit"),
        ({"fit": "peak"}, "no-fit"),
        # two standard errors around alpha against 2 and 6
        ({"alpha_ks": 1.79}, "below-range"),
        ({"alpha_ks": 1.81}, "range-border"),
        ({"alpha_ks": 2.19}, "range-border"),
        ({"alpha_ks": 2.21}, "heavy-tail"),
        ({"alpha_ks": 5.79}, "heavy-tail"),
        ({"alpha_ks": 5.81}, "range-border"),
        ({"alpha_ks": 6.19}, "range-border"),
        ({"alpha_ks": 6.21}, "above-range"),
        ({"alpha_ks": 6.21, "sigma": 0.11}, "range-border"),
        ({"alpha_ks": 1.75, "sigma": 0.125}, "range-border"),  # exactly up to 2
        ({"alpha_ks": 2.25, "sigma": 0.125}, "heavy-tail"),  # exactly from 2
        ({"alpha_ks": 5.75, "sigma": 0.125}, "heavy-tail"),  # exactly up to 6
        ({"alpha_ks": 6.25, "sigma": 0.125}, "range-border"),  # exactly from 6
        ({"alpha_ks": 4.0, "sigma": 1.01}, "range-border"),
        ({"alpha_ks": 4.0, "sigma": 0.99}, "heavy-tail"),
    ],
)
def test_each_rule_on_both_sides_of_its_border(plain, changed, expected):
    assert label(plain, **changed) == expected


def test_updates_of_two_thin_factors_have_no_label_of_whole_weights(plain):
    update = replace(plain, layer=replace(plain.layer, kind="lora_update"))
    assert label(update, rank=2) == "no-fit"
    assert label(plain, rank=2) == "rank-deficient"
    nan = math.nan
    without_null = {"alpha_null_low": nan, "alpha_null_high": nan, "alpha_ks": 1.0}
    assert label(update, **without_null) == "no-fit"
    assert label(plain, **without_null) == "below-range"


def test_whole_layers_of_every_certain_label():
    W = torch.randn(40, 60, generator=torch.Generator().manual_seed(0))
    layers = {
        "nan": torch.where(torch.arange(60) == 3, math.nan, W),
        "zero": torch.zeros(40, 60),
        "thin": W[:, :10] @ W[:10],
    }
    nan, zero, thin = (layer.description for layer in analyze(layers))
    assert [one.label for one in (nan, zero, thin)] == list(CERTAIN)
    assert nan.evidence == "40 of 2,400 weights are NaN or infinite"
    assert "go back to the last finite checkpoint" in nan.consequence
    assert zero.consequence == "the 2,400 weights need not be stored"
    # rank 10: two factors of 10 x (40 + 60) entries
    assert thin.consequence == "two thin factors hold the layer in 1,000 entries, 42% of its 2,400"


def test_factors_that_save_nothing_are_not_advised(plain):
    # of 40 x 60, two factors save something up to rank 23; of two pooled 20 x 60, rank 30 does
    assert describe(replace(plain, rank=19)).consequence
    pooled = replace(plain, layer=replace(plain.layer, parameters=1899))
    assert "two thin" not in describe(replace(pooled, rank=19)).consequence


@pytest.mark.parametrize("name", LABELS)
def test_every_label_can_be_reached_and_judges_no_training(plain, name):
    reached = {
        "not-finite": {},
        "dead": {},
        "rank-deficient": {"rank": 2},
        "random-like": {"alpha_hill": NULL},
        "below-range": {"alpha_ks": 1.2},
        "above-range": {"alpha_ks": 9.0},
        "range-border": {"alpha_ks": 2.0},
        "no-fit": {"fit": "peak"},
        "heavy-tail": {},
    }[name]
    made = {
        "not-finite": lambda: analyze({"w": torch.full((40, 60), math.nan)})["w"].description,
        "dead": lambda: analyze({"w": torch.zeros(40, 60)})["w"].description,
    }
    found = made.get(name, lambda: describe(replace(plain, **reached)))()
    assert isinstance(found, Description)
    assert found.label == name
    assert found.words == LABELS[name]
    for text in (found.rule, found.evidence, found.not_told, found.consequence, found.words):
        assert not judged(text), text
    assert found.not_told
    assert bool(found.consequence) == (name in CERTAIN)


def test_the_pattern_of_judgements_finds_what_was_said_before():
    for said in (
        "check that the layer is trained at all",
        "if it is, train longer or with a larger learning rate",
        "lower the layer's learning rate or stop earlier",
        "confidence high",
        "the layer is under-trained",
        "a healthy layer",
    ):
        assert judged(said), said


def test_the_findings_judge_no_training_and_say_so():
    torch.manual_seed(0)
    layers = {
        "random": torch.randn(64, 64),
        "nan": torch.full((40, 60), math.nan),
        "zero": torch.zeros(40, 60),
        "moved": torch.linspace(0.8, 1.2, 80)[:, None] * torch.randn(80, 80),
    }
    result = checkup(layers)
    said = " ".join(result.sentences)
    assert not judged(said)
    assert "does not tell whether the network is well trained: held-out loss does" in said
    assert not any(found.is_advice for found in result.statements)
    certain = [found.text for found in result.statements if found.basis == "measurement"]
    assert any("NaN or infinite weights: nan (2,400 of 2,400" in text for text in certain)
    assert any("All weights are zero: zero (all 2,400" in text for text in certain)
    (look,) = (text for text in certain if "random-like layers" in text)
    assert look.startswith("1 of 2 random-like layers (moved; by ")
    assert "has rows or columns whose norms do not vary as those of independent" in look
    assert "random: neither the spectrum nor the norms" in look


def rule(right, given, kind="diagnosis", statement="over-fitted"):
    return Precision(
        statement=statement,
        kind=kind,
        says="It is so.",
        given=given,
        right=right,
        positives=20,
        networks=40,
        families=("mlp", "cnn"),
    )


def test_the_reason_comes_from_the_table_whichever_way_it_came_out():
    weak, strong = rule(14, 25), rule(19, 20, statement="rate too high")
    mute, action = rule(0, 0, statement="never said"), rule(9, 9, "action", "raise the rate")
    of_layers = replace(weak, unit="layers", right=24)
    plain = not_told([])
    assert plain.startswith(
        "A spectrum does not tell whether the network is well trained: held-out"
    )
    for table in ([mute], [strong], [action], [of_layers], [rule(1, 2, kind="description")]):
        assert not_told(table) == plain
    none = not_told([weak, mute, of_layers])
    assert "Of 2 rules on weights that were judged on 40 networks of known state, none is" in none
    assert "the most certain diagnosis was right 14 of 25 times (0.56 [0.37, 0.73])" in none
    assert "over-fitted" not in none  # what is dropped is not said, not even as a quotation
    some = not_told([weak, strong, mute])
    assert "Of 3 rules on weights that were judged on 40 networks of known state, 1 is" in some
    assert "the most certain other diagnosis was right 14 of 25 times" in some
    assert "2 are right" in not_told([weak, strong, strong])
    assert "looked at 3 times" in not_told([replace(weak, looks=3)])
    assert "looked at" not in none
    assert "raise the rate" not in not_told([weak, replace(action, right=5)])


def test_the_second_look_quotes_how_often_it_was_right():
    torch.manual_seed(0)
    result = analyze({"random": torch.randn(64, 64)})
    (bare,) = second_look(result, [])
    assert bare.text.endswith("That does not show that they are at one.")
    known = replace(rule(14, 37, statement="at its random start"), unit="layers")
    (quoted,) = second_look(result, [known])
    assert quoted.text.endswith("at one: of 37 such layers of known state, 14 were.")


@pytest.mark.parametrize(
    ("rows", "columns", "moved", "rest"),
    [
        (5.01, 0.0, True, False),
        (0.0, -5.01, True, False),
        (4.99, -4.99, False, False),
        (3.01, 0.0, False, False),
        (2.99, -2.99, False, True),
        (math.nan, math.nan, False, False),
        (math.nan, 6.0, True, False),
    ],
)
def test_the_second_look_on_both_sides_of_its_borders(plain, rows, columns, moved, rest):
    random_like = describe(replace(plain, alpha_hill=NULL))
    layer = replace(plain, description=random_like, row_dispersion=rows, column_dispersion=columns)
    result = replace(analyze({"w": torch.randn(40, 60)}), layers=(layer,))
    said = " ".join(found.text for found in second_look(result, []))
    assert ("did not keep such a start" in said) is moved
    assert ("as at a random start" in said) is rest


def test_the_shipped_table_is_what_a_checkup_quotes(plain):
    result = analyze({"w": torch.randn(40, 60)})
    assert described(result)[-1].text == not_told(precisions())


def test_the_gate_knows_the_labels_and_names_those_that_are_near(capsys, tmp_path):
    from eigenscape.checkpoints import save_checkpoint

    path = str(save_checkpoint({"w": torch.zeros(40, 60)}, tmp_path / "w.safetensors"))
    assert main(["spectra", path, "--fail-on", "not-finite,random-like"]) == 0
    assert main(["spectra", path, "--fail-on", "dead"]) == 1
    assert "gate: 1 dead" in capsys.readouterr().err
    assert main(["spectra", path, "--fail-on", "heavy-tailed"]) == 2
    said = capsys.readouterr().err
    assert "cannot read heavy-tailed" in said
    assert "Try: heavy-tail" in said


def test_a_description_of_no_known_label_is_refused():
    with pytest.raises(InputError, match="'healthy'; expected one of not-finite"):
        Description(label="healthy", rule="", evidence="", not_told="")


def test_the_pages_quote_the_shipped_table():
    root = Path(__file__).parents[1]
    readme, page = (
        " ".join((root / name).read_text().split()) for name in ("README.md", "docs/spectra.md")
    )
    table = precisions()
    assert not_told(table) in readme
    fresh, near = (
        next(row for row in table if row.statement == name)
        for name in ("at its random start", "near its random start")
    )
    assert f"of {fresh.given} such layers of known state, {fresh.right} were" in readme
    assert fresh.right == fresh.positives  # "none of the others was at its random start"
    assert (
        f"of {fresh.networks} held-back layers of known state (`eigenscape study verdicts`) "
        f"{fresh.given} had both values within 3 and no spike; {fresh.right} of these had moved by "
        f"less than 5 % of their norm, {near.given - near.right} by more than a quarter. None of "
        f"the other {fresh.networks - fresh.given}" in page
    )
