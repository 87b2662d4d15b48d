"""The small transformer, the made-up language it learns, and its training and fine-tuning."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from eigenscape import zoo
from eigenscape.balancing import BalanceCallback
from eigenscape.errors import InputError
from eigenscape.models import Callback, build
from eigenscape.spectra import analyze
from eigenscape_studies import networks
from tests._data import data_file
from tests._properties import examples

SMALL = networks.Grammar(dialects=2, stems=8, forms=2, noise=0.1)
TOKENS = torch.randint(11, (3, 9), generator=torch.Generator().manual_seed(0))


def network(seed=0, vocabulary=11, width=8, depth=2, heads=2, context=9):
    return build(lambda: zoo.GPT(vocabulary, width, depth, heads, context), seed)


def classifier(seed=0, classes=3):
    return zoo.GPTClassifier.of(network(), classes, seed)


def states_equal(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def next_token_loss(model, tokens):
    with torch.no_grad():
        logits = model(tokens[:, :-1]).transpose(1, 2)
        return functional.cross_entropy(logits, tokens[:, 1:]).item()


@pytest.fixture
def random_states():
    """Fail a test that leaves torch's or numpy's global random state other than it was."""
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    yield
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002


# ---- the network


def test_the_network_is_its_formula_one_row_and_head_at_a_time():
    model = network()
    w = {name: weight.double() for name, weight in model.state_dict().items()}

    def norm(name, x):
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(name, x):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def attend(name, x):
        q, k, v = (linear(f"{name}.{part}", x) for part in "qkv")
        mixed = torch.zeros_like(q)
        for at, head in itertools.product(range(len(x)), (slice(0, 4), slice(4, 8))):
            weights = (k[: at + 1, head] @ q[at, head] / 4**0.5).exp()
            mixed[at, head] = weights @ v[: at + 1, head] / weights.sum()
        return linear(f"{name}.o", mixed)

    def gelu(x):
        return x * (1 + torch.erf(x / 2**0.5)) / 2

    for row, logits in zip(TOKENS, model(TOKENS), strict=True):
        x = w["tokens.weight"][row] + w["positions.weight"]
        for block in ("blocks.0", "blocks.1"):
            x = x + attend(f"{block}.attention", norm(f"{block}.attention_norm", x))
            hidden = gelu(linear(f"{block}.mlp.up", norm(f"{block}.mlp_norm", x)))
            x = x + linear(f"{block}.mlp.down", hidden)
        expected = norm("norm", x) @ w["head.weight"].T
        torch.testing.assert_close(logits.double(), expected, rtol=1e-4, atol=1e-5)


def test_parameters_are_counted_and_spread_as_said():
    model = build(lambda: zoo.GPT(100, width=192, depth=3, heads=4, context=50))
    block = 4 * (192 * 192 + 192) + 2 * 4 * 192 * 192 + 5 * 192 + 4 * 192
    count = sum(weight.numel() for weight in model.parameters())
    assert count == 100 * 192 + 50 * 192 + 3 * block + 2 * 192 + 192 * 100
    for part, std in (("q", 0.04), ("o", 0.04 / 6**0.5)):
        weight = model.get_parameter(f"blocks.1.attention.{part}.weight")
        assert weight.std().item() == pytest.approx(std, rel=0.02)


def test_a_fresh_network_knows_nothing():
    tokens = torch.randint(64, (20, 24), generator=torch.Generator().manual_seed(0))
    loss = next_token_loss(build(lambda: zoo.GPT(64)), tokens)
    assert math.log(64) < loss < math.log(64) + 0.3


@examples(25)
@given(at=st.integers(0, 8), other=st.integers(1, 10), seed=st.integers(0, 99))
def test_a_token_changes_what_follows_and_nothing_before(at, other, seed):
    model, changed = network(seed), TOKENS.clone()
    changed[:, at] = (changed[:, at] + other) % 11
    same = (model(TOKENS) == model(changed)).all(dim=2)
    assert same[:, :at].all()
    assert not same[:, at:].any()


def test_a_row_is_answered_like_its_beginning_and_its_neighbours_do_not_matter():
    model = network()
    torch.testing.assert_close(model(TOKENS)[:, :4], model(TOKENS[:, :4]))
    torch.testing.assert_close(model(TOKENS)[1:2], model(TOKENS[1:2]))


def test_second_derivatives_exist():
    model = network()
    loss = functional.cross_entropy(model(TOKENS).transpose(1, 2), TOKENS)
    weight = model.blocks[0].attention.q.weight
    (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), weight)
    assert second.abs().max() > 0


@pytest.mark.parametrize("of_classifier", [False, True])
def test_the_spectra_see_six_matrices_a_block(of_classifier):
    model = build(lambda: zoo.GPT(64, depth=3))
    model = zoo.GPTClassifier.of(model, 4) if of_classifier else model
    frame = analyze(model, min_eigenvalues=50).frame()
    inside = frame[frame.block.notna()]
    parts = [f"attention.{part}" for part in "qkvo"] + ["mlp.up", "mlp.down"]
    assert list(inside.name) == [f"blocks.{i}.{part}" for i in range(3) for part in parts]
    assert list(inside.block) == [name.rsplit(".", 2)[0] for name in inside.name]
    assert (inside.n_eigenvalues == 64).all()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"width": 10, "heads": 4}, "width=10.*heads=4.*multiple of heads"),
        ({"depth": 0}, "depth=0.*1 or more"),
        ({"heads": 0}, "heads=0.*1 or more"),
        ({"vocabulary": 0}, "GPT has vocabulary=0"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(InputError, match=message):
        network(**sizes)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.zeros(2, 10, dtype=torch.int64), r"\(2, 10\).*t from 1 to 9.*larger context"),
        (torch.zeros(9, dtype=torch.int64), r"shape \(9,\)"),
        (torch.zeros(2, 0, dtype=torch.int64), r"shape \(2, 0\)"),
        (torch.zeros(2, 9), "float32 tokens"),
    ],
)
def test_tokens_that_do_not_fit_are_refused(tokens, message):
    for model in (network(), classifier()):
        with pytest.raises(InputError, match=message):
            model(tokens)


# ---- the classifier


@pytest.mark.usefixtures("random_states")
def test_a_classifier_copies_the_trunk_and_draws_its_head():
    gpt = network()
    first, again, other = (zoo.GPTClassifier.of(gpt, 3, seed) for seed in (1, 1, 2))
    assert states_equal(first, again)
    assert not torch.equal(first.head.weight, other.head.weight)
    assert first.head.weight.shape == (3, 8)
    assert torch.equal(first.states(TOKENS), gpt.states(TOKENS))
    expected = gpt.states(TOKENS).mean(dim=1) @ first.head.weight.T
    torch.testing.assert_close(first(TOKENS), expected)
    with torch.no_grad():
        first.tokens.weight.zero_()
    assert states_equal(gpt, network())


def test_a_classifier_has_the_type_of_its_source():
    model = zoo.GPTClassifier.of(network().double(), 3)
    assert {weight.dtype for weight in model.parameters()} == {torch.float64}


def test_a_classifier_without_classes_is_refused():
    with pytest.raises(InputError, match=r"GPTClassifier has .* 0 outputs"):
        classifier(classes=0)


# ---- the language


@pytest.mark.usefixtures("random_states")
def test_sentences_follow_their_seeds_alone_and_fewer_are_the_first_of_more():
    some = networks.language(50)
    assert some.shape == (50, 24)
    assert some.dtype == torch.int64
    assert torch.equal(some[:20], networks.language(20))
    for changed in ({"seed": 1}, {"grammar": networks.Grammar(seed=1)}, {"length": 23}):
        assert not torch.equal(some[:, :23], networks.language(50, **changed)[:, :23])


@pytest.mark.usefixtures("random_states")
def test_labelled_sets_are_nested_balanced_and_apart_from_the_unlabelled():
    few, many = networks.labelled_sentences(30, 200), networks.labelled_sentences(90, 200)
    assert torch.equal(few.train_inputs, many.train_inputs[:30])
    assert torch.equal(few.train_labels, many.train_labels[:30])
    assert torch.equal(few.test_inputs, many.test_inputs)
    assert many.test_labels.bincount().tolist() == [50] * 4
    sets = (networks.language(200), many.train_inputs, many.test_inputs)
    rows = [tuple(row) for part in sets for row in part.tolist()]
    assert len(set(rows)) == len(rows) == 490


def test_no_count_of_words_tells_a_dialect():
    split = networks.labelled_sentences(1, 40_000, length=6)
    for at, dialect in itertools.product((0, 1, 5), range(4)):
        words = split.test_inputs[split.test_labels == dialect, at].bincount(minlength=64)
        surplus = ((words - 10_000 / 64) ** 2 / (10_000 / 64)).sum().item()
        assert abs(surplus - 63) < 5 * (2 * 63) ** 0.5  # chi-squared with 63 degrees of freedom


def test_counts_of_labelled_pairs_tell_the_dialects():
    split, shares = networks.labelled_sentences(512, 500), torch.full((4, 64, 64), 0.1)
    for row, label in zip(split.train_inputs, split.train_labels, strict=True):
        shares[label].index_put_((row[:-1], row[1:]), torch.tensor(1.0), accumulate=True)
    logs = (shares / shares.sum(dim=2, keepdim=True)).log()
    guesses = logs[:, split.test_inputs[:, :-1], split.test_inputs[:, 1:]].sum(dim=2).argmax(dim=0)
    assert (guesses == split.test_labels).float().mean() > 0.99


@examples(20)
@given(
    dialects=st.integers(1, 3),
    stems=st.integers(1, 3),
    forms=st.integers(1, 2),
    noise=st.floats(0, 1),
    agreement=st.floats(0, 1),
    seed=st.integers(0, 9),
)
def test_the_chances_of_all_sentences_add_up_to_one(dialects, stems, forms, noise, agreement, seed):
    grammar = networks.Grammar(
        dialects=dialects,
        stems=stems,
        forms=forms,
        successors=min(2, stems),
        noise=noise,
        agreement=agreement,
        seed=seed,
    )
    words = range(grammar.vocabulary)
    losses = [
        grammar.best_loss(torch.tensor([sentence]))
        for sentence in itertools.product(words, repeat=3)
    ]
    chances = np.exp(-2 * np.array(losses)) / grammar.vocabulary
    assert chances.sum() == pytest.approx(1)


def counted(tokens, before):
    """The loss of a table of counts, with ``before`` words in front, on its own sentences."""
    width = before + 1
    grams = tokens.unfold(1, width, 1).reshape(-1, width)
    code = (grams * SMALL.vocabulary ** torch.arange(width - 1, -1, -1)).sum(1)
    whole = code.bincount(minlength=SMALL.vocabulary**width).reshape(-1, SMALL.vocabulary).double()
    shares = whole / whole.sum(1, keepdim=True).clamp(min=1)
    return -(whole * shares.clamp(min=1e-300).log()).sum().item() / whole.sum().item()


def test_the_losses_of_a_grammar_are_those_of_counts():
    pairs = networks.language(100_000, length=2, grammar=SMALL)
    assert counted(pairs, 1) == pytest.approx(SMALL.bigram_loss(2), abs=0.015)
    pairs = networks.language(100_000, length=3, grammar=SMALL)[:, 1:]
    later = 2 * SMALL.bigram_loss(3) - SMALL.bigram_loss(2)
    assert counted(pairs, 1) == pytest.approx(later, abs=0.015)
    # of three words: the two that follow, and the chances of the true model
    threes = networks.language(200_000, length=3, grammar=SMALL)
    total = (SMALL.bigram_loss(2) + counted(threes, 2)) / 2
    assert SMALL.best_loss(threes) == pytest.approx(total, abs=4e-3)


def test_long_sentences_have_a_known_loss_and_dialect():
    grammar, length = networks.Grammar(), 24
    split = networks.labelled_sentences(1, 2000)
    ruled, stray = 0.15 / 16 + 0.85 / 2, 0.15 / 16
    stems = -2 * ruled * math.log(ruled) - 14 * stray * math.log(stray)
    forms = -0.625 * math.log(0.625) - 3 * 0.125 * math.log(0.125)
    naming = math.log(4) / (length - 1)  # what is to be learned of the dialect
    best = grammar.best_loss(split.test_inputs)
    assert best == pytest.approx(stems + forms + naming, abs=0.02)
    assert best == pytest.approx(2.47, abs=0.02)
    assert grammar.bigram_loss(length) == pytest.approx(3.47, abs=0.01)
    assert grammar.best_accuracy(split.test_inputs, split.test_labels) > 0.999


def test_without_rules_nothing_can_be_known():
    noise = networks.Grammar(noise=1.0, agreement=0.0)
    split = networks.labelled_sentences(1, 400, grammar=noise)
    assert noise.best_loss(split.test_inputs) == pytest.approx(math.log(64))
    assert noise.bigram_loss(24) == pytest.approx(math.log(64))
    assert noise.best_accuracy(split.test_inputs, split.test_labels) == 0.25


def test_what_a_grammar_excludes_costs_without_bound():
    strict = networks.Grammar(noise=0.0, agreement=1.0)
    assert strict.best_loss(torch.zeros(1, 24, dtype=torch.int64)) == math.inf


def test_a_grammar_collects_its_problems():
    with pytest.raises(InputError, match=r"forms=0, .*; successors=17, .*; noise=1\.5, "):
        networks.Grammar(forms=0, successors=17, noise=1.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: networks.language(0), "language has count=0"),
        (lambda: networks.language(1, length=1), "length=1.*2 words or more"),
        (lambda: networks.labelled_sentences(4, 0), "train=4, test=0"),
        (lambda: networks.labelled_sentences(4, seed=-1), "seed=-1"),
        (lambda: SMALL.bigram_loss(1), "length=1"),
        (lambda: SMALL.best_loss(networks.language(9)), r"from 0 to 6\d.*from 0 to 15"),
        (lambda: SMALL.best_loss(torch.zeros(3, 1)), r"shape \(3, 1\).*2 words or more"),
    ],
)
def test_impossible_sentences_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


# ---- training


def trained(kind, seed=0, **options):
    """A network and its log, after a short training of a kind."""
    options = {"epochs": 2, "batch_size": 8} | options
    if kind == "pretrain":
        model = network(vocabulary=16, context=16)
        tokens = networks.language(60, length=16, grammar=SMALL)
        return model, networks.pretrain(model, tokens, seed=seed, **options)
    model = zoo.GPTClassifier.of(network(vocabulary=16, context=16), 2)
    data = networks.labelled_sentences(60, 1, length=16, grammar=SMALL)
    return model, networks.fine_tune(
        model, data.train_inputs, data.train_labels, seed=seed, **options
    )


BOTH = pytest.mark.parametrize("kind", ["pretrain", "fine_tune"])


@BOTH
@pytest.mark.usefixtures("random_states")
def test_a_training_repeats_under_its_seed(kind):
    (first, log), (again, same), (other, _) = (trained(kind, seed) for seed in (0, 0, 1))
    assert states_equal(first, again)
    assert log == same
    assert not states_equal(first, other)
    assert log.steps == 16
    assert log.losses[1] < log.losses[0]
    assert all(weight.grad is None for weight in first.parameters())


def reference(tokens, steps, rates, betas):
    """Full-batch training by the book: AdamW in a plain loop."""
    model = network(vocabulary=16, context=16)
    decayed = [w for w in model.parameters() if w.ndim == 2]
    rest = [w for w in model.parameters() if w.ndim == 1]
    groups = [{"params": decayed}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=betas, weight_decay=0.1, foreach=False)
    for rate in rates:
        for group in optimizer.param_groups:
            group["lr"] = rate
        logits = model(tokens[:, :-1]).transpose(1, 2)
        optimizer.zero_grad()
        functional.cross_entropy(logits, tokens[:, 1:]).backward()
        norm = sum(w.grad.square().sum() for w in model.parameters()).sqrt()
        for w in model.parameters():
            w.grad /= max(1.0, norm.item())
        optimizer.step()
    return model


def test_pretraining_is_adamw_by_the_book():
    tokens = networks.language(60, length=16, grammar=SMALL)
    model = network(vocabulary=16, context=16)
    networks.pretrain(model, tokens, epochs=10, batch_size=60, learning_rate=0.01, warmup=0.2)
    falling = [0.005 * (1 + math.cos(math.pi * i / 8)) for i in range(8)]
    expected = reference(tokens, 10, [0.005, 0.01, *falling], (0.9, 0.95))
    for name, weight in model.state_dict().items():
        if not name.endswith("k.bias"):  # the loss does not depend on it: its gradient is rounding
            torch.testing.assert_close(weight, expected.state_dict()[name], rtol=1e-3, atol=2e-5)


class Rates(Callback):
    """Records the rates of every group at every step."""

    def __init__(self):
        self.rates = []

    def on_start(self, fit):
        self.decays = {
            weight.ndim: group["weight_decay"]
            for group in fit.optimizer.param_groups
            for weight in group["params"]
        }

    def on_step(self, fit):
        self.rates.append([group["lr"] for group in fit.optimizer.param_groups])


@BOTH
def test_the_rates_rise_and_fall_at_every_step(kind):
    watched = Rates()
    model, log = trained(kind, callbacks=[watched], epochs=4, learning_rate=0.01, warmup=0.25)
    rates = watched.rates
    plain, same = trained(kind, epochs=4, learning_rate=0.01, warmup=0.25)
    assert len(rates) == log.steps == 32
    assert states_equal(model, plain)
    assert log == same
    assert all(matrices == vectors for matrices, vectors in rates)
    rates = [first for first, _ in rates]
    assert rates[:8] == pytest.approx([0.01 * (i + 1) / 8 for i in range(8)])
    assert rates[8] == 0.01
    after = [i / 24 for i in range(24)]
    linear, cosine = ([1 - x for x in after], [(1 + math.cos(math.pi * x)) / 2 for x in after])
    falling = cosine if kind == "pretrain" else linear
    assert rates[8:] == pytest.approx([0.01 * share for share in falling])
    assert log.learning_rates == tuple(rates[::8])


def test_norms_and_biases_do_not_decay():
    watched = Rates()
    trained("fine_tune", callbacks=[watched], weight_decay=0.25)
    assert watched.decays == {2: 0.25, 1: 0.0}


def balanced(rule, **options):
    """A fine-tuning under TempBalance, by block, and what it did."""
    model = build(lambda: zoo.GPTClassifier(2, 16, 64, 3, 4, 16))
    data = networks.labelled_sentences(32, 1, length=16, grammar=SMALL)
    watched = BalanceCallback(rule=rule, group="block", every=2, **options)
    callbacks = [watched] if rule else []
    labels = data.train_labels
    networks.fine_tune(model, data.train_inputs, labels, epochs=3, callbacks=callbacks)
    return model, watched


def test_temperature_balancing_is_a_callback():
    plain, _ = balanced(None)
    uniform, _ = balanced("uniform")
    model, watched = balanced("tb_linear")
    balance = watched.balance
    assert states_equal(plain, uniform)
    assert not states_equal(plain, model)
    assert set(balance.factors) == {"blocks.0", "blocks.1", "blocks.2"}
    assert sorted({row.step for row in balance.trace().rows}) == [0, 2, 4, 6]
    assert balance.left_out["head"]


@BOTH
def test_a_training_that_diverges_stops(kind):
    model, log = trained(kind, learning_rate=1e38)
    assert log.diverged_at == 0
    assert log.losses == ()
    assert model.training


@BOTH
def test_modes_are_restored_and_epochs_told(kind):
    told = []

    class Told(Callback):
        def on_epoch(self, fit):
            told.append((fit.epoch - 1, fit.losses[-1].item()))

    _, log = trained(kind, callbacks=[Told()])
    assert told == list(enumerate(log.losses))
    model = network().eval()
    networks.pretrain(model, TOKENS, epochs=1)
    assert not any(module.training for module in model.modules())


@BOTH
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs=0, expected 1 or more"),
        ({"batch_size": 0, "learning_rate": -1.0}, "batch_size=0.*learning_rate=-1"),
        ({"warmup": 1.0}, "warmup=1.0, expected a share"),
    ],
)
def test_impossible_trainings_are_refused(kind, options, message):
    with pytest.raises(InputError, match=message):
        trained(kind, **options)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            lambda: networks.pretrain(network(), TOKENS + 5),
            "tokens from 5 to 15.*0 to 10.*vocabulary",
        ),
        (lambda: networks.pretrain(network(), TOKENS - 1), "tokens from -1"),
        (lambda: networks.pretrain(network(), TOKENS[:, :1]), r"shape \(3, 1\).*t at least 2"),
        (lambda: networks.pretrain(network(), TOKENS.float()), "float32 tokens"),
        (lambda: networks.pretrain(network(), TOKENS[:0]), "n at least 1"),
        (lambda: networks.pretrain(network(context=7), TOKENS), "t from 1 to 7"),
        (
            lambda: networks.fine_tune(classifier(), TOKENS, TOKENS[:2, 0]),
            r"labels \(2,\).*one label",
        ),
        (
            lambda: networks.fine_tune(classifier(), TOKENS + 9, TOKENS[:, 0]),
            "fine_tune got tokens",
        ),
    ],
)
def test_training_sets_that_do_not_fit_are_refused(train, message):
    with pytest.raises(InputError, match=message):
        train()


def test_a_training_set_of_one_row_can_be_learned():
    model = network()
    log = networks.pretrain(model, TOKENS[:1], epochs=100, learning_rate=0.02)
    assert log.final_loss < 0.1
    assert model(TOKENS[:1])[0, :-1].argmax(1).tolist() == TOKENS[0, 1:].tolist()


# ---- what can be learned


def tuned_accuracy(source, split, classes, seed):
    model = zoo.GPTClassifier.of(source, classes, seed)
    networks.fine_tune(model, split.train_inputs, split.train_labels, seed=seed)
    return zoo.accuracy(model, split.test_inputs, split.test_labels)


def mean_accuracies(gpt, fresh, count, seeds, **options):
    """Test accuracies after fine-tuning a pretrained and a fresh network on the same sentences."""
    splits = [
        networks.labelled_sentences(count, 500, seed=seed, **options) for seed in range(seeds)
    ]
    classes = int(splits[0].test_labels.max()) + 1
    return [
        np.mean([tuned_accuracy(source, split, classes, s) for s, split in enumerate(splits)])
        for source in (gpt, fresh)
    ]


def test_a_small_network_learns_the_dialects_without_labels():
    gpt, fresh = (build(lambda: zoo.GPT(16, 32, 2, 4, 16), seed) for seed in (0, 9))
    told = {"grammar": SMALL, "length": 16}
    networks.pretrain(gpt, networks.language(1024, **told), epochs=6, learning_rate=1e-2)
    held_out = networks.language(500, seed=1, **told)
    best, pairs = SMALL.best_loss(held_out), SMALL.bigram_loss(16)
    assert best < next_token_loss(gpt, held_out) < best + 0.4 * (pairs - best)
    pretrained, scratch = mean_accuracies(gpt, fresh, 64, 2, **told)
    assert pretrained > 0.85
    assert scratch < 0.7


@pytest.mark.slow
def test_the_default_network_learns_the_default_language():
    gpt, fresh = (build(lambda: zoo.GPT(64), seed) for seed in (0, 9))
    log = networks.pretrain(gpt, networks.language())
    held_out = networks.language(1000, seed=1)
    best, pairs = networks.Grammar().best_loss(held_out), networks.Grammar().bigram_loss(24)
    assert log.steps == 512
    assert best < next_token_loss(gpt, held_out) < best + 0.3 * (pairs - best)
    few, scratch = mean_accuracies(gpt, fresh, 64, 4)
    fewer, _ = mean_accuracies(gpt, fresh, 16, 4)
    assert scratch < 0.3
    assert 0.35 < fewer < 0.6
    assert 0.7 < few < 0.95


@pytest.mark.slow
def test_a_network_learns_english_beyond_its_letters():
    text = torch.tensor(list(data_file("text/tiny_shakespeare.txt").read_bytes()))
    shares = text.bincount() / len(text)
    letters = -torch.special.xlogy(shares, shares).sum().item()
    assert letters == pytest.approx(3.31, abs=0.01)
    rows = text[: len(text) // 65 * 65].view(-1, 65)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    model = build(lambda: zoo.GPT(128, depth=2))
    networks.pretrain(model, rows[order[:1600]], epochs=1, batch_size=16)
    assert next_token_loss(model, rows[order[-300:]]) < letters - 0.5
