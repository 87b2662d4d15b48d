"""The zoo's data, networks and training: known answers, repeatability, and errors that teach."""

import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from eigenscape import zoo
from eigenscape.errors import InputError
from eigenscape.models import Callback, build
from eigenscape.zoo._cifar_resnet import CifarResNet
from eigenscape.zoo._classifiers import SmallCNN
from tests._properties import examples


def states_equal(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def data():
    return zoo.digits()


def blobs(count=60):
    """Three well separated classes in the plane, shuffled."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(count) % 3
    centres = torch.tensor([[4.0, 0.0], [-4.0, 4.0], [-4.0, -4.0]])
    return centres[labels] + torch.randn(count, 2, generator=generator), labels


# ---- data


def test_importing_the_zoo_leaves_scikit_learn_alone():
    code = "import sys, eigenscape.zoo; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_digits_are_all_there_once_and_stratified(data):
    assert data.train_inputs.dtype == torch.float32
    assert data.train_labels.dtype == data.test_labels.dtype == torch.int64
    every = torch.cat([data.train_labels, data.test_labels]).bincount()
    assert every.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    shares = data.test_labels.bincount() / every
    assert (shares - 0.25).abs().max() < 0.01
    ink = 16 * (data.train_inputs.double().sum() + data.test_inputs.double().sum())
    assert ink.item() == 561718  # the sum of scikit-learn's own integer pixels


def test_digits_split_follows_the_seed_only(data):
    state = torch.get_rng_state()
    assert torch.equal(data.train_inputs, zoo.digits(seed=0).train_inputs)
    assert not torch.equal(data.train_labels, zoo.digits(seed=1).train_labels)
    assert torch.equal(state, torch.get_rng_state())


def test_digits_as_images_are_the_same_pixels(data):
    images = zoo.digits(as_images=True)
    assert images.train_inputs.shape == (1347, 1, 8, 8)
    assert torch.equal(images.test_inputs.flatten(1), data.test_inputs)


@pytest.mark.parametrize("fraction", [0.0, 0.004, 0.999, 1.5, math.nan])
def test_digits_refuse_a_part_with_too_few_examples(fraction):
    with pytest.raises(InputError, match=r"give a test_fraction between 0\.006 and 0\.994"):
        zoo.digits(test_fraction=fraction)


@examples(50)
@given(
    labels=st.lists(st.integers(0, 4), max_size=40),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_label_noise_changes_exactly_its_share(labels, fraction, seed):
    clean = torch.tensor(labels, dtype=torch.int64)
    noisy = zoo.noisy_labels(clean, fraction, classes=5, seed=seed)
    assert (noisy != clean).sum() == round(fraction * len(labels))
    assert clean.tolist() == labels
    assert all(0 <= label < 5 for label in noisy.tolist())


def test_label_noise_reaches_every_other_class_and_repeats():
    clean = torch.zeros(1000, dtype=torch.int64)
    noisy = zoo.noisy_labels(clean, 1.0, classes=4)
    assert (noisy.bincount(minlength=4) > 250).tolist() == [False, True, True, True]
    assert torch.equal(noisy, zoo.noisy_labels(clean, 1.0, classes=4))
    assert not torch.equal(noisy, zoo.noisy_labels(clean, 1.0, classes=4, seed=1))


def test_label_noise_collects_its_problems():
    with pytest.raises(InputError, match=r"fraction=1\.2.*classes=1"):
        zoo.noisy_labels(torch.zeros(3, dtype=torch.int64), 1.2, classes=1)


# ---- networks


def test_mlp_has_the_parameters_of_the_formula():
    model = zoo.MLP(64, [256, 256, 256], 10)
    linear = 64 * 256 + 256 + 2 * (256 * 256 + 256) + 256 * 10 + 10
    assert sum(weight.numel() for weight in model.parameters()) == linear + 3 * 2 * 256
    assert model(torch.zeros(4, 1, 8, 8)).shape == (4, 10)


def test_mlp_without_batch_norm_is_the_plain_product():
    model = zoo.MLP(3, [4], 2, batch_norm=False)
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    names = ["layers.0.linear.weight", "layers.0.linear.bias", "head.weight", "head.bias"]
    W1, b1, W2, b2 = (dict(model.named_parameters())[name] for name in names)
    expected = (inputs @ W1.T + b1).clamp(min=0) @ W2.T + b2
    torch.testing.assert_close(model(inputs), expected)


def test_mlp_without_hidden_layers_is_linear():
    assert [name for name, _ in zoo.MLP(3, [], 2).named_parameters()] == [
        "head.weight",
        "head.bias",
    ]


@pytest.mark.parametrize("size", [8, 32])
def test_small_cnn_fits_small_and_large_pictures(size):
    model = SmallCNN(channels=3, classes=7, width=8)
    assert model(torch.zeros(2, 3, size, size)).shape == (2, 7)
    convolutions = 9 * (3 * 8 + 8 * 16 + 16 * 32)
    norms, head = 2 * (8 + 16 + 32), 32 * 7 + 7
    assert sum(weight.numel() for weight in model.parameters()) == convolutions + norms + head


@pytest.mark.parametrize(
    "make",
    [lambda: zoo.MLP(4, [0], 2), lambda: SmallCNN(width=0), lambda: CifarResNet(0)],
)
def test_a_size_below_one_is_refused(make):
    with pytest.raises(InputError, match="give each 1 or more"):
        make()


# ---- training


def test_build_is_seeded_and_leaves_the_global_state():
    state = torch.get_rng_state()
    first, second, other = (build(lambda: zoo.MLP(4, [8], 2), seed) for seed in (5, 5, 6))
    assert states_equal(first, second)
    assert not states_equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def dropout_net():
    return build(lambda: nn.Sequential(nn.Linear(2, 32), nn.Dropout(0.5), nn.Linear(32, 3)))


def test_training_learns_and_logs():
    inputs, labels = blobs()
    model = build(lambda: zoo.MLP(2, [16], 3))
    log = zoo.train(model, inputs, labels, epochs=20, batch_size=16, learning_rate=0.1)
    assert zoo.accuracy(model, inputs, labels) == 1.0
    assert log.losses[0] > 5 * log.final_loss
    assert (log.epochs, log.steps, log.diverged_at) == (20, 20 * 4, None)
    assert log.seconds > 0
    assert all(weight.grad is None for weight in model.parameters())


def test_training_repeats_under_its_seed_whatever_the_global_state():
    inputs, labels = blobs()
    options = {"epochs": 3, "batch_size": 16, "learning_rate": 0.1}
    first, second, third = dropout_net(), dropout_net(), dropout_net()
    log = zoo.train(first, inputs, labels, **options, seed=1)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert zoo.train(second, inputs, labels, **options, seed=1) == log
    assert torch.equal(state, torch.get_rng_state())
    zoo.train(third, inputs, labels, **options, seed=2)
    assert states_equal(first, second)
    assert not states_equal(first, third)


def test_a_callback_sees_every_epoch_and_cannot_disturb_the_dropout():
    inputs, labels = blobs()
    options = {"epochs": 3, "batch_size": 16, "learning_rate": 0.1}
    quiet, watched = dropout_net(), dropout_net()
    seen = []

    class Watch(Callback):
        def on_epoch(self, fit):
            seen.append((fit.epoch - 1, fit.losses[-1].item()))
            torch.rand(7)
            zoo.accuracy(watched, inputs, labels)

    log = zoo.train(quiet, inputs, labels, **options)
    zoo.train(watched, inputs, labels, **options, callbacks=[Watch()])
    assert seen == list(enumerate(log.losses))
    assert states_equal(quiet, watched)


def test_one_step_of_sgd_is_the_textbook_step():
    inputs, labels = blobs()
    model = build(lambda: nn.Linear(2, 3))
    before = model.weight.detach().clone()
    probabilities = model(inputs).softmax(dim=1)
    errors = (probabilities - nn.functional.one_hot(labels, 3)) / len(labels)
    expected = before - 0.1 * (errors.T @ inputs + 0.01 * before)
    options = {"epochs": 1, "batch_size": 60, "learning_rate": 0.1, "weight_decay": 0.01}
    zoo.train(model, inputs, labels, **options)
    torch.testing.assert_close(model.weight, expected)


def test_the_logged_loss_is_the_mean_over_examples_of_uneven_batches():
    inputs, labels = blobs()
    model = build(lambda: nn.Linear(2, 3))
    expected = nn.functional.cross_entropy(model(inputs), labels).item()
    log = zoo.train(model, inputs, labels, epochs=1, batch_size=50, learning_rate=1e-30)
    assert log.final_loss == pytest.approx(expected, rel=1e-5)


def test_one_step_of_adam_moves_every_weight_by_the_learning_rate():
    inputs, labels = blobs()
    model = build(lambda: nn.Linear(2, 3))
    before = model.weight.detach().clone()
    options = {"epochs": 1, "batch_size": 60, "learning_rate": 0.1, "optimizer": "adam"}
    zoo.train(model, inputs, labels, **options)
    moves = (model.weight.detach() - before).abs()
    torch.testing.assert_close(moves, torch.full_like(moves, 0.1))


def test_schedules():
    inputs, labels = blobs()
    options = {"epochs": 4, "batch_size": 60, "learning_rate": 0.2}
    cosine = zoo.train(nn.Linear(2, 3), inputs, labels, **options)
    assert cosine.learning_rates == pytest.approx(
        [0.2, 0.1 + 0.1 / 2**0.5, 0.1, 0.1 - 0.1 / 2**0.5]
    )
    constant = zoo.train(nn.Linear(2, 3), inputs, labels, **options, schedule="constant")
    assert constant.learning_rates == (0.2,) * 4


def test_a_last_batch_of_one_joins_its_neighbour():
    inputs, labels = blobs(33)
    log = zoo.train(zoo.MLP(2, [4], 3), inputs, labels, epochs=2, batch_size=16, learning_rate=0.1)
    assert log.steps == 2 * 2


def test_a_loss_that_overflows_stops_the_training():
    inputs, labels = blobs()
    model = build(lambda: zoo.MLP(2, [8, 8], 3, batch_norm=False))
    options = {"batch_size": 16, "schedule": "constant", "weight_decay": 0.0}
    calls = []

    class Count(Callback):
        def on_epoch(self, fit):
            calls.append(fit.epoch)

    log = zoo.train(
        model,
        inputs,
        labels,
        epochs=50,
        learning_rate=1e6,
        callbacks=[Count()],
        **options,
    )
    assert log.diverged_at is not None
    assert log.epochs == log.diverged_at == len(log.learning_rates) == len(calls)
    assert log.steps < 4 * (log.diverged_at + 1)
    assert all(math.isfinite(loss) for loss in log.losses)
    assert model.training


def test_weights_that_overflow_in_the_last_step_are_noticed():
    inputs, labels = blobs()
    log = zoo.train(
        nn.Linear(2, 3), 100 * inputs, labels, epochs=1, batch_size=60, learning_rate=3e38
    )
    assert (log.diverged_at, log.losses, log.final_loss, log.steps) == (0, (), None, 1)


def test_modes_are_restored_module_by_module():
    inputs, labels = blobs()
    model = zoo.MLP(2, [4, 4], 3)
    model.layers[0].norm.eval()
    modes = [module.training for module in model.modules()]
    assert len(set(modes)) == 2
    zoo.accuracy(model, inputs, labels)
    assert [module.training for module in model.modules()] == modes
    model.eval()
    zoo.train(model, inputs, labels, epochs=1, batch_size=16, learning_rate=0.1)
    assert not any(module.training for module in model.modules())
    with pytest.raises(RuntimeError):
        zoo.accuracy(model, inputs[:, :1], labels)
    assert not any(module.training for module in model.modules())


def test_accuracy_is_that_of_evaluation_mode_and_of_any_batch_size():
    inputs = torch.eye(4).repeat(5, 1)
    labels = torch.tensor([0, 1, 2, 0] * 5)
    model = nn.Sequential(nn.Dropout(0.9))
    assert zoo.accuracy(model, inputs, labels) == 0.75
    assert zoo.accuracy(model, inputs, labels, batch_size=3) == 0.75
    assert model.training


def test_bad_recipes_list_every_problem():
    inputs, labels = blobs()
    with pytest.raises(InputError) as caught:
        zoo.train(
            nn.Linear(2, 3),
            inputs,
            labels,
            epochs=0,
            batch_size=0,
            learning_rate=math.nan,
            momentum=1.0,
            weight_decay=-1,
            optimizer="lion",
            schedule="step",
        )
    words = "epochs=0 batch_size=0 learning_rate=nan momentum=1.0 weight_decay=-1 'lion' 'step'"
    missing = [
        word for word in [*words.split(), "'sgd' or 'adam'"] if word not in str(caught.value)
    ]
    assert missing == []


@pytest.mark.parametrize("count", [0, 5])
def test_labels_must_match_the_inputs(count):
    inputs, labels = torch.zeros(count, 2), torch.zeros(count // 2, dtype=torch.int64)
    with pytest.raises(InputError, match=f"{count} inputs and {count // 2} labels"):
        zoo.train(nn.Linear(2, 3), inputs, labels, epochs=1, batch_size=4, learning_rate=0.1)
    with pytest.raises(InputError, match=f"{count} inputs and {count // 2} labels"):
        zoo.accuracy(nn.Linear(2, 3), inputs, labels)
