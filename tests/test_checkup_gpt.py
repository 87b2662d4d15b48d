"""A small GPT that is clearly under-trained: its page neither says otherwise nor says to stop."""

from __future__ import annotations

import html
import re

import pytest
import torch

from eigenscape.checkup import checkup, checkup_page
from eigenscape.models import build
from eigenscape.report._page import render
from eigenscape.zoo import GPT
from eigenscape_studies.networks import language, pretrain

#: What told such networks to stop: 7 of 16 layers, and after 1,000 more steps 12.
WRONG = re.compile(
    r"over-trained|stop earlier|stop training|(lower|smaller) (the )?(layer's )?(learning )?rate"
    r"|(is|are) (well|fully) trained|no layer asks for action|healthy|confidence",
    re.IGNORECASE,
)


def held_out_loss(model, rows):
    with torch.no_grad():
        logits = model(rows[:, :-1])
    return float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()))


def page_of(result):
    """Return the words of the whole page; what it says that it does not tell is no statement."""
    page = render(checkup_page(result))
    hidden = r"<style>.*?</style>|<script>.*?</script>|<[^>]*>"
    words = html.unescape(re.sub(hidden, " ", page, flags=re.S))
    return re.sub(r"whether [^.:]*", "", words)


@pytest.mark.slow
def test_training_on_helps_and_nothing_says_to_stop():
    rows, held = language(1024, seed=0), language(256, seed=99)
    model = build(lambda: GPT(64, depth=2), 0)
    losses, below = [], []
    for seed in (0, 1):
        pretrain(model, rows, epochs=4, seed=seed)
        losses.append(held_out_loss(model, held))
        result = checkup(model)
        below.append(result.examined["checkpoint"].summary["labels"].get("below-range", 0))
        words = page_of(result)
        assert not WRONG.search(words), WRONG.search(words)
        assert "held-out loss does" in words
        assert not any(found.is_advice for found in result.statements)
    assert losses[1] < losses[0] - 0.05  # clearly under-trained: the same again helps
    assert sum(below) > 0  # layers that an alpha below 2 once called over-trained


def test_the_pattern_finds_what_was_printed():
    for said in (
        "over-trained: lower the learning rate or stop earlier",
        "look at held-out loss; lower the layer's learning rate",
        "No layer asks for action",
    ):
        assert WRONG.search(said), said
