"""The check-up with data: what its layers contribute, and what is refused."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from eigenscape.ablation import AblationResult
from eigenscape.checkup import checkup
from eigenscape.checkup._ablated import of_ablation
from eigenscape.cli import main
from eigenscape.errors import InputError
from eigenscape.models import Data, Objective, Tokens, build
from eigenscape.zoo import GPT
from tests._data import data_file


def network():
    return build(lambda: GPT(vocabulary=32, width=32, depth=3, heads=2, context=24))


def tokens(count=300):
    ids = torch.randint(0, 32, (count,), generator=torch.Generator().manual_seed(0))
    return Tokens.of(ids, length=24)


def use_of(result):
    [found] = [one for one in result.around.values() if isinstance(one, AblationResult)]
    return found


def test_every_unusual_label_gets_one_sentence():
    model = network()
    result = checkup(model, text=tokens(), time_budget=None)
    use, random_like = (
        use_of(result),
        result.examined["checkpoint"].summary["labels"]["random-like"],
    )
    assert random_like > 3
    assert len(use.suspects) >= random_like
    assert {layer.name for layer in use} == {row.name for row in result.examined["checkpoint"]}
    said = [one for one in result.statements if one.text.startswith("Random-like spectrum")]
    assert 1 <= len(said) <= 3  # used, unused, not certain
    assert all(one.basis == "measurement" for one in said)
    assert any("This tells use, not training" in text for text in result.sentences)
    assert not any("not trained" in text for text in result.sentences)


def test_no_direction_above_the_noise_is_not_called_one():
    result = checkup(network(), text=tokens(24), time_budget=None)
    use = use_of(result)
    assert use.units < 32  # one run: no interval
    assert not any("nan" in text for text in result.sentences)
    first = use.layers[0]
    effects = tuple(
        replace(effect, increase=1.0, low=0.5, high=1.5, directions=0) for effect in first.effects
    )
    use = replace(use, layers=(replace(first, effects=effects),))
    [_, said, *_] = of_ablation(use, result.examined["checkpoint"])
    assert "with zeros in its place, since no direction lies above the noise" in said.text
    assert "without its largest direction, which lies within the noise" in said.text


def test_a_layer_that_nothing_depends_on_is_a_candidate_for_pruning():
    model = network()
    nn.init.zeros_(model.blocks[1].attention.o.weight)  # what the attention computes is dropped
    result = checkup(model, text=tokens(), time_budget=None)
    use = use_of(result)
    for part in "qkv":
        effect = use[f"blocks.1.attention.{part}"].effect("shuffled")
        assert (effect.increase, use.reading(effect)) == (0.0, "unused")
    [said] = [text for text in result.sentences if text.startswith("All weights are zero, and")]
    assert "blocks.1.attention.o is unused on 299 tokens, a candidate for pruning" in said


def test_with_an_objective():
    model = build(lambda: nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16)))
    draw = torch.Generator().manual_seed(0)
    data = (torch.randn(600, 16, generator=draw), torch.arange(600) % 16)
    result = checkup(model, objective=Objective(model, cross_entropy, data), jobs=1)
    assert use_of(result).units == 512  # of the 600
    assert "Curvature of the loss" in result.around


def test_what_fails_is_named_and_the_rest_stays():
    result = checkup(network(), text=tokens(), time_budget=1e-9)
    assert len(result.examined["checkpoint"]) == 19
    assert any(
        text.startswith("Not examined: the use of the layers") and "time budget" in text
        for text in result.sentences
    )


def test_a_text_that_cannot_be_used(tmp_path):
    text = tmp_path / "short.txt"
    text.write_text("abc")
    with pytest.raises(InputError, match=r"a window takes length=24"):
        checkup(network(), text=text, tokenizer=lambda text: [ord(letter) % 32 for letter in text])
    with pytest.raises(InputError, match="--tokenizer"):
        checkup(network(), text=text)
    with pytest.raises(InputError, match="language model itself"):
        checkup({"fc.weight": torch.ones(16, 16)}, text=text)
    strange = Tokens.of(torch.full((100,), 32), length=24)
    with pytest.raises(InputError, match="tokens go from 32 to 32"):
        checkup(network(), text=strange)
    with pytest.raises(InputError, match="tokens is 1"):
        checkup(network(), text=text, tokens=1)


# --- on the command line

REFUSED = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    loss = nn.CrossEntropyLoss(reduction="sum")
    return nn.Linear(16, 16), loss, (torch.randn(40, 16), torch.arange(40) % 12)

def model():
    from eigenscape.zoo import GPT
    return GPT(vocabulary=256, width=32, depth=1, heads=2, context=24)
"""


def test_weights_are_examined_where_an_objective_is_refused(tmp_path, capsys):
    (tmp_path / "probe.py").write_text(REFUSED)
    out = tmp_path / "out"
    assert main(["checkup", "--probe", f"{tmp_path / 'probe.py'}:build", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "1 layer examined" in said
    assert "Not examined: the loss around the model, because of: the loss doubles" in said
    assert (out / "report.html").exists()


def test_flags_are_named(tmp_path, capsys):
    (tmp_path / "probe.py").write_text(REFUSED)
    text = tmp_path / "some.txt"
    text.write_text("abc " * 40)
    assert main(["perplexity", f"{tmp_path / 'probe.py'}:model", "--text", str(text)]) == 2
    assert "--tokenizer" in capsys.readouterr().err
    assert main(["checkup", "--text", str(text), "--out", str(tmp_path / "out")]) == 2
    assert "--text needs a language model" in capsys.readouterr().err
    assert main(["checkup", str(tmp_path), "--text", str(text), "--time-budget", "0"]) == 2
    assert "--time-budget" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_language_model(tmp_path, capsys):
    folder = data_file("stories260k")
    ids = folder / "own_samples_512x256.npy"
    words = ["checkup", str(folder), "--text", str(ids), "--time-budget", "600"]
    assert main([*words, "--out", str(tmp_path), "--run", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr()
    assert "layers to change: all 35 layers" in printed.err
    assert "uses 35 of 35 layers, 0 unused" in " ".join(printed.out.split())


# --- single samples


def test_a_list_of_single_samples_is_one_batch():
    inputs, labels = torch.randn(30, 8), torch.arange(30) % 3
    for samples in (
        list(zip(inputs, labels, strict=True)),
        list(zip(inputs, labels.tolist(), strict=True)),
    ):
        data = Data(samples)
        assert (data.count, data.examples, data.batches, data.single) == (30, 30, 1, True)
        assert "single samples" in data.understood
        assert data.hash == Data((inputs, labels)).hash
    batches = Data([(inputs, labels), (inputs, labels)])
    assert (batches.batches, batches.count) == (2, 60)
