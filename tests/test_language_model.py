"""Language models: our own and transformers' behind one protocol, with known answers."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eigenscape.checkpoints import save_checkpoint
from eigenscape.errors import InputError, MissingExtraError, UnsafeCheckpointError
from eigenscape.models import LanguageModel, Objective, Perplexity, Tokens, build
from eigenscape.zoo import GPT
from tests._checkpoint_files import RunsCode
from tests._data import data_file


def gpt(**sizes):
    return build(lambda: GPT(vocabulary=29, width=32, depth=2, heads=2, context=24, **sizes))


def drawn(*shape, seed=0, top=29):
    return torch.randint(0, top, shape, generator=torch.Generator().manual_seed(seed))


class Uniform(nn.Module):
    """Every token is equally likely."""

    def forward(self, tokens):
        return torch.zeros(*tokens.shape, 7)


class Copies(nn.Module):
    """Certain that the next token is this one plus one; says so as transformers would."""

    def forward(self, input_ids):
        return {"logits": 100.0 * nn.functional.one_hot((input_ids + 1) % 5, 5).double()}


# --- known answers ----------------------------------------------------------------------------


def test_a_uniform_model_has_the_perplexity_of_its_vocabulary():
    model = LanguageModel.of(Uniform())
    assert (model.vocabulary_size, model.context) == (7, None)
    found = model.perplexity(Tokens.of(drawn(50, top=7), length=9))
    assert found.value == pytest.approx(7.0, rel=1e-6)
    assert found.standard_error == pytest.approx(0.0, abs=1e-6)
    assert (found.tokens, len(found.window_nll)) == (49, 7)


def test_a_certain_model_is_greedy_and_continues():
    model = LanguageModel.of(Copies())
    logprob, is_greedy = model.token_logprobs([0, 1, 2, 4])
    assert is_greedy.tolist() == [True, True, False]
    assert logprob.tolist() == pytest.approx([0.0, 0.0, -100.0])
    assert logprob.dtype == torch.float64
    assert model.continue_greedily([[0], [2, 3, 4]], 4).tolist() == [[1, 2, 3, 4], [0, 1, 2, 3]]


def test_log_probabilities_are_those_of_the_logits():
    model = LanguageModel.of(gpt())
    tokens = drawn(3, 11)
    logits = model.logits(tokens)
    assert logits.shape == (3, 11, 29)
    expected = logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    logprob, is_greedy = model.token_logprobs(tokens)
    assert torch.allclose(logprob, expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(is_greedy, logits[:, :-1].argmax(-1) == tokens[:, 1:])
    one, its = model.token_logprobs(tokens[1].tolist())
    assert torch.allclose(one, logprob[1], rtol=1e-5, atol=1e-6)
    assert torch.equal(its, is_greedy[1])


@pytest.mark.parametrize("stride", [None, 1, 3, 8])
def test_perplexity_counts_what_the_windows_score(stride):
    model = LanguageModel.of(gpt().double())
    tokens = Tokens.of(drawn(60), length=8, stride=stride)
    sums, count = 0.0, 0
    for ids, scored in tokens:
        logprob, _ = model.token_logprobs(ids)
        sums -= float(logprob[scored[1:]].sum())
        count += int(scored.sum())
    found = model.perplexity(tokens)
    assert (found.tokens, found.nll) == (count, pytest.approx(sums / count, rel=1e-12))
    low, high = found.interval
    assert low < found.value < high
    assert found.value == pytest.approx(math.exp(found.nll))


def test_the_standard_error_is_that_of_the_mean_over_windows():
    model = LanguageModel.of(gpt().double())
    rows = drawn(40, 10)
    losses = -model.token_logprobs(rows)[0].mean(dim=1)
    found = model.perplexity(rows)
    assert found.standard_error == pytest.approx(float(losses.std()) / math.sqrt(40), rel=1e-9)
    assert model.perplexity(rows[0]).interval is None


def test_windows_of_a_result_are_in_the_order_of_the_text():
    model = LanguageModel.of(gpt().double())
    tokens = Tokens.of([drawn(n, seed=n) for n in (4, 9, 2, 9, 6)])
    found = model.perplexity(tokens)
    assert found.window_tokens == (3, 8, 1, 8, 5)
    alone = [model.perplexity(ids).nll for ids in tokens.documents]
    assert found.window_nll == pytest.approx(alone, rel=1e-12)


def test_a_perplexity_is_a_result(tmp_path):
    found = LanguageModel.of(gpt()).perplexity(Tokens.of(drawn(60), length=8))
    assert Perplexity.load(found.save(tmp_path / "p.json")) == found
    written = json.loads((tmp_path / "p.json").read_text())
    assert (written["value"], written["tokens"]) == (found.value, 59)
    assert len(found.frame()) == len(found.window_nll) == 9
    assert found.plot().axes


def test_an_objective_over_tokens_is_their_mean_loss():
    model = LanguageModel.of(gpt())
    tokens = Tokens.of(drawn(60), length=8, stride=3)
    objective = Objective(model, tokens)
    assert objective.data.count == tokens.count == 59
    assert objective.value() == pytest.approx(model.perplexity(tokens).nll, rel=1e-6)
    direction = torch.randn(objective.space.count, generator=torch.Generator().manual_seed(0))
    step = 1e-3
    low, high = (objective.value(objective.center + s * direction) for s in (-step, step))
    slope = float(objective.gradient() @ direction.double())
    assert (high - low) / (2 * step) == pytest.approx(slope, rel=1e-2)
    product = objective.hvp(direction)
    other = torch.randn(objective.space.count, generator=torch.Generator().manual_seed(1))
    assert float(product @ other.double()) == pytest.approx(
        float(objective.hvp(other) @ direction.double()), rel=1e-3
    )
    with pytest.raises(InputError, match="from 1 to 24"):
        Objective(model, Tokens.of(drawn(60), length=30))


def test_k_language_models_have_one_objective():
    models = [LanguageModel.of(build(lambda: GPT(29, 32, 2, 2, 24), seed)) for seed in (0, 1)]
    tokens = Tokens.of(drawn(60), length=8)
    both = Objective(models, tokens).values()
    assert both.tolist() == pytest.approx([m.perplexity(tokens).nll for m in models], rel=1e-6)


# --- continuation -----------------------------------------------------------------------------


def prompts():
    return [drawn(length, seed=length).tolist() for length in (1, 5, 9, 5, 14)]


def test_prompts_of_different_lengths_continue_as_each_alone():
    model = LanguageModel.of(gpt())
    together = model.continue_greedily(prompts(), 8)
    alone = [model.continue_greedily([prompt], 8)[0] for prompt in prompts()]
    assert torch.equal(together, torch.stack(alone))
    for prompt, new in zip(prompts(), together, strict=True):  # each is greedy, teacher-forced
        _, is_greedy = model.token_logprobs([*prompt, *new.tolist()])
        assert is_greedy[len(prompt) - 1 :].all()


def test_what_is_asked_wrongly_is_refused():
    model = LanguageModel.of(gpt())
    for call, words in (
        (lambda: model.logits([1, 29]), "knows 0 to 28"),
        (lambda: model.logits([-1, 2]), "knows 0 to 28"),
        (lambda: model.logits([0.5]), "expected whole numbers"),
        (lambda: model.logits(torch.zeros(25, dtype=torch.int64)), "takes 24"),
        (lambda: model.token_logprobs([1]), "two or more"),
        (lambda: model.continue_greedily([[]], 2), "expected one or more"),
        (lambda: model.continue_greedily([[1] * 20], 5), "takes 24"),
        (lambda: model.perplexity(Tokens.of(drawn(40), length=30)), "length=24"),
        (lambda: model.perplexity(Tokens.of(drawn(9) + 25)), "own tokenizer"),
        (lambda: LanguageModel.of(nn.Linear(2, 2)), "failed on tokens"),
        (lambda: LanguageModel.of(nn.Embedding(4, 2)), ""),
        (lambda: LanguageModel.of(3), "expected a module"),
    ):
        if words:
            with pytest.raises(InputError, match=words):
                call()


def test_nothing_global_changes_and_the_model_stays_as_found():
    module = gpt().train()
    state, before = torch.get_rng_state(), {k: v.clone() for k, v in module.state_dict().items()}
    model = LanguageModel.of(module)
    assert LanguageModel.of(model) is model
    model.perplexity(drawn(3, 9))
    model.continue_greedily(prompts(), 3)
    assert module.training
    assert all(part.training for part in module.modules())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())


def test_blocks_come_in_order():
    blocks = LanguageModel.of(gpt()).blocks()
    assert list(blocks) == ["blocks.0", "blocks.1"]
    assert all(hasattr(block, "mlp") for block in blocks.values())


# --- transformers -----------------------------------------------------------------------------


def tiny(kind, **changes):
    transformers = pytest.importorskip("transformers")
    sizes = {
        "llama": {
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 64,
        },
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
        "gpt_neox": {
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 64,
        },
    }[kind]
    config = transformers.AutoConfig.for_model(kind, vocab_size=29, **{**sizes, **changes})
    return build(lambda: transformers.AutoModelForCausalLM.from_config(config)).eval()


KINDS = ["llama", "gpt2", "gpt_neox"]


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_models_score_as_their_own_loss_says(kind):
    module = tiny(kind)
    model = LanguageModel.of(module)
    assert (model.vocabulary_size, model.context) == (29, 64)
    tokens = drawn(4, 12)
    with torch.no_grad():
        loss = module(input_ids=tokens, labels=tokens).loss
    assert model.perplexity(tokens).nll == pytest.approx(float(loss), rel=1e-5)
    assert len(model.blocks()) == len([b for b in model.blocks() if b[-1].isdigit()]) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_continuation_is_that_of_generate(kind):
    module = tiny(kind)
    model = LanguageModel.of(module)
    together = model.continue_greedily(prompts(), 10)
    for prompt, new in zip(prompts(), together, strict=True):
        ids = torch.tensor([prompt])
        expected = module.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=10,
            min_new_tokens=10,
            pad_token_id=0,
            eos_token_id=None,
        )
        assert torch.equal(new, expected[0, len(prompt) :])


def test_an_objective_of_a_transformers_model_has_second_derivatives():
    objective = Objective(LanguageModel.of(tiny("llama").double()), Tokens.of(drawn(20), length=8))
    first, second = torch.randn(2, objective.space.count, dtype=torch.float64)
    forth, back = objective.hvp(first) @ second, objective.hvp(second) @ first
    # the library's norms and rotary angles are float32 whatever the model is
    assert float(forth) == pytest.approx(float(back), rel=1e-6)
    step = 1e-4
    center = objective.center.double()
    ends = [objective.gradient(center + sign * step * first) for sign in (1, -1)]
    assert float((ends[0] - ends[1]) @ second / (2 * step)) == pytest.approx(float(forth), rel=1e-2)


def folder_of(tmp_path, kind="llama", **changes):
    module = tiny(kind, **changes)
    module.save_pretrained(tmp_path)
    return module, tmp_path


def test_a_folder_is_loaded_without_a_trace(tmp_path):
    module, folder = folder_of(tmp_path)
    state, default = torch.get_rng_state(), torch.get_default_dtype()
    model = LanguageModel.of(folder)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() == default
    tokens = drawn(2, 12)
    assert torch.allclose(model.logits(tokens), LanguageModel.of(module).logits(tokens))
    assert model.source == str(folder)
    half = LanguageModel.of(str(folder), dtype=torch.bfloat16)
    assert next(half.model.parameters()).dtype == torch.bfloat16
    assert half.token_logprobs(tokens)[0].dtype == torch.float32


def test_torch_files_are_read_and_pickles_that_run_code_are_not(tmp_path):
    module, folder = folder_of(tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save(module.state_dict(), folder / "pytorch_model.bin")
    tokens = drawn(2, 12)
    loaded = LanguageModel.of(folder)
    assert torch.allclose(loaded.logits(tokens), LanguageModel.of(module).logits(tokens))
    trace = tmp_path / "trace"
    torch.save({"w": RunsCode(trace)}, folder / "pytorch_model.bin")
    with pytest.raises(UnsafeCheckpointError):
        LanguageModel.of(folder)
    assert not trace.exists()


def test_code_of_a_model_is_never_run(tmp_path):
    _, folder = folder_of(tmp_path)
    trace = tmp_path / "trace"
    (folder / "modeling_evil.py").write_text(f"import os\nos.mkdir({str(trace)!r})\n")
    config = json.loads((folder / "config.json").read_text())
    config.update(
        model_type="evil",
        auto_map={
            "AutoConfig": "modeling_evil.EvilConfig",
            "AutoModelForCausalLM": "modeling_evil.Evil",
        },
    )
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsafeCheckpointError, match="code of its own"):
        LanguageModel.of(folder)
    assert not trace.exists()


def test_folders_that_are_no_whole_model_are_refused(tmp_path):
    _, folder = folder_of(tmp_path)
    from safetensors.torch import load_file

    tensors = load_file(folder / "model.safetensors")
    lacking = dict(list(tensors.items())[3:])
    save_checkpoint(lacking, folder / "model.safetensors", overwrite=True)
    with pytest.raises(InputError, match="lacks 3 tensors"):
        LanguageModel.of(folder)
    config = json.loads((folder / "config.json").read_text())
    for change, words in (
        ({"model_type": "resnet"}, "cannot be loaded"),
        ({"model_type": "no such"}, "cannot be loaded"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(InputError, match=words):
            LanguageModel.of(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match="has no config"):
        LanguageModel.of(folder)
    with pytest.raises(InputError, match="no such file"):
        LanguageModel.of(folder / "none")


def test_without_transformers_a_folder_names_the_extra(tmp_path, monkeypatch):
    _, folder = folder_of(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"eigenscape\[hf\]"):
        LanguageModel.of(folder)


# --- real models ------------------------------------------------------------------------------


def test_the_stories_model_gives_the_published_numbers():
    pytest.importorskip("transformers")
    model = LanguageModel.of(data_file("stories260k"))
    assert (model.vocabulary_size, model.context, len(model.blocks())) == (512, 512, 5)
    logprob, is_greedy = model.token_logprobs([1, 403, 407, 261, 378])
    assert -float(logprob.mean()) == pytest.approx(0.06852, abs=1e-5)
    assert is_greedy.all()
    samples = np.load(data_file("stories260k/own_samples_512x256.npy"))
    found = model.perplexity(Tokens.of(samples[:64]))
    assert found.nll == pytest.approx(1.300, abs=3 * found.standard_error)
    new = model.continue_greedily([[1, 403, 407], [1]], 20)
    ids = torch.tensor([[1, 403, 407]])
    expected = model.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=20,
        min_new_tokens=20,
        pad_token_id=0,
        eos_token_id=None,
    )
    assert torch.equal(new[0], expected[0, 3:])


@pytest.mark.study
def test_smollm2_has_the_perplexity_of_its_data_card():
    pytest.importorskip("transformers")
    text = data_file("text/wikitext2_test.txt")
    folder = Path(__import__("os").environ.get("EIGENSCAPE_SMOLLM2", "nowhere"))
    if not folder.is_dir():
        pytest.skip("set EIGENSCAPE_SMOLLM2 to the folder that real_language_model.py made")
    tokens = Tokens.of(text, folder, length=1024, stride=1024)
    assert tokens.documents[0][:4].tolist() == [3717, 446, 6356, 2067]
    assert len(tokens.documents[0]) == 312_144
    found = LanguageModel.of(folder, dtype=torch.float32).perplexity(tokens.take(8))
    assert found.nll == pytest.approx(3.16162, abs=1e-5)
    assert found.value == pytest.approx(23.609, abs=1e-3)


def test_a_token_that_is_impossible_counts_only_where_it_is_scored():
    class NeverThree(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Parameter(torch.zeros(()))

        def forward(self, ids):
            logits = torch.zeros(*ids.shape, 5) + self.one
            logits[..., 3] = -torch.inf
            return logits

    tokens = Tokens.of(torch.tensor([0, 1, 3, 1, 2, 0, 1, 2]), length=6, stride=1)
    second = replace(tokens, windows=tokens.windows[1:2])
    model = LanguageModel.of(NeverThree())
    assert model.perplexity(second).value == pytest.approx(4)
    assert model.perplexity(tokens).value == math.inf


def test_prompts_of_other_than_whole_numbers_are_refused():
    with pytest.raises(InputError, match=r"prompts are of torch.float32; expected whole numbers"):
        LanguageModel.of(gpt()).continue_greedily([[1.5, 2.0]], 2)
