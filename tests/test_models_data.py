"""Data: what is one batch and what is several, weights, order, examples, refusals."""

import collections
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from eigenscape.diagnosis import measure, models_and_data
from eigenscape.errors import InputError
from eigenscape.landscape import CurveOptions, connect, model_cka
from eigenscape.models import Data, NetworkData, Objective, Tokens, build, fit

MSE, CE = functional.mse_loss, functional.cross_entropy


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X, T, Y = normal(30, 4), normal(30, 4, seed=1), torch.arange(30) % 3
PAIR = (X, Y)


class Named(NamedTuple):
    inputs: torch.Tensor
    targets: torch.Tensor


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(X, Y, strict=True))


@pytest.mark.parametrize(
    ("source", "batches", "count", "ambiguous"),
    [
        (X, 1, 30, False),
        ((X, Y), 1, 30, False),
        ([X, Y], 1, 30, False),  # what next(iter(DataLoader)) gives
        ([X, T], 1, 30, True),  # of one kind: might be two batches of inputs
        ((X, T), 1, 30, False),
        ([X], 1, 30, False),
        ([X, T, X], 1, 30, True),
        (Named(X, Y), 1, 30, False),
        ({"x": X, "y": Y}, 1, 30, False),
        (collections.UserDict(x=X, y=Y), 1, 30, False),
        (({"x": X}, Y), 1, 30, False),
        ([{"x": X}, Y], 1, 30, False),
        (((X, T), Y), 1, 30, False),
        (({"x": X}, {"y": Y}), 1, 30, True),
        ((X, 0), 1, 30, False),
        ((X, None), 1, 30, False),
        ((X, torch.tensor(2.0)), 1, 30, False),
        ((X.numpy(), Y.numpy()), 1, 30, False),
        ([X.numpy(), Y.numpy()], 1, 30, False),
        ([PAIR], 1, 30, False),
        ([PAIR, PAIR], 2, 60, False),
        ((PAIR, PAIR), 2, 60, True),  # two batches, or a pair of pairs
        ([[X, Y], [X, Y]], 2, 60, False),
        ([{"x": X}, {"x": X}], 2, 60, False),
        ([({"x": X}, Y), ({"x": X}, Y)], 2, 60, False),
        ([[X], [X[:7]]], 2, 37, False),
        (DataLoader(TensorDataset(X, Y), batch_size=8), 4, 30, False),
        (DataLoader(TensorDataset(X), batch_size=8), 4, 30, False),
        (list(DataLoader(TensorDataset(X, Y), batch_size=8)), 4, 30, False),
        (TensorDataset(X, Y), 1, 30, False),
        (Stream(), 1, 30, False),
    ],
)
def test_what_is_one_batch_is_decided_by_structure(source, batches, count, ambiguous):
    data = Data(source)
    assert (data.batches, data.count, data.examples) == (batches, count, count)
    assert data.ambiguous is ambiguous
    assert data.understood.startswith("one batch of" if batches == 1 else f"{batches} batches")
    assert [weight for _, weight in data] == [weight for _, weight in data]
    assert sum(weight for _, weight in data) == count
    assert data.hash == Data(source).hash


def test_a_pair_given_as_a_list_is_one_batch_everywhere():
    model, other = (build(lambda: nn.Linear(4, 4), seed) for seed in (0, 1))
    wanted = float(MSE(model(X), T).detach())
    for source in ([X, T], (X, T), next(iter(DataLoader(TensorDataset(X, T), batch_size=30)))):
        objective = Objective(model, None, source, forward=lambda m, b: MSE(m(b[0]), b[1]))
        assert objective.value() == pytest.approx(wanted, rel=1e-6)
        assert objective.data.count == 30
    noted = Objective(model, MSE, [X, T]).notes
    assert noted == (
        "the data were interpreted as one batch of 30: a list of tensors (30, 4), (30, 4)",
    )
    assert not Objective(model, MSE, (X, T)).notes
    same = [model_cka(model, other, source, mixup=None).value for source in ([X, T], (X, T), X)]
    assert same[0] == same[1] == same[2]


def test_a_model_that_fails_says_what_the_data_were_taken_for():
    model = build(lambda: nn.Linear(4, 4), 0)
    with pytest.raises(
        InputError, match=r"interpreted as one batch of 30: a list of tensors \(30, 4\)"
    ):
        Objective(model, None, [X], forward=lambda m, x: m(x).square().mean())


def test_a_mapping_and_a_target_are_one_batch():
    class Keyed(nn.Linear):
        def forward(self, batch):
            return super().forward(batch["x"])

    model = build(lambda: Keyed(4, 3), 0)
    found = Objective(model, CE, ({"x": X}, Y))
    assert found.value() == pytest.approx(float(CE(model({"x": X}), Y).detach()), rel=1e-6)


def test_curves_and_measurements_understand_the_same():
    pair = [build(lambda: nn.Linear(4, 3), seed) for seed in (0, 1)]
    loader = DataLoader(TensorDataset(X, Y), batch_size=8)
    curves = [
        connect(*pair, CE, data, options=CurveOptions(epochs=2, batch_size=8))
        for data in (PAIR, [X, Y])
    ]
    assert curves[0].curve == curves[1].curve
    assert (
        curves[0].samples
        == connect(*pair, CE, loader, options=CurveOptions(epochs=1)).samples
        == 30
    )
    losses = [measure(pair[0], data).metrics["train_loss"] for data in (PAIR, [X, Y], loader)]
    assert losses == [losses[0]] * 3
    for data in (PAIR, [X, Y], [PAIR], loader, [(X[:9], Y[:9]), (X[9:], Y[9:])]):
        _, (inputs, labels) = models_and_data((pair[0], CE, data))
        assert torch.equal(inputs, X)
        assert torch.equal(labels, Y)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (7, "one batch or an iterable"),
        ("words", "one batch or an iterable"),
        ([], "there is no batch"),
        ((), "there is no batch"),
        ([1, 2], "no tensor with a first axis"),
        (["words"], "no tensor with a first axis"),
        (iter([PAIR]), "exhausted after one pass"),
        ((x for x in [PAIR]), "exhausted after one pass"),
        (X[:0], "0 samples"),
        ([PAIR, (X[:0], Y[:0])], "batch 1 holds 0 samples"),
        (DataLoader(TensorDataset(X, Y), batch_size=4, shuffle=True), "differ between two passes"),
        (np.array(["a", "b"]), "an array that cannot be a tensor"),
    ],
)
def test_what_is_no_data_is_refused_in_words(source, words):
    with pytest.raises(InputError, match=words):
        Data(source)


def test_weights_are_terms_of_the_loss():
    labels = torch.zeros(6, 5, dtype=torch.int64)
    labels[:2, 3:] = -100
    assert Data({"input_ids": labels, "labels": labels}).count == 26
    assert Data((normal(6, 5, 3), labels)).count == 26
    assert Data((normal(6, 5, 3), labels), size=lambda batch: 2.5).count == 2.5
    assert Data((normal(6, 5, 3), labels), size=lambda b: (b[1] == 0).sum()).count == 26
    with pytest.raises(InputError, match="batch 0 holds -1"):
        Data(X, size=lambda _: -1)


class Answer:
    def __init__(self, loss):
        self.loss = loss


class Causal(nn.Module):
    """Its loss is a mean over labels[:, 1:] that are not -100, as in transformers."""

    def __init__(self):
        super().__init__()
        self.rows = nn.Embedding(11, 11)

    def forward(self, input_ids, labels):
        logits = self.rows(input_ids)[:, :-1]
        return Answer(CE(logits.flatten(0, 1), labels[:, 1:].flatten()))


class Tagger(Causal):
    """Its loss is a mean over all labels that are not -100."""

    def forward(self, input_ids, labels):
        return Answer(CE(self.rows(input_ids).flatten(0, 1), labels.flatten()))


@pytest.mark.parametrize(("kind", "count"), [(Causal, 52), (Tagger, 64)])
def test_labels_are_weighted_as_the_loss_takes_them(kind, count):
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 11, (12, 7), generator=generator)
    labels = tokens.clone()
    labels[:4, 2:] = -100
    model = build(kind, 0)
    whole = {"input_ids": tokens, "labels": labels}
    cut = [{name: t[part] for name, t in whole.items()} for part in (slice(5), slice(5, 12))]
    objective = Objective(model, None, cut)
    assert objective.data.count == count
    wanted = float(model(**whole).loss.detach())
    assert objective.value() == pytest.approx(wanted, rel=1e-6)
    assert any("causal" in note for note in objective.notes) is (kind is Causal)
    mine = Objective(model, None, cut, size=lambda batch: len(batch["labels"]))
    assert mine.data.count == 12
    assert mine.value() != pytest.approx(wanted, rel=1e-6)


def test_a_sum_is_refused_also_where_the_outputs_are_not_known():
    model = build(lambda: nn.Linear(4, 3), 0)
    for reduction, refused in (("sum", True), ("mean", False)):
        for forward, loss in (
            (lambda m, b, how=reduction: CE(m(b[0]), b[1], reduction=how), None),
            (
                lambda m, b: ({"logits": m(b[0])}, b[1]),
                lambda out, y, how=reduction: CE(out["logits"], y, reduction=how),
            ),
        ):
            if refused:
                with pytest.raises(InputError, match="is a sum"):
                    Objective(model, loss, PAIR, forward=forward)
            else:
                Objective(model, loss, PAIR, forward=forward)


@given(size=st.integers(1, 40), cut=st.integers(1, 30), seed=st.integers(0, 99))
def test_examples_are_the_same_however_they_are_cut(size, cut, seed):
    data = Data(PAIR).cut(cut)
    assert sorted(torch.cat(data.numbers).tolist()) == list(range(30))
    inputs, targets = data.whole()
    assert torch.equal(inputs, X)
    assert torch.equal(targets, Y)
    seen = []
    for (some, theirs), numbers in data.epoch(size, torch.Generator().manual_seed(seed)):
        assert torch.equal(some, X[numbers])
        assert torch.equal(theirs, Y[numbers])
        seen += numbers.tolist()
    assert sorted(seen) == list(range(30))
    assert all(len(part) > 1 for part in Data(PAIR).cut(29).numbers)  # no last batch of one


def test_a_batch_that_was_given_is_not_cut():
    listed, whole = Data([PAIR]), Data(PAIR)
    assert (listed.single, whole.single) == (False, True)
    assert (listed.cut(8).batches, whole.cut(8).batches) == (1, 4)
    generator = torch.Generator().manual_seed(0)
    ((batch, numbers),) = listed.epoch(8, generator)
    assert torch.equal(batch[0], X)
    assert numbers.tolist() == list(range(30))


def test_examples_are_taken_without_replacement():
    some = Data([PAIR, PAIR]).take(11, seed=3)
    ((inputs, labels), weight) = next(iter(some))
    assert weight == some.count == len(labels) == 11
    assert torch.equal(labels, Data([PAIR, PAIR]).take(11, seed=3).whole()[1])
    assert not torch.equal(inputs, Data([PAIR, PAIR]).take(11, seed=4).whole()[0])
    keyed = Data(({"x": X, "scale": torch.tensor(2.0)}, Y)).take(5)
    assert keyed.whole()[0]["x"].shape == (5, 4)
    for n in (0, 61):
        with pytest.raises(InputError, match="expected 1 to 60"):
            Data([PAIR, PAIR]).take(n)
    with pytest.raises(InputError, match="as many in each"):
        Data((X, Y[:7])).take(3)
    with pytest.raises(InputError, match="cannot be put into one"):
        Data([(X, Y), (X[:, :2], Y)]).whole()


def test_data_move_and_keep_their_hash():
    data = Data((X, Y))
    wide = data.to(dtype=torch.float64)
    assert (wide.whole()[0].dtype, wide.whole()[1].dtype) == (torch.float64, torch.int64)
    assert data.whole()[0].dtype == torch.float32
    assert wide.hash == data.hash != Data((X + 1, Y)).hash


def test_each_network_has_its_own_rows():
    rows = torch.stack([torch.arange(5), torch.arange(5, 10)])
    data = NetworkData(X, rows, Y[rows])
    inputs, labels = data.batch(torch.tensor([0, 4]))
    assert torch.equal(inputs[1], X[[5, 9]])
    assert torch.equal(labels[1], Y[[5, 9]])
    apart, _ = data.batch(torch.tensor([[0, 1], [4, 3]]))
    assert torch.equal(apart[1], X[[9, 8]])
    assert torch.equal(data.network(1).whole()[0], X[5:10])
    assert torch.equal(data.select([1]).whole()[0][0], X[5:10])
    assert data.take(3).examples == data.first(3).examples == 3
    assert data.hash != data.select([0]).hash
    with pytest.raises(InputError, match=r"expected \(k, n\)"):
        NetworkData(X, rows, Y[:5])
    with pytest.raises(InputError, match="of 2 networks, and there are 3"):
        Objective([build(lambda: nn.Linear(4, 3), s) for s in range(3)], CE, data, check=False)


def test_tokens_are_data():
    tokens = Tokens.of(torch.arange(40) % 7, length=6)
    data = Data(tokens)
    assert data.of_tokens
    assert data.count == tokens.count == 39
    assert data.examples == len(tokens)


def test_labels_that_do_not_count_in_one_batch_are_counted_in_all():
    tokens = torch.zeros(4, 10, dtype=torch.int64)
    padded = tokens.clone()
    padded[:, 5:] = -100
    inputs = normal(4, 10, 3)
    weights = [weight for _, weight in Data([(inputs, tokens), (inputs, padded)])]
    assert weights == [40, 20]
    together = Data((torch.cat([inputs, inputs]), torch.cat([tokens, padded])))
    model = build(lambda: nn.Linear(3, 3))

    def loss(outputs, targets):
        return CE(outputs.flatten(0, 1), targets.flatten())

    parts = Objective(model, loss, [(inputs, tokens), (inputs, padded)])
    whole = Objective(model, loss, together)
    assert parts.value() == pytest.approx(whole.value(), rel=1e-9)
    assert [weight for _, weight in Data([(inputs, tokens)] * 2)] == [4, 4]
    arrays = [(inputs.numpy(), tokens.numpy()), (inputs.numpy(), padded.numpy())]
    assert [weight for _, weight in Data(arrays)] == [40, 20]


def test_lists_beside_tensors_are_chosen_from_with_them():
    names = [f"sample {number}" for number in range(30)]
    batch = Data({"x": X, "y": Y, "more": {"names": names}, "classes": [0, 1, 2]}).take(5).whole()
    found = [int(name.split()[1]) for name in batch["more"]["names"]]
    assert torch.equal(X[found], batch["x"])
    assert batch["classes"] == [0, 1, 2]
    seen = []

    def forward(model, some):
        seen.append(some["names"])
        return model(some["x"]), some["y"]

    models, names = [nn.Linear(4, 3), nn.Linear(4, 3)], [f"{number}" for number in range(30)]
    options = {"optimizer": partial(torch.optim.SGD, lr=0.1), "steps": 1, "batch_size": 10}
    whole = {"x": X, "y": Y, "names": names}
    done = fit(models, CE, whole, seed=[0, 1], forward=forward, **options)
    assert [list(map(int, row)) for row in seen[0]] == done.numbers.tolist()


def test_other_data_are_weighted_in_the_same_way():
    data = [(X, Y), (X[:5], Y[:5])]
    objective = Objective(build(lambda: nn.Linear(4, 3)), CE, data, size=lambda _: 1)
    assert [weight for _, weight in objective.on(data).data] == [1, 1]
    assert [weight for _, weight in objective.on(Data(data, size=lambda _: 2)).data] == [2, 2]
