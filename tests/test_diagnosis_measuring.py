"""Measuring: many networks at once against one at a time, and against the landscape's own tools."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from eigenscape.diagnosis import Measurement, MeasureOptions, measure, models_and_data
from eigenscape.diagnosis._metrics import protocol_differences
from eigenscape.diagnosis.measuring._curves import curve_errors, error_of, logits_of, train_bends
from eigenscape.diagnosis.measuring._metrics import measure_groups, traces
from eigenscape.errors import InputError
from eigenscape.landscape import CurveOptions, connect, hessian_trace, model_cka
from eigenscape.models import NetworkData, Objective, build
from eigenscape.zoo import MLP, accuracy, digits, train
from eigenscape.zoo._classifiers import SmallCNN

QUICK = MeasureOptions(curve_steps=30, probes=8)


@pytest.fixture(scope="module")
def data():
    split = digits()
    return split.train_inputs[:256], split.train_labels[:256]


@pytest.fixture(scope="module")
def models(data):
    found = [build(lambda: MLP(64, [8, 8], 10), seed) for seed in range(3)]
    for seed, model in enumerate(found):
        train(model, *data, epochs=6, batch_size=32, learning_rate=0.1, seed=seed)
    return found


def side_by_side(models, data, *, batched=None):
    """Networks on the same data."""
    samples = NetworkData.shared(*data, len(models))
    found = Objective(models, cross_entropy, samples, check=False)
    if batched is not None:
        found._batched = batched
    return found


def test_a_stack_answers_like_its_models(models, data):
    networks = side_by_side(models, data)
    with torch.no_grad():
        own = torch.stack([model.eval()(data[0]) for model in models])
    torch.testing.assert_close(logits_of(networks), own, rtol=1e-5, atol=1e-5)
    errors = [100 * (1 - accuracy(model, *data)) for model in models]
    assert error_of(networks).tolist() == pytest.approx(errors)


@pytest.mark.parametrize("make", [lambda: MLP(64, [6], 10), lambda: SmallCNN(1, 10)])
def test_vmap_and_the_loop_agree(make, data):
    inputs, labels = data[0][:64], data[1][:64]
    some = [build(make, seed) for seed in range(2)]
    if isinstance(some[0], SmallCNN):
        inputs = inputs.reshape(-1, 1, 8, 8)
    one, many = (side_by_side(some, (inputs, labels), batched=b) for b in (False, True))
    torch.testing.assert_close(logits_of(one), logits_of(many), rtol=1e-4, atol=1e-5)
    options = MeasureOptions(curve_steps=5, probes=4)
    torch.testing.assert_close(traces(one, options), traces(many, options), rtol=1e-3, atol=1e-3)
    pairs = [networks.select([0, 0]), networks.select([1, 1])] if (networks := one) else []
    twice = [many.select([0, 0]), many.select([1, 1])]
    for stack in (pairs, twice):
        assert all(side.networks == 2 for side in stack)
    for side in pairs:
        side._batched = False
    bends = [train_bends(*stack, options) for stack in (pairs, twice)]
    torch.testing.assert_close(*bends, rtol=1e-3, atol=1e-4)


def test_stacking_leaves_the_models_alone(models, data):
    before = [{n: t.clone() for n, t in model.state_dict().items()} for model in models]
    modes = [[m.training for m in model.modules()] for model in models]
    state = torch.get_rng_state()
    measure(models, data, options=QUICK)
    assert torch.equal(state, torch.get_rng_state())
    assert modes == [[m.training for m in model.modules()] for model in models]
    for model, old in zip(models, before, strict=True):
        assert all(torch.equal(tensor, old[name]) for name, tensor in model.state_dict().items())


def test_the_curve_is_that_of_connect(models, data):
    options = MeasureOptions(curve_steps=20, curve_batch=64)  # 5 epochs of 4 batches
    found = connect(
        models[0],
        models[1],
        cross_entropy,
        data,
        options=CurveOptions(epochs=5, batch_size=64, learning_rate=options.curve_rate, seed=0),
    )
    networks = side_by_side(models, data)
    bend = train_bends(networks.select([0]), networks.select([1]), options)[0]
    torch.testing.assert_close(bend, found.bend, rtol=1e-4, atol=1e-5)
    errors = curve_errors(networks.select([0]), networks.select([1]), options)[0]
    # batch norm's statistics are gathered over larger batches here
    assert errors.tolist() == pytest.approx(list(found.curve.train_error), abs=2.0)


def test_the_ends_of_a_curve_are_the_ends_without_batch_norm(data):
    pair = [build(lambda: MLP(64, [8], 10, batch_norm=False), seed) for seed in range(2)]
    networks = side_by_side(pair, data)
    errors = curve_errors(networks.select([0]), networks.select([1]), QUICK)[0]
    own = [100 * (1 - accuracy(model, *data)) for model in pair]
    assert [errors[0].item(), errors[-1].item()] == pytest.approx(own)


def test_a_curve_between_equal_points_starts_as_that_point(data):
    model = build(lambda: MLP(64, [8], 10), 0)
    network = side_by_side([model], data)
    still = MeasureOptions(curve_steps=1, curve_rate=1e-12)
    bend = train_bends(network, network, still)
    torch.testing.assert_close(bend[0], network.center)


def test_the_trace_is_that_of_the_hessian(models, data):
    some = data[0][:200], data[1][:200]
    exact = [hessian_trace(Objective(m, cross_entropy, some), probes=10_000).value for m in models]
    found = traces(side_by_side(models, data), MeasureOptions(probes=256))
    error = found.std(dim=1) / math.sqrt(256)
    for i, value in enumerate(exact):
        assert abs(found[i].mean() - value) < 4 * error[i]


def test_one_probe_is_exact_for_a_diagonal_hessian():
    # a linear model without bias on one-hot inputs, two classes: the Hessian is p(1-p)/n per weight
    # within each input's own pair of weights; Rademacher signs cancel across inputs
    model = nn.Linear(3, 2, bias=False)
    nn.init.zeros_(model.weight)
    data = torch.eye(3), torch.zeros(3, dtype=torch.int64)
    found = traces(side_by_side([model], data), MeasureOptions(probes=64))
    # per input: v^T [[1,-1],[-1,1]] v / 4 / 3 is 0 or 1/3; the mean over signs is 1/6 each
    assert set(found.round(decimals=5).unique().tolist()) <= {0.0, 0.33333, 0.66667, 1.0}
    assert found.mean().item() == pytest.approx(0.5, abs=0.15)


def test_similarity_is_that_of_model_cka(models, data):
    (found,) = measure_groups(side_by_side(models[:2], data), [range(2)], None, QUICK)
    expected = model_cka(models[0], models[1], data).value
    assert found.metrics["CKA"] == pytest.approx(expected, abs=1e-6)


def test_one_model_has_the_metrics_of_one(models, data):
    found = measure(models[0], data, options=QUICK)
    assert set(found.metrics) == {"train_error", "train_loss", "hessian_t"}
    assert found.networks == 1
    with pytest.raises(InputError, match="one network"):
        found.plot()


def test_a_configuration_is_the_mean_of_its_seeds(models, data):
    alone = [measure(model, data, test=data, options=QUICK).metrics for model in models]
    together = measure(models, data, test=data, options=QUICK)
    for name in ("train_error", "train_loss", "test_error", "test_loss"):
        mean = sum(row[name] for row in alone) / 3
        assert together.metrics[name] == pytest.approx(mean)
    traces_ = [math.exp(row["hessian_t"]) for row in alone]
    assert math.exp(together.metrics["hessian_t"]) == pytest.approx(sum(traces_) / 3, rel=1e-5)
    assert -100 <= together.metrics["mode_connectivity_peak"] <= 0
    assert together.plot() is not None


def test_groups_do_not_feel_each_other(models, data):
    networks = side_by_side([*models, *models], data)
    both = measure_groups(networks, [range(2), range(3, 5)], None, QUICK)
    assert both[0].metrics["mode_connectivity_peak"] == both[1].metrics["mode_connectivity_peak"]
    (one,) = measure_groups(side_by_side(models[:2], data), [range(2)], None, QUICK)
    assert both[0].metrics == pytest.approx(one.metrics, rel=1e-4)


def test_a_measurement_goes_through_json(models, data, tmp_path):
    found = measure(models[:2], data, options=QUICK)
    again = Measurement.load(found.save(tmp_path / "m.json"))
    assert again.metrics == found.metrics
    assert again.curve == found.curve
    assert protocol_differences(found.protocol, again.protocol) == ()
    assert MeasureOptions.from_protocol(again.protocol) == QUICK


def test_two_checkpoints_of_one_run_are_refused(models, data):
    later = build(lambda: MLP(64, [8, 8], 10), 0)
    later.load_state_dict(models[0].state_dict())
    train(later, *data, epochs=1, batch_size=64, learning_rate=0.001)
    with pytest.raises(InputError, match="one run"):
        measure([models[0], later], data)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (([],), "no models"),
        ((nn.Linear(64, 10), (torch.ones(3, 64), torch.ones(3))), "class numbers"),
        ((nn.Linear(64, 10), torch.ones(3, 64)), "pair of tensors"),
        ((nn.Linear(64, 10), (torch.ones(3, 64), torch.zeros(2, dtype=torch.int64))), r"\(n,\)"),
        ((nn.Linear(64, 1), (torch.ones(3, 64), torch.zeros(3, dtype=torch.int64))), "logits"),
    ],
)
def test_bad_input(bad, words, data):
    with pytest.raises(InputError, match=words):
        measure(bad[0], bad[1] if len(bad) > 1 else data)


def test_other_architectures_are_refused(models, data):
    with pytest.raises(InputError, match="one recipe"):
        measure([models[0], MLP(64, [9, 8], 10)], data)


def test_a_broken_network_has_no_error(models, data):
    broken = build(lambda: MLP(64, [8, 8], 10), 0)
    broken.head.weight.data.fill_(float("nan"))
    errors = error_of(side_by_side([models[0], broken], data))
    assert errors[0].isfinite()
    assert errors[1].isnan()


def test_options_say_all_that_is_wrong():
    with pytest.raises(InputError, match="probes") as caught:
        MeasureOptions(probes=1, curve_rate=0, curve_momentum=1.0, curve_bend="random")
    for word in ("curve_rate", "curve_momentum", "curve_bend"):
        assert word in str(caught.value)
    with pytest.raises(InputError, match="train a population"):
        MeasureOptions.from_protocol({"classes": 10})


def test_outputs_must_be_logits(data):
    with pytest.raises(InputError, match="classifiers"):
        logits_of(side_by_side([nn.Linear(64, 1)], data))


def test_what_a_user_hands_over(models, data):
    batches = [(data[0][:100], data[1][:100]), (data[0][100:], data[1][100:])]
    for found in (
        (models[0], data),
        (models[0], cross_entropy, batches),
        Objective(models[0], cross_entropy, batches),
        ([models[0], models[1]], cross_entropy, data),
    ):
        several, (inputs, labels) = models_and_data(found)
        assert several[0] is models[0]
        assert torch.equal(inputs, data[0])
        assert torch.equal(labels, data[1])
    for wrong in (models[0], (1, 2), (models[0], cross_entropy, [1]), ([], data)):
        with pytest.raises(InputError):
            models_and_data(wrong)


def test_data_sorted_by_class_are_mixed_for_the_trace(models, data):
    by_class = torch.argsort(data[1], stable=True)
    ordered = data[0][by_class], data[1][by_class]
    some, whole = (MeasureOptions(curve_steps=1, probes=8, hessian_samples=n) for n in (40, 256))
    found = measure(models[0], ordered, options=some).metrics["hessian_t"]
    first = side_by_side(models[:1], ordered)
    assert found != pytest.approx(math.log(traces(first, some).mean()))
    alike = [measure(models[0], d, options=whole).metrics["hessian_t"] for d in (data, ordered)]
    assert alike[0] == pytest.approx(alike[1], rel=1e-4)


@pytest.mark.parametrize("count", [2, 513])
def test_a_last_batch_of_one_joins_its_neighbour(models, count):
    split = digits()
    data = split.train_inputs[:count], split.train_labels[:count]
    assert measure(models[:2], data, options=QUICK).curve
    with pytest.raises(InputError, match="one sample"):
        measure(models[:2], (data[0][:1], data[1][:1]), options=QUICK)


def test_tokens_have_no_similarity():
    def make():
        return nn.Sequential(nn.Embedding(20, 8), nn.Flatten(), nn.Linear(32, 4))

    tokens = torch.randint(20, (60, 4), generator=torch.Generator().manual_seed(0))
    data = tokens, tokens[:, 0] % 4
    found = measure([build(make, 0), build(make, 1)], data, options=QUICK)
    assert math.isnan(found.metrics["CKA"])
    assert math.isfinite(found.metrics["mode_connectivity_peak"])


def test_real_inputs_are_given_in_the_networks_type(models, data):
    double = data[0].double(), data[1]
    assert measure(models[0], double, options=QUICK).metrics == pytest.approx(
        measure(models[0], data, options=QUICK).metrics
    )


@pytest.mark.parametrize(
    "model",
    [nn.Linear(63, 10), nn.Sequential(nn.Linear(64, 10), nn.Unflatten(1, (2, 2)))],
)
def test_a_forward_pass_that_fails_is_one_sentence(model, data):
    with pytest.raises(InputError, match="failed on batch 0 with"):
        measure(model, data, options=QUICK)


def test_one_sample_is_enough_where_no_curve_is_trained(models, data):
    inputs, labels = data
    one = inputs[:1], labels[:1]
    assert math.isfinite(measure(models[0], one, options=QUICK).metrics["train_loss"])
    with pytest.raises(InputError, match="train has one sample"):
        measure(models[:2], one, options=QUICK)


def test_a_recurrent_network_is_measured(data):
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.head = nn.GRU(8, 6, batch_first=True), nn.Linear(6, 10)

        def forward(self, inputs):
            return self.head(self.cell(inputs.view(len(inputs), 8, 8))[0][:, -1])

    found = measure(build(Reader, 0), data, options=QUICK)
    assert math.isfinite(found.metrics["train_loss"])


def test_copies_are_found_among_three(models, data):
    with pytest.raises(InputError, match="networks 0 and 2"):
        measure([models[0], models[1], models[0]], data, options=QUICK)
