"""The one training loop: known answers, callbacks, resuming, k networks, and what losses see."""

from __future__ import annotations

import io
import math
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
)

from eigenscape.errors import InputError
from eigenscape.models import (
    Callback,
    Data,
    Objective,
    Schedule,
    build,
    clipped,
    fit,
    mode_restored,
)
from eigenscape.zoo import MLP

sgd = partial(SGD, lr=0.1)


def drawn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def network(seed=0, *, dropout=0.0, double=False, norm=True):
    model = build(
        lambda: nn.Sequential(MLP(4, [8, 8], 3, batch_norm=norm), nn.Dropout(dropout)), seed
    )
    return model.double() if double else model


def problem(count=50, double=False):
    inputs = drawn(count, 4, dtype=torch.float64 if double else torch.float32)
    return inputs, torch.arange(count) % 3


def equal(first, second):
    return all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


# ---- known answers


def test_one_step_of_sgd_with_momentum_and_decay():
    weight = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(weight.weight, 2.0)
    x = torch.ones(1, 1, dtype=torch.float64)
    make = partial(SGD, lr=0.1, momentum=0.5, weight_decay=0.01)
    done = fit(weight, functional.mse_loss, (x, 0 * x), optimizer=make, steps=2)
    first = 2 * 2.0 + 0.01 * 2.0
    w1 = 2.0 - 0.1 * first
    second = 0.5 * first + 2 * w1 + 0.01 * w1
    assert weight.weight.item() == pytest.approx(w1 - 0.1 * second, rel=1e-14)
    assert done.loss.item() == pytest.approx(w1**2, rel=1e-14)


def test_a_step_of_adam_is_the_rate_in_the_direction_of_the_sign():
    model = nn.Linear(3, 1, bias=False).double()
    before = model.weight.detach().clone()
    x = torch.tensor([[1.0, -2.0, 5.0]], dtype=torch.float64)
    fit(model, lambda out, _: out.sum(), (x, x), optimizer=partial(Adam, lr=0.01), steps=1)
    torch.testing.assert_close(before - model.weight, 0.01 * x.sign(), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("shape", "end"), [("cosine", 0.5), ("linear", 0.5), ("constant", 1.0)])
def test_schedules_go_by_step(shape, end):
    seen = []

    class Rates(Callback):
        def on_step(self, fit):
            seen.append(fit.optimizer.param_groups[0]["lr"])

    inputs, labels = problem(8)
    for schedule in (shape, Schedule(shape, warmup=0.5), lambda base, fit: base / (1 + fit.step)):
        fit(
            network(),
            functional.cross_entropy,
            (inputs, labels),
            optimizer=sgd,
            epochs=2,
            batch_size=4,
            schedule=schedule,
            callbacks=[Rates()],
        )
    plain, warm, own = seen[:4], seen[4:8], seen[8:]
    assert plain[0] == 0.1
    assert plain[2] == pytest.approx(0.1 * end)
    assert warm == pytest.approx([0.05, 0.1, 0.1, 0.1 * end])
    assert own == pytest.approx([0.1, 0.05, 0.1 / 3, 0.025])


def test_groups_keep_their_own_base_rates():
    def make(weights):
        return SGD([{"params": weights[:2], "lr": 1.0}, {"params": weights[2:]}], lr=0.1)

    done = fit(
        network(), functional.cross_entropy, problem(), optimizer=make, steps=2, schedule="linear"
    )
    assert [group["lr"] for group in done.optimizer.param_groups] == [0.5, 0.05]


def test_steps_cut_the_last_epoch():
    inputs, labels = problem(50)
    done = fit(
        network(), functional.cross_entropy, (inputs, labels), optimizer=sgd, steps=7, batch_size=10
    )
    assert (done.step, done.epoch, done.epochs, len(done.losses)) == (7, 1, 2, 1)
    assert done.progress == 1.0


def test_clipping_scales_gradients_to_the_norm():
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)
    x = torch.tensor([[30.0, 40.0]])
    fit(
        model,
        lambda out, _: out.sum(),
        (x, x),
        optimizer=clipped(partial(SGD, lr=1.0), 5.0),
        steps=1,
    )
    torch.testing.assert_close(model.weight.detach(), -x / 10)


def test_an_optimizer_that_needs_a_closure_gets_one():
    # one step of L-BFGS solves a quadratic problem in one variable after its first line search
    model = nn.Linear(1, 1, bias=False).double()
    x = torch.ones(1, 1, dtype=torch.float64)
    make = partial(torch.optim.LBFGS, lr=1.0, max_iter=20, line_search_fn="strong_wolfe")
    done = fit(model, functional.mse_loss, (x, 3 * x), optimizer=make, steps=1)
    assert model.weight.item() == pytest.approx(3.0, abs=1e-9)
    assert done.step == 1
    assert done.diverged == [None]


class Ascending(SGD):
    """SGD at weights that stand a little uphill: sharpness-aware in its simplest form."""

    needs_closure = True

    @torch.no_grad()
    def step(self, closure=None):
        with torch.enable_grad():
            closure()
        weights = self.param_groups[0]["params"]
        moves = [0.5 * weight.grad for weight in weights]
        for weight, move in zip(weights, moves, strict=True):
            weight.add_(move)
        with torch.enable_grad():
            closure()
        for weight, move in zip(weights, moves, strict=True):
            weight.sub_(move)
        super().step()


def test_a_change_of_gradients_is_an_optimizer():
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(model.weight, 1.0)
    x = torch.ones(1, 1, dtype=torch.float64)
    done = fit(
        model, functional.mse_loss, (x, 0 * x), optimizer=partial(Ascending, lr=0.1), steps=1
    )
    assert model.weight.item() == pytest.approx(1.0 - 0.1 * 2 * (1.0 + 0.5 * 2.0))
    assert done.loss.item() == 1.0  # at the weights themselves


# ---- randomness


def test_a_run_repeats_under_its_seed_and_leaves_the_global_state():
    options = {"optimizer": sgd, "epochs": 3, "batch_size": 16}
    models = [network(dropout=0.3) for _ in range(3)]
    state = torch.get_rng_state()
    losses = [
        fit(model, functional.cross_entropy, problem(), seed=seed, **options).losses
        for model, seed in zip(models, (1, 1, 2), strict=True)
    ]
    assert torch.equal(state, torch.get_rng_state())
    assert equal(models[0], models[1])
    assert not equal(models[0], models[2])
    assert losses[0] == losses[1]


# ---- callbacks


def test_callbacks_are_told_in_order_and_of_what_holds():
    told = []
    model, data = network().eval(), problem(20)

    class Look(Callback):
        def __init__(self, name):
            self.name = name

        def on_start(self, fit):
            told.append((self.name, "start", fit.step, fit.epoch))
            assert math.isnan(fit.loss.item())
            assert not model.training
            self.before = fit.parameters

        def on_step(self, fit):
            told.append((self.name, "step", fit.step, fit.epoch))
            assert model.training
            now = fit.parameters
            slopes = torch.cat([weight.grad.flatten() for weight in model.parameters()])[None]
            torch.testing.assert_close(now, self.before - 0.1 * slopes)
            self.before = now

        def on_epoch(self, fit):
            told.append((self.name, "epoch", fit.step, fit.epoch))
            assert len(fit.losses) == fit.epoch
            assert model[0].head.weight.grad is not None

        def on_end(self, fit):
            told.append((self.name, "end", fit.step, fit.epoch))
            assert model[0].head.weight.grad is None
            assert not model.training
            assert torch.equal(fit.parameters, self.before)

    fit(
        model,
        functional.cross_entropy,
        data,
        optimizer=sgd,
        epochs=2,
        batch_size=10,
        callbacks=[Look("a"), Look("b")],
    )
    moments = [
        ("start", 0, 0),
        ("step", 1, 0),
        ("step", 2, 0),
        ("epoch", 2, 1),
        ("step", 3, 1),
        ("step", 4, 1),
        ("epoch", 4, 2),
        ("end", 4, 2),
    ]
    assert told == [(name, *moment) for moment in moments for name in "ab"]


@pytest.mark.parametrize(
    ("moment", "steps", "epochs"), [("on_start", 0, 0), ("on_step", 3, 0), ("on_epoch", 5, 1)]
)
def test_a_callback_may_stop_the_training(moment, steps, epochs):
    ended = []

    class Stop(Callback):
        def on_end(self, fit):
            ended.append(fit.stopped)

    def stop(self, fit):
        if moment != "on_step" or fit.step == 3:
            fit.stop("enough")

    setattr(Stop, moment, stop)
    inputs, labels = problem(50)
    done = fit(
        network(),
        functional.cross_entropy,
        (inputs, labels),
        optimizer=sgd,
        epochs=9,
        batch_size=10,
        callbacks=[Stop()],
    )
    assert (done.step, done.epoch, done.stopped, ended) == (steps, epochs, "enough", ["enough"])


def test_what_a_callback_draws_changes_nothing():
    class Draw(Callback):
        def on_step(self, fit):
            torch.rand(7)

        on_start = on_epoch = on_end = on_step

    quiet, watched = network(dropout=0.5), network(dropout=0.5)
    state = torch.get_rng_state()
    for model, callbacks in ((quiet, []), (watched, [Draw()])):
        fit(
            model,
            functional.cross_entropy,
            problem(),
            optimizer=sgd,
            epochs=2,
            batch_size=16,
            callbacks=callbacks,
        )
    assert equal(quiet, watched)
    assert torch.equal(state, torch.get_rng_state())


def test_names_that_clash_and_strangers_are_refused():
    class Look(Callback):
        pass

    assert Look().name == "Look"
    for callbacks, message in (([Look(), Look()], "name 'Look'.*Try: set"), ([print], "Callback")):
        with pytest.raises(InputError, match=message):
            fit(
                network(),
                functional.cross_entropy,
                problem(),
                optimizer=sgd,
                steps=1,
                callbacks=callbacks,
            )


# ---- resuming


class Checkpoint(Callback):
    """Saves at one moment, through a file in memory, as torch reads it safely."""

    def __init__(self, moment, at):
        self.moment, self.at, self.saved = moment, at, None

    def _save(self, moment, fit):
        if (moment, fit.step) == (self.moment, self.at):
            file = io.BytesIO()
            torch.save(fit.state(), file)
            file.seek(0)
            self.saved = torch.load(file, weights_only=True)

    def on_step(self, fit):
        self._save("step", fit)

    def on_epoch(self, fit):
        self._save("epoch", fit)


class Sum(Callback):
    total = 0.0

    def on_step(self, fit):
        self.total += fit.loss.sum().item()

    def state(self):
        return {"total": self.total}

    def restore(self, state):
        self.total = state["total"]


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("moment", "at"), [("step", 3), ("step", 4), ("epoch", 4), ("step", 6), ("epoch", 12)]
)
def test_a_training_resumes_bit_for_bit(several, moment, at):
    inputs, labels = problem(50)
    options = {
        "optimizer": partial(Adam, lr=0.01),
        "epochs": 3,
        "batch_size": 16,
        "drop_last": False,
        "schedule": "cosine",
    }

    def models():
        return [network(i, dropout=0.3) for i in range(2)] if several else network(dropout=0.3)

    whole, again, summed, resumed = models(), models(), Sum(), Sum()
    keep = Checkpoint(moment, at)
    first = fit(
        whole, functional.cross_entropy, (inputs, labels), callbacks=[summed, keep], **options
    )
    second = fit(
        again,
        functional.cross_entropy,
        (inputs, labels),
        callbacks=[resumed],
        resume=keep.saved,
        **options,
    )
    assert first.step == second.step == 12
    assert torch.equal(first.parameters, second.parameters)
    assert all(equal(a, b) for a, b in zip(first.models, second.models, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(first.losses, second.losses, strict=True))
    assert first.log() == second.log()
    assert summed.total == resumed.total


# ---- what a loss sees


def test_terms_are_averaged_per_sample_and_per_token():
    tokens = torch.arange(24).reshape(4, 6) % 5
    seen = []
    for reduction in ("mean", "none"):
        model = build(lambda: nn.Embedding(5, 5))

        def loss(logits, targets, reduction=reduction):
            return functional.cross_entropy(logits.transpose(1, 2), targets, reduction=reduction)

        done = fit(model, loss, (tokens[:, :-1], tokens[:, 1:]), optimizer=sgd, steps=3)
        seen.append((done.loss.item(), model.weight.detach().clone()))
    assert seen[0][0] == pytest.approx(seen[1][0], rel=1e-6)
    torch.testing.assert_close(seen[0][1], seen[1][1])


def test_the_loss_sees_example_numbers_and_the_batch():
    inputs, labels = problem(20)
    seen = []

    def loss(outputs, targets, numbers, batch):
        assert torch.equal(batch[0], inputs[numbers])
        assert torch.equal(targets, labels[numbers])
        seen.extend(numbers.tolist())
        return functional.cross_entropy(outputs, targets)

    fit(network(), loss, (inputs, labels), optimizer=sgd, epochs=2, batch_size=6)
    assert sorted(seen[:20]) == sorted(seen[20:]) == list(range(20))
    assert seen[:20] != seen[20:]


def test_goldfish_leaves_out_tokens_that_hang_on_the_example():
    # each example never learns the token at the place of its number: those stay at the start's loss
    rows, places = 4, 4
    targets = torch.arange(rows * places).reshape(rows, places)
    inputs = torch.arange(rows * places).reshape(rows, places)
    model = nn.Embedding(rows * places, rows * places)
    nn.init.zeros_(model.weight)

    def goldfish(logits, targets, numbers):
        terms = functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
        return terms.masked_fill(torch.arange(places) == numbers[:, None], 0.0)

    fit(
        model, goldfish, (inputs, targets), optimizer=partial(SGD, lr=50.0), epochs=20, batch_size=2
    )
    terms = functional.cross_entropy(model(inputs).transpose(1, 2), targets, reduction="none")
    held = torch.eye(rows, dtype=torch.bool)
    torch.testing.assert_close(terms[held], torch.full((4,), math.log(16.0)))
    assert terms[~held].max() < 0.1


def test_loss_truncation_drops_examples_with_wrong_labels():
    # drop the examples whose loss was above a threshold when they were last seen
    inputs = torch.cat([torch.full((20, 1), -1.0), torch.full((20, 1), 1.0)])
    right = (torch.arange(40) >= 20).long()
    labels = right.clone()
    labels[:6] = 1
    last = torch.zeros(40)

    def truncated(outputs, targets, numbers):
        terms = functional.cross_entropy(outputs, targets, reduction="none")
        keep = last[numbers] < 1.0
        last[numbers] = terms.detach()
        return terms * keep

    plain, careful = build(lambda: nn.Linear(1, 2)), build(lambda: nn.Linear(1, 2))
    options = {"optimizer": partial(SGD, lr=0.3), "epochs": 100, "batch_size": 10}
    fit(plain, functional.cross_entropy, (inputs, labels), **options)
    fit(careful, truncated, (inputs, labels), **options)
    assert functional.cross_entropy(careful(inputs), right) < 0.05
    # 6 of 20 labels at x = -1 are wrong: the model learns to believe them
    expected = -math.log(0.7) / 2
    assert functional.cross_entropy(plain(inputs), right).item() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("several", [False, True])
def test_a_penalty_is_a_loss_that_sees_the_parameters(several):
    # the spectral norm of the weight is held down; its gradient is u v^T
    model = nn.Linear(3, 3, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.diag(torch.tensor([3.0, 2.0, 1.0])))
    eye = torch.eye(3, dtype=torch.float64)

    def penalty(outputs, targets, parameters):
        return torch.linalg.matrix_norm(parameters["weight"], 2)

    fit([model] if several else model, penalty, (eye, eye), optimizer=partial(SGD, lr=0.5), steps=1)
    torch.testing.assert_close(model.weight.detach().diag(), torch.tensor([2.5, 2.0, 1.0]).double())


def test_dropout_can_be_tied_to_the_example():
    # forward sees the batch: its first part holds the numbers, which seed each example's own mask
    inputs, labels = problem(12)
    masks = {}

    def forward(model, batch):
        numbers, x, y = batch
        rows = []
        for number in numbers.tolist():
            generator = torch.Generator().manual_seed(number)
            rows.append(torch.rand(8, generator=generator) < 0.5)
            assert torch.equal(masks.setdefault(number, rows[-1]), rows[-1])
        hidden = model[0](x).relu() * torch.stack(rows)
        return model[1](hidden), y

    model = build(lambda: nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)))
    done = fit(
        model,
        functional.cross_entropy,
        (torch.arange(12), inputs, labels),
        optimizer=sgd,
        epochs=3,
        batch_size=4,
        forward=forward,
    )
    assert len(masks) == 12
    assert done.losses[-1] < done.losses[0]


def test_without_a_loss_the_model_answers_with_one():
    class Answering(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(2.0))

        def forward(self, x, labels):
            class Answer:
                loss = (self.weight * x - labels).square().mean()

            return Answer()

    model = Answering()
    batch = {"x": torch.ones(4), "labels": torch.zeros(4)}
    done = fit(model, None, batch, optimizer=sgd, steps=1)
    assert (done.loss.item(), model.weight.item()) == (4.0, pytest.approx(2.0 - 0.4))


# ---- data


def test_batches_and_loaders_are_taken_as_they_come():
    inputs, labels = problem(20)
    seen = []

    def loss(outputs, targets, numbers):
        seen.append(None if numbers is None else numbers.tolist())
        return functional.cross_entropy(outputs, targets)

    data = torch.utils.data.TensorDataset(inputs, labels)
    listed = list(zip(inputs.split(8), labels.split(8), strict=True))
    ordered = torch.utils.data.DataLoader(data, batch_size=8)
    shuffled = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)
    for batches in (listed, ordered, shuffled):
        models = [network(), network()]
        for model in models:
            done = fit(model, loss, batches, optimizer=sgd, epochs=2)
            assert (done.step, done.epochs) == (6, 2)
        assert equal(*models)
    numbers = [list(range(8)), list(range(8, 16)), list(range(16, 20))] * 4
    assert seen == numbers + numbers + [None] * 12


def test_an_own_order_says_which_examples_are_seen():
    inputs, labels = problem(20)
    seen = []

    def loss(outputs, targets, numbers):
        seen.append(numbers.tolist())
        return functional.cross_entropy(outputs, targets)

    fit(
        network(),
        loss,
        (inputs, labels),
        optimizer=sgd,
        epochs=2,
        order=lambda epoch: [torch.tensor([epoch, 5]), torch.tensor([7, 8, 9])],
    )
    assert seen == [[0, 5], [7, 8, 9], [1, 5], [7, 8, 9]]


def test_examples_may_be_made_on_demand():
    class Noisy:
        def __len__(self):
            return 10

        def batch(self, numbers):
            x = numbers[:, None] + torch.rand(len(numbers), 1)
            return x, 2 * x

    models = [build(lambda: nn.Linear(1, 1)) for _ in range(2)]
    for model in models:
        fit(
            model,
            functional.mse_loss,
            Noisy(),
            optimizer=partial(SGD, lr=0.01),
            epochs=2,
            batch_size=5,
        )
    assert equal(*models)


# ---- divergence


def test_a_loss_that_is_not_finite_ends_the_training_before_its_step():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    data = [(torch.ones(1, 1), torch.ones(1, 1)), (torch.full((1, 1), torch.inf), torch.ones(1, 1))]
    ended = []

    class End(Callback):
        def on_end(self, fit):
            ended.append(fit.diverged)

    done = fit(model, functional.mse_loss, data, optimizer=sgd, epochs=3, callbacks=[End()])
    assert (done.step, done.epoch, done.diverged, done.log().diverged_at) == (1, 0, [0], 0)
    assert model.weight.item() == 1.0
    assert ended == [[0]]


def test_weights_that_overflow_in_a_last_step_are_noticed():
    model = nn.Linear(1, 1, bias=False)
    done = fit(
        model,
        lambda out, _: out.sum(),
        (torch.full((1, 1), 10.0), torch.ones(1)),
        optimizer=partial(SGD, lr=3e38),
        steps=1,
    )
    assert (done.step, done.diverged, done.losses) == (1, [0], [])


def test_of_several_networks_one_may_diverge():
    models = [network(i) for i in range(3)]
    alone = network(2)
    with torch.no_grad():
        models[1][0].head.weight.fill_(torch.inf)
    data, options = problem(), {"optimizer": sgd, "epochs": 2, "batch_size": 25}
    done = fit(models, functional.cross_entropy, data, **options)
    single = fit(alone, functional.cross_entropy, data, **options)
    assert done.diverged == [None, 0, None]
    assert done.epoch == 2
    assert done.log(1).losses == ()
    assert done.log(2).losses == pytest.approx(single.log().losses, rel=1e-5)


# ---- k networks


OPTIMIZERS = {
    "SGD": partial(SGD, lr=0.05),
    "momentum": partial(SGD, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "nesterov": partial(SGD, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "Adam": partial(Adam, lr=0.01, weight_decay=1e-3),
    "AdamW": partial(AdamW, lr=0.01, weight_decay=0.1),
    "RMSprop": partial(RMSprop, lr=0.01, momentum=0.5),
    "Adagrad": partial(Adagrad, lr=0.05),
    "Adamax": partial(torch.optim.Adamax, lr=0.01),
    "NAdam": partial(torch.optim.NAdam, lr=0.01),
    "RAdam": partial(torch.optim.RAdam, lr=0.01),
    "Adadelta": partial(torch.optim.Adadelta, lr=1.0),
    "Rprop": partial(torch.optim.Rprop, lr=0.01),
    "ASGD": partial(torch.optim.ASGD, lr=0.05),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_k_networks_are_trained_as_each_would_be_alone(name):
    data = problem(60, double=True)
    seeds = [3, 1, 4]
    options = {
        "optimizer": OPTIMIZERS[name],
        "epochs": 4,
        "batch_size": 16,
        "schedule": "cosine",
    }
    # a bias before a batch norm has no gradient but rounding, whose sign Adam would follow
    norm = isinstance(OPTIMIZERS[name]([nn.Parameter(torch.ones(1))]), SGD)
    together = [network(i, double=True, norm=norm) for i in range(3)]
    done = fit(together, functional.cross_entropy, data, seed=seeds, **options)
    for i, model in enumerate(together):
        alone = network(i, double=True, norm=norm)
        single = fit(alone, functional.cross_entropy, data, seed=seeds[i], **options)
        for name_, tensor in alone.state_dict().items():
            torch.testing.assert_close(model.state_dict()[name_], tensor, rtol=1e-9, atol=1e-11)
        assert done.log(i).losses == pytest.approx(single.log().losses, rel=1e-10)
        assert not equal(model, network(i, double=True, norm=norm))


def test_k_networks_that_are_too_large_for_vmap_are_run_one_by_one(monkeypatch):
    from eigenscape.models import _side_by_side

    data, options = problem(double=True), {"optimizer": sgd, "epochs": 2, "batch_size": 16}
    rows = []
    for limit in (10**6, 1):
        monkeypatch.setattr(_side_by_side, "VMAP_LIMIT", limit)
        models = [network(i, double=True) for i in range(2)]
        rows.append(fit(models, functional.cross_entropy, data, seed=[0, 1], **options).parameters)
    torch.testing.assert_close(*rows, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        partial(Ascending, lr=0.1),
        clipped(sgd, 1.0),
        torch.optim.LBFGS,
        torch.optim.Adafactor,
        type("LARS", (SGD,), {}),
    ],
)
def test_optimizers_that_couple_networks_are_refused(make):
    with pytest.raises(InputError, match=r"couple them\. Try: fit each network alone"):
        fit([network(0), network(1)], functional.cross_entropy, problem(), optimizer=make, steps=1)


def test_what_norms_over_a_tensor_would_do_to_rows():
    # the trap itself: clipping the stacked gradients gives each row another length than alone
    slopes = torch.tensor([[3.0, 4.0], [30.0, 40.0]])
    together = nn.Parameter(torch.zeros(2, 2))
    together.grad = slopes.clone()
    nn.utils.clip_grad_norm_([together], 1.0)
    assert together.grad.norm(dim=1).tolist() == pytest.approx([5 / 50.25, 50 / 50.25], rel=1e-3)


def test_an_own_optimizer_may_say_that_it_is_elementwise():
    class Signs(SGD):
        elementwise = True

    models = [network(0), network(1)]
    assert (
        fit(
            models, functional.cross_entropy, problem(), optimizer=partial(Signs, lr=0.1), steps=2
        ).step
        == 2
    )


# ---- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 1, "steps": 1}, "epochs=1 and steps=1; expected one"),
        ({}, "epochs=None and steps=None"),
        ({"steps": 0}, "steps=0, expected 1 or more"),
        ({"steps": 1, "batch_size": 0}, "batch_size=0"),
        ({"steps": 1, "optimizer": 0.1}, "optimizer is a float.*Try: functools.partial"),
        ({"steps": 1, "seed": [1, 2]}, "2 seeds for 1 networks"),
        ({"steps": 1, "schedule": "step"}, "schedule='step'"),
        ({"steps": 1, "loss": "mse"}, "loss is a str"),
        ({"steps": 1, "loss": lambda *_: 1.0}, "the loss is .*float"),
        ({"steps": 1, "data": (torch.ones(3, 4), torch.ones(2))}, r"tensors of \[3, 2\]"),
        ({"steps": 1, "data": iter([1])}, "data is a list_iterator.*Try: list"),
        ({"steps": 1, "data": [problem()], "batch_size": 2}, "cut into batches already"),
        ({"steps": 1, "batch_size": 99, "drop_last": True}, "an epoch has no batch"),
        ({"steps": 1, "model": [network(), nn.Linear(4, 3)]}, "model 1 has other tensors"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, message):
    given = {
        "model": network(),
        "loss": functional.cross_entropy,
        "data": problem(),
        "optimizer": sgd,
    } | options
    positional = [given.pop(name) for name in ("model", "loss", "data")]
    with pytest.raises(InputError, match=message):
        fit(*positional, **given)


def test_modes_are_restored_also_after_an_error():
    model = network().eval()

    def broken(outputs, targets):
        raise ValueError("mine")

    with mode_restored(model), pytest.raises(ValueError, match="mine"):
        fit(model, broken, problem(), optimizer=sgd, steps=1)
    assert not any(module.training for module in model.modules())


# ---- loaders, labels that do not count, what is left behind


class Shuffling:
    """Examples with noise that is drawn from torch's generator at each call."""

    def __len__(self):
        return 50

    def batch(self, numbers):
        inputs, labels = problem()
        return inputs[numbers] + torch.randn(len(numbers), 4), labels[numbers]


def shuffled_loader(own):
    generator = torch.Generator().manual_seed(3) if own else None
    return DataLoader(TensorDataset(*problem()), batch_size=8, shuffle=True, generator=generator)


@pytest.mark.parametrize("at", [3, 7, 9, 14])
@pytest.mark.parametrize(
    "make",
    [partial(shuffled_loader, False), partial(shuffled_loader, True), Shuffling],
    ids=["loader", "loader with a generator", "examples with noise"],
)
def test_resumes_what_draws_its_own_order_or_noise(make, at):
    class Keep(Callback):
        def on_step(self, fit):
            if fit.step == at:
                self.kept = fit.state()

    options = {"optimizer": sgd, "epochs": 3}
    if make is Shuffling:
        options["batch_size"] = 8
    whole, again, keep = network(dropout=0.3), network(dropout=0.3), Keep()
    fit(whole, functional.cross_entropy, make(), callbacks=[keep], **options)
    fit(again, functional.cross_entropy, make(), resume=keep.kept, **options)
    assert equal(whole, again)


def test_resumes_from_the_end_of_a_training_that_was_stopped():
    class Stop(Callback):
        def on_step(self, fit):
            if fit.step == 4:
                fit.stop()

    options = {"optimizer": sgd, "epochs": 3, "batch_size": 16}
    whole, again = network(dropout=0.3), network(dropout=0.3)
    fit(whole, functional.cross_entropy, problem(), **options)
    part = fit(again, functional.cross_entropy, problem(), callbacks=[Stop()], **options)
    fit(again, functional.cross_entropy, problem(), resume=part.state(), **options)
    assert equal(whole, again)


def test_terms_of_labels_of_minus_100_do_not_count():
    inputs, labels = problem()
    labels[::2] = -100
    terms = partial(functional.cross_entropy, reduction="none")
    models = [network() for _ in range(4)]
    fit(models[0], functional.cross_entropy, (inputs, labels), optimizer=sgd, steps=3)
    done = fit(models[1], terms, (inputs, labels), optimizer=sgd, steps=3)
    fit(models[2:], terms, (inputs, labels), optimizer=sgd, steps=3)
    for model in models[1:]:
        for first, second in zip(models[0].parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)
    one = functional.cross_entropy(network()(inputs), labels)
    assert fit(network(), terms, (inputs, labels), optimizer=sgd, steps=1).loss.item() == (
        pytest.approx(one.item(), rel=1e-6)
    )
    assert done.diverged == [None]


class Asks(nn.Module):
    """Batch norm before an operation that vmap does not know."""

    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(4), nn.Linear(4, 3)

    def forward(self, x):
        x = self.norm(x)
        return self.head(x) if x.mean().item() < 1e9 else x


@pytest.mark.parametrize(
    "make",
    [Asks, lambda: nn.Sequential(nn.BatchNorm1d(4, momentum=None), nn.Linear(4, 3))],
    ids=["asks", "cumulative"],
)
def test_statistics_are_gathered_once_where_networks_cannot_run_side_by_side(make):
    together, alone = ([build(make, seed) for seed in range(2)] for _ in range(2))
    fit(together, functional.cross_entropy, problem(), optimizer=sgd, epochs=2, batch_size=10)
    for model in alone:
        fit(model, functional.cross_entropy, problem(), optimizer=sgd, epochs=2, batch_size=10)
    for first, second in zip(together, alone, strict=True):
        for one, other in zip(
            first.state_dict().values(), second.state_dict().values(), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_gradients_of_what_the_optimizer_leaves_alone_do_not_pile_up():
    class Watch(Callback):
        seen = ()

        def on_step(self, fit):
            self.seen += (fit.model[0].weight.grad.norm().item(),)

    model, watch = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)), Watch()
    frozen = SGD(model[1].parameters(), lr=0.0)
    fit(model, functional.cross_entropy, problem(), optimizer=frozen, steps=3, callbacks=[watch])
    assert watch.seen[0] == watch.seen[1] == watch.seen[2] > 0
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_closure_differentiates_where_the_step_does_not():
    class Plain(SGD):
        needs_closure = True

        @torch.no_grad()
        def step(self, closure):
            closure()
            super().step()

    first, second = network(), network()
    fit(first, functional.cross_entropy, problem(), optimizer=partial(Plain, lr=0.1), steps=3)
    fit(second, functional.cross_entropy, problem(), optimizer=sgd, steps=3)
    assert equal(first, second)


def test_networks_that_are_frozen_differently_are_refused():
    models = [network(0), network(1)]
    next(models[1].parameters()).requires_grad_(False)
    with pytest.raises(InputError, match="frozen in different parameters"):
        fit(models, functional.cross_entropy, problem(), optimizer=sgd, steps=1)


def test_an_exception_in_a_callback_leaves_modes_and_random_numbers():
    class Fail(Callback):
        def __init__(self, moment):
            setattr(self, moment, self.fail)

        def fail(self, fit):
            torch.rand(3)
            raise KeyError(fit.step)

    for moment in ("on_start", "on_step", "on_epoch", "on_end"):
        model = network().eval()
        before = torch.get_rng_state()
        with pytest.raises(KeyError):
            fit(
                model,
                functional.cross_entropy,
                problem(),
                optimizer=sgd,
                steps=9,
                callbacks=[Fail(moment)],
            )
        assert torch.equal(before, torch.get_rng_state())
        assert not any(module.training for module in model.modules())


def test_a_batch_that_was_given_is_not_cut_and_a_data_set_is():
    with pytest.raises(InputError, match="cut into batches already"):
        fit(
            network(),
            functional.cross_entropy,
            Data([problem()]),
            optimizer=sgd,
            steps=1,
            batch_size=8,
        )
    first, second = network(), network()
    options = {"optimizer": sgd, "epochs": 1, "batch_size": 10}
    done = fit(first, functional.cross_entropy, Data(TensorDataset(*problem())), **options)
    fit(second, functional.cross_entropy, problem(), **options)
    assert done.step == 5
    assert equal(first, second)


def test_a_callback_outside_a_list_is_refused_in_words():
    with pytest.raises(InputError, match="expected a list"):
        fit(
            network(),
            functional.cross_entropy,
            problem(),
            optimizer=sgd,
            steps=1,
            callbacks=Callback(),
        )


def test_a_fit_says_where_it_stands():
    done = fit(network(), functional.cross_entropy, problem(), optimizer=sgd, epochs=2)
    assert "epoch 2 of 2, mean loss " in repr(done)


@pytest.mark.parametrize(
    ("options", "known"),
    [
        ({"batch_size": 9}, True),
        ({"batch_size": 9, "drop_last": True}, True),
        ({"batch_size": 9, "shuffle": True}, False),
        ({"batch_sampler": BatchSampler(SequentialSampler(range(50)), 9, False)}, True),
        ({"batch_sampler": BatchSampler(RandomSampler(range(50)), 9, False)}, False),
        ({"batch_sampler": [[3, 1], [2, 0]]}, False),
    ],
)
def test_numbers_of_a_loader_are_the_examples_or_unknown(options, known):
    inputs, labels = problem()
    seen = []

    def loss(outputs, targets, batch, numbers):
        seen.append(numbers is not None)
        assert numbers is None or torch.equal(batch[0], inputs[numbers])
        return functional.cross_entropy(outputs, targets)

    loader = DataLoader(TensorDataset(inputs, labels), **options)
    fit(network(), loss, loader, optimizer=sgd, epochs=2)
    assert set(seen) == {known}


def test_a_model_without_parameters_is_refused():
    for model in (nn.ReLU(), nn.Linear(4, 3).requires_grad_(False)):
        with pytest.raises(InputError, match="no parameter that requires a gradient"):
            fit(model, functional.cross_entropy, problem(), optimizer=sgd, steps=1)


def test_a_loss_may_be_an_entry_or_an_attribute_of_the_answer():
    class Answers(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.layer, self.kind = nn.Linear(4, 3), kind

        def forward(self, x, labels):
            return self.kind(loss=functional.cross_entropy(self.layer(x), labels))

    inputs, labels = problem()
    found = []
    for kind in (dict, SimpleNamespace):
        model = build(partial(Answers, kind), 0)
        found.append(Objective(model, {"x": inputs, "labels": labels}).value())
        done = fit(model, None, {"x": inputs, "labels": labels}, optimizer=sgd, steps=1)
        found.append(done.loss.item())
    assert found == pytest.approx([found[0]] * 4, rel=1e-6)


def test_a_callback_with_a_moment_that_there_is_not_is_refused():
    class Misspelt(Callback):
        name = "misspelt"

        def on_epoch_end(self, fit):
            raise AssertionError("never called")

    with pytest.raises(InputError, match=r"Misspelt\.on_epoch_end would never be called.*on_epoch"):
        fit(
            nn.Linear(2, 2),
            nn.functional.mse_loss,
            (torch.ones(4, 2), torch.ones(4, 2)),
            optimizer=partial(torch.optim.SGD, lr=0.1),
            steps=1,
            callbacks=[Misspelt()],
        )
