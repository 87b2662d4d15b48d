"""Mode connectivity: closed forms, the protocol, real digits, bad input."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from eigenscape import zoo
from eigenscape.errors import InputError
from eigenscape.landscape import (
    CurveOptions,
    PathResult,
    bezier_point,
    connect,
    mode_connectivity,
    mode_connectivity_peak,
    path_barrier,
)
from eigenscape.landscape.paths._bend import bend_rate, bend_share
from eigenscape.landscape.paths._path_metrics import classification_error
from eigenscape.landscape.paths._path_result import measure_point
from eigenscape.models import Objective, ParameterSpace
from eigenscape.models import build as seeded_model
from eigenscape.results import load
from tests._properties import examples, near

CE = functional.cross_entropy


@pytest.fixture(scope="module")
def split():
    return zoo.digits()


@pytest.fixture(scope="module")
def pairs(split):
    """Two digits networks of different seeds; with batch norm, and without."""
    found = {}
    for norm in (True, False):
        models = []
        for seed in (0, 1):
            model = seeded_model(lambda: zoo.MLP(64, [32, 32], 10, batch_norm=norm), seed)  # noqa: B023
            zoo.train(
                model,
                split.train_inputs,
                split.train_labels,
                epochs=20,
                batch_size=64,
                learning_rate=0.1,
                seed=seed,
            )
            models.append(model)
        found[norm] = models
    return found


def toy(seed=0, *, norm=False, inputs=3):
    return seeded_model(lambda: zoo.MLP(inputs, [5], 2, batch_norm=norm), seed)


def toy_data(count=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 3, generator=generator)
    return inputs, (inputs[:, 0] > 0).long()


# ---------------------------------------------------------------- numbers of a path


@pytest.mark.parametrize("name", ["epochs", "batch_size", "points", "seed"])
def test_the_least_of_each_number_of_the_protocol(name):
    least = {"epochs": 1, "batch_size": 1, "points": 3, "seed": 0}[name]
    assert getattr(CurveOptions(**{name: least}), name) == least
    with pytest.raises(InputError, match=f"{name} is {least - 1}; expected .* {least} or more"):
        CurveOptions(**{name: least - 1})


def test_the_protocol_is_that_of_the_papers():
    # Yang et al. (2021) and Zhou et al. (2024): 50 epochs of 128 samples, rate 0.01, momentum 0.9,
    # weight decay 5e-4, five points
    chosen = CurveOptions()
    assert (chosen.epochs, chosen.batch_size, chosen.points) == (50, 128, 5)
    assert (chosen.learning_rate, chosen.momentum, chosen.weight_decay) == (0.01, 0.9, 5e-4)


@pytest.mark.parametrize(
    ("errors", "mc", "peak", "barrier"),
    [
        ([0, 10, 40, 20, 0], -40, -40, 40),  # a barrier
        ([0.2, 0.2, 0.2, 0.2, 0.2], 0, -0.2, 0),  # well connected
        ([30, 12, 8, 10, 26], 20, -12, 0),  # the ends have not converged
        ([10, 0, 14, 0, 10], 10, -14, 4),  # the largest gap is below the ends
        ([63.0, 2.0, 1.9], -30.55, -2, 0),  # the ends' gaps are equal: the first counts
        ([0, 0, 10, 0, 10], 5, -10, 5),  # all gaps are 5: the first of them, at t = 0, counts
    ],
)
def test_numbers_of_a_path_by_hand(errors, mc, peak, barrier):
    assert mode_connectivity(errors) == pytest.approx(mc)
    assert mode_connectivity_peak(errors) == pytest.approx(peak)
    assert path_barrier(errors) == pytest.approx(barrier)


@given(
    errors=st.lists(st.integers(0, 1000).map(lambda n: n / 10), min_size=3, max_size=9),
    shift=st.integers(-500, 500).map(lambda n: n / 10),
)
@examples(60)
def test_path_numbers_move_with_the_path(errors, shift):
    path = np.array(errors)
    size = np.abs([*path, *(path + shift)]).max()
    assert mode_connectivity(path + shift) == near(mode_connectivity(path), 1e-12, size)
    assert path_barrier(path + shift) == near(path_barrier(path), 1e-12, size)
    peak = mode_connectivity_peak(path)
    assert mode_connectivity_peak(path + shift) == near(peak - shift, 1e-12, size)
    assert path_barrier(path[::-1]) == near(path_barrier(path), 1e-12, size)


@pytest.mark.parametrize("errors", [[1, 2], [1, float("nan"), 2], [[1, 2, 3]], []])
def test_paths_that_are_none(errors):
    for metric in (mode_connectivity, mode_connectivity_peak, path_barrier):
        with pytest.raises(InputError, match="three or more finite"):
            metric(errors)


def test_bezier_weights_ends_and_stacks():
    generator = torch.Generator().manual_seed(0)
    a, c, b = torch.randn(3, 7, generator=generator)
    assert torch.equal(bezier_point(a, c, b, 0), a)
    assert torch.equal(bezier_point(a, c, b, 1), b)
    assert torch.allclose(bezier_point(a, c, b, 0.5), a / 4 + c / 2 + b / 4)
    assert torch.allclose(bezier_point(a, (a + b) / 2, b, 0.3), 0.7 * a + 0.3 * b, atol=1e-6)
    stack = bezier_point(a, c, b, torch.tensor([[0.0], [0.5]]))
    assert torch.equal(stack[0], a)
    assert torch.equal(stack[1], bezier_point(a, c, b, 0.5))


@given(t=st.floats(0, 1))
@examples(30)
def test_bend_share_is_the_slope_in_the_bend(t):
    bend = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(bezier_point(torch.ones(1), bend, torch.ones(1), t).sum(), bend)
    assert float(slope) == pytest.approx(bend_share(t), rel=1e-12)
    assert 0.01 - 1e-12 <= bend_rate(t) <= 1


def test_classification_error_finds_the_classes():
    labels = torch.tensor([[0, 1, 2], [2, 1, -100]])
    scores = functional.one_hot(labels.clamp(min=0), 4).float()
    assert classification_error(scores, labels) == 0
    assert classification_error(scores.transpose(1, 2), labels) == 0
    scores[0, 0] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    assert classification_error(scores, labels) == pytest.approx(20)  # 1 of the 5 that count
    for outputs, targets in [
        (torch.zeros(3, 1), torch.zeros(3, dtype=torch.long)),
        (torch.zeros(3, 2), torch.zeros(3)),
        (torch.zeros(3, 2), torch.zeros(4, dtype=torch.long)),
        ({"logits": 1}, labels),
    ]:
        with pytest.raises(InputError, match="Try: give error=f"):
            classification_error(outputs, targets)
    with pytest.raises(InputError, match="every label"):
        classification_error(scores, torch.full((2, 3), -100))


# ---------------------------------------------------------------- the curve


@pytest.mark.parametrize("norm", [True, False])
def test_the_curve_joins_what_the_line_does_not(pairs, split, norm):
    data = split.train_inputs, split.train_labels
    test = split.test_inputs, split.test_labels
    states = [copy.deepcopy(model.state_dict()) for model in pairs[norm]]
    before = torch.get_rng_state()
    found = connect(
        *pairs[norm], CE, data, test=test, options=CurveOptions(epochs=60, learning_rate=0.05)
    )
    assert found.line_barrier > 10  # per cent of training error
    assert found.barrier < found.line_barrier / 5
    assert max(found.curve.train_loss) < max(found.line.train_loss) / 2
    assert max(found.curve.test_error) < max(found.line.test_error)
    assert torch.equal(before, torch.get_rng_state())
    for model, state in zip(pairs[norm], states, strict=True):
        assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
        assert not any(parameter.grad is not None for parameter in model.parameters())
    a, b = (torch.nn.utils.parameters_to_vector(m.parameters()).detach() for m in pairs[norm])
    assert found.distance == pytest.approx(float((b - a).norm()), rel=1e-6)
    # Ends: those of the curve, of the line, and (without batch norm) of the models.
    for end in (0, -1):
        assert found.curve.train_error[end] == found.line.train_error[end]
        if not norm:
            right = zoo.accuracy(pairs[norm][end], *test)
            assert found.curve.test_error[end] == pytest.approx(100 * (1 - right), abs=1e-9)


@pytest.mark.parametrize("init", ["midpoint", "random"])
def test_the_published_protocol_joins_digits(pairs, split, init):
    data = split.train_inputs, split.train_labels
    found = connect(
        *pairs[False], CE, data, options=CurveOptions(init=init, epochs=60, learning_rate=0.05)
    )
    assert found.options.init == init
    assert found.barrier < found.line_barrier / 2


def test_a_model_joined_with_itself_is_flat():
    model, data = toy(norm=True), toy_data()
    found = connect(
        model, copy.deepcopy(model), CE, data, options=CurveOptions(epochs=1, learning_rate=1e-12)
    )
    assert found.distance == 0
    for path in (found.curve, found.line):
        assert np.ptp(path.train_loss) < 1e-6
        assert np.ptp(path.train_error) == 0
    assert (found.mode_connectivity, found.barrier, found.line_barrier) == (0, 0, 0)


def test_statistics_at_a_point_are_those_of_a_naive_recomputation():
    """Batch norm at t = 1/2: set the parameters of a copy, gather, and evaluate, by hand."""
    model_a, model_b, (inputs, labels) = toy(0, norm=True), toy(1, norm=True), toy_data(50)
    found = connect(
        model_a, model_b, CE, (inputs, labels), options=CurveOptions(epochs=2, batch_size=16)
    )
    space = ParameterSpace.of(model_a)
    ends = [
        space.join(dict(model.named_parameters()), torch.float32) for model in (model_a, model_b)
    ]
    copied = copy.deepcopy(model_a)
    point = bezier_point(ends[0], found.bend, ends[1], 0.5)
    copied.load_state_dict({**copied.state_dict(), **space.split(point)})
    norm = copied.layers[0].norm
    norm.reset_running_stats()
    copied.train()
    seen = 0
    for part in torch.split(torch.arange(50), 16):  # 16, 16, 16, 2
        seen += len(part)
        norm.momentum = len(part) / seen
        copied(inputs[part])
    copied.eval()
    with torch.no_grad():
        logits = copied(inputs)
    assert found.curve.train_loss[2] == pytest.approx(float(CE(logits.double(), labels)), rel=1e-6)
    assert found.curve.train_error[2] == pytest.approx(classification_error(logits, labels))


def test_the_first_step_is_stochastic_gradient_descent():
    """One batch, one epoch: bend - rate * share * (gradient + decay * theta), by hand."""
    model_a, model_b, data = toy(0), toy(1), toy_data(20)
    found = connect(
        model_a,
        model_b,
        CE,
        data,
        options=CurveOptions(epochs=1, learning_rate=0.3, weight_decay=0.1, seed=5),
    )
    generator = torch.Generator().manual_seed(5)
    torch.randperm(20, generator=generator)
    t = float(torch.rand((), generator=generator))
    objective = Objective(model_a, CE, data)
    end = objective.space.join(dict(model_b.named_parameters()), torch.float32)
    bend = (objective.center + end) / 2
    point = bezier_point(objective.center, bend, end, t)
    slope = objective.gradient(point) + 0.1 * point
    assert torch.allclose(found.bend.double(), bend - 0.3 * bend_share(t) * slope, atol=1e-6)


def test_seeds_and_both_kinds_of_data():
    models, (inputs, labels) = (toy(0), toy(1)), toy_data()
    batches = list(zip(inputs.split(10), labels.split(10), strict=True))
    for data in ((inputs, labels), batches):
        one, same, other = (
            connect(*models, CE, data, options=CurveOptions(epochs=3, batch_size=10, seed=seed))
            for seed in (0, 0, 1)
        )
        assert torch.equal(one.bend, same.bend)
        assert not torch.equal(one.bend, other.bend)
        assert one.line == other.line
    tensors = connect(*models, CE, (inputs, labels), options=CurveOptions(epochs=1, batch_size=10))
    listed = connect(*models, CE, batches, options=CurveOptions(epochs=1))
    assert tensors.line == listed.line
    assert tensors.data_hash == listed.data_hash


def test_a_given_bend_a_random_bend_and_progress():
    models, data, told = (toy(0), toy(1)), toy_data(), []
    given_bend = connect(
        *models,
        CE,
        data,
        progress=told.append,
        bend=toy(2),
        options=CurveOptions(epochs=2, learning_rate=1e-12),
    )
    expected = ParameterSpace.of(models[0]).join(dict(toy(2).named_parameters()), torch.float32)
    assert torch.allclose(given_bend.bend, expected, atol=1e-6)
    assert given_bend.options.init == "model"
    assert [state.done for state in told] == list(range(1, 9))  # 2 epochs, 2 x 3 points
    assert told[-1].total == 8
    drawn = connect(
        *models, CE, data, options=CurveOptions(init="random", epochs=1, learning_rate=1e-12)
    )
    assert not torch.allclose(drawn.bend, expected, atol=1e-2)


def test_a_last_batch_of_one_joins_its_neighbour():
    found = connect(
        toy(0, norm=True),
        toy(1, norm=True),
        CE,
        toy_data(33),
        options=CurveOptions(epochs=1, batch_size=16),
    )
    assert found.samples == 33


def test_round_trip_table_and_picture(tmp_path):
    data = toy_data()
    found = connect(toy(0), toy(1), CE, data, test=data, options=CurveOptions(epochs=2, points=3))
    again = load(found.save(tmp_path / "curve.json"))
    assert isinstance(again, PathResult)
    assert again == found
    frame = found.frame()
    assert list(frame["t"]) == [0, 0.5, 1] * 2
    assert frame.notna().all().all()
    assert len(found.plot().axes) == 2
    bare = connect(toy(0), toy(1), CE, data, options=CurveOptions(epochs=1))
    assert "test_loss" not in bare.frame()
    assert len(bare.plot().axes[0].lines) == 2


# ---------------------------------------------------------------- bad input


def test_models_that_no_path_joins():
    data = toy_data()
    with pytest.raises(InputError, match="different architectures"):
        connect(toy(0), toy(0, norm=True), CE, data)
    with pytest.raises(InputError, match=r"layers\.0\.linear\.weight: \(5, 3\) and \(5, 4\)"):
        connect(toy(0), toy(0, inputs=4), CE, data)
    broken = toy(1)
    with torch.no_grad():
        broken.head.bias[0] = float("nan")
    for pair in ((toy(0), broken), (broken, toy(0))):
        with pytest.raises(InputError, match=r"not finite.*head\.bias"):
            connect(*pair, CE, data)
    frozen = [toy(0), toy(1)]
    for model in frozen:
        model.head.requires_grad_(False)
    with pytest.raises(InputError, match="do not move"):
        connect(*frozen, CE, data)
    with pytest.raises(InputError, match="model_b is a OrderedDict"):
        connect(toy(0), toy(1).state_dict(), CE, data)


def test_data_and_options_that_cannot_be_used():
    models, (inputs, labels) = (toy(0), toy(1)), toy_data()
    with pytest.raises(InputError, match="one sample or more"):
        connect(*models, CE, (inputs[:0], labels[:0]))
    with pytest.raises(InputError, match="as many in each"):
        connect(*models, CE, (inputs, labels[1:]))
    with pytest.raises(InputError, match="no batch"):
        connect(*models, CE, [])
    with pytest.raises(InputError, match=r"not finite|is nan"):
        connect(*models, CE, (inputs * float("nan"), labels))
    with pytest.raises(InputError, match="expected finite numbers"):
        connect(*models, CE, (inputs, labels), test=(inputs * float("nan"), labels))
    with pytest.raises(InputError, match=r"diverged in epoch 1.*learning_rate="):
        connect(
            *models,
            CE,
            (inputs, labels),
            options=CurveOptions(learning_rate=1e30, epochs=3, batch_size=4),
        )
    with pytest.raises(InputError, match=r"\(outputs, targets\)"):
        connect(*models, None, (inputs, labels), forward=lambda m, b: CE(m(b[0]), b[1]))
    with pytest.raises(InputError, match=r"epochs is 0.*points is 2.*momentum is 1"):
        CurveOptions(epochs=0, points=2, momentum=1)
    with pytest.raises(InputError, match="init is 'line'"):
        connect(*models, CE, (inputs, labels), options=CurveOptions(init="line"))


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, inputs):
        return inputs[:, :2] * self.scale


def test_a_module_that_cannot_be_drawn_anew():
    with pytest.raises(InputError, match=r"no reset_parameters.*Scaled.*Try: init="):
        connect(Scaled(), Scaled(), CE, toy_data(), options=CurveOptions(init="random"))


def test_models_are_as_found_after_a_failure():
    model_a, model_b = toy(0, norm=True).train(), toy(1, norm=True).eval()
    states = [copy.deepcopy(model.state_dict()) for model in (model_a, model_b)]
    with pytest.raises(InputError):
        connect(
            model_a,
            model_b,
            CE,
            toy_data(),
            options=CurveOptions(learning_rate=1e30, epochs=3, batch_size=4),
        )
    for model, state in zip((model_a, model_b), states, strict=True):
        assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert model_a.layers[0].norm.training
    assert not model_b.training


def test_dropout_stays_off_and_an_own_error_is_used():
    def build():
        return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))

    models = [seeded_model(build, seed) for seed in (0, 1)]
    found = connect(
        *models, CE, toy_data(), error=lambda o, t: CE(o, t), options=CurveOptions(epochs=1)
    )
    assert found.curve.train_error == pytest.approx(found.curve.train_loss, rel=1e-5)
    objective = Objective(models[0], CE, toy_data(), batch_norm="recompute")
    values = measure_point(objective, objective.center, None, classification_error)
    assert values[0] == pytest.approx(found.curve.train_loss[0])
