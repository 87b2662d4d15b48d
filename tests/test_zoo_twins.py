"""Twins: the planted faults do what they say, and some of them show in the spectra."""

import pytest
import torch

from eigenscape import zoo
from eigenscape.errors import InputError
from eigenscape.models import build
from eigenscape.zoo._twins import PLANTED_FAULTS, trained_twin


@pytest.fixture(scope="module")
def pair():
    state = torch.get_rng_state()
    twins = zoo.healthy_and_sick()
    assert torch.equal(state, torch.get_rng_state())
    return twins


@pytest.fixture(scope="module")
def healthy(pair):
    return pair[0]


@pytest.fixture(scope="module")
def sick(pair):
    return pair[1]


def start():
    return build(lambda: zoo.MLP(64, (256, 256, 256), 10), seed=0)


def hidden(model):
    """The two 256x256 matrices."""
    return [model.get_submodule(f"layers.{i}.linear").weight.detach().double() for i in (1, 2)]


def spikes(W):
    """Eigenvalues of W^T W above the Marchenko-Pastur edge of its own entries' variance, by 5 %."""
    eigenvalues = torch.linalg.svdvals(W).square()
    edge = W.var() * (W.shape[0] ** 0.5 + W.shape[1] ** 0.5) ** 2
    return int((eigenvalues > 1.05 * edge).sum())


def hill_alpha(W):
    """1 + n / sum(ln(lam_j / lam_i)) over the upper half of the eigenvalues."""
    eigenvalues = torch.linalg.svdvals(W).square().sort().values
    upper = eigenvalues[len(eigenvalues) // 2 :]
    return 1 + len(upper) / (upper / upper[0]).log().sum().item()


def test_the_healthy_twin_is_healthy(healthy):
    assert healthy.name == "healthy"
    assert healthy.train_accuracy >= 0.995
    assert healthy.test_accuracy >= 0.97
    assert healthy.log.diverged_at is None
    assert not healthy.model.training


def test_the_sick_twin_hardly_left_the_start_that_they_share(healthy, sick):
    assert sick.name == "tiny_learning_rate"
    assert sick.test_accuracy < 0.5
    for begin, theirs, ours in zip(
        hidden(start()), hidden(sick.model), hidden(healthy.model), strict=True
    ):
        assert (theirs - begin).norm() < 0.01 * begin.norm()
        assert (ours - begin).norm() > 0.5 * begin.norm()


def test_the_difference_shows_in_the_spectra(healthy, sick):
    for W in hidden(sick.model):
        assert spikes(W) == 0
        assert hill_alpha(W) == pytest.approx(2.12, abs=0.03)
    for W in hidden(healthy.model):
        assert spikes(W) >= 5
        assert hill_alpha(W) < 2.05  # random: 2.12, give or take 0.02


def test_recipes_differ_in_the_fault_alone(healthy, sick):
    differing = {key for key in healthy.recipe if healthy.recipe[key] != sick.recipe[key]}
    assert differing == {"learning_rate"}
    assert healthy.recipe["learning_rate"] == pytest.approx(1e4 * sick.recipe["learning_rate"])


def test_accuracies_are_those_of_the_model(healthy):
    data = zoo.digits()
    assert zoo.accuracy(healthy.model, data.test_inputs, data.test_labels) == healthy.test_accuracy
    assert zoo.accuracy(healthy.model, data.train_inputs, data.train_labels) == (
        healthy.train_accuracy
    )


@pytest.mark.slow
def test_label_noise_costs_accuracy_on_either_side(healthy):
    noisy = trained_twin("label_noise")
    assert noisy.recipe == {**healthy.recipe, "label_noise": 0.4}
    assert noisy.train_accuracy < 0.95  # on the labels that it was trained with
    assert noisy.test_accuracy < healthy.test_accuracy - 0.1


def test_too_large_a_learning_rate_costs_accuracy_and_shows(healthy):
    thrown = trained_twin("too_large_learning_rate")
    assert thrown.test_accuracy < healthy.test_accuracy - 0.02
    assert thrown.log.final_loss > 5 * healthy.log.final_loss
    for W, ours in zip(hidden(thrown.model), hidden(healthy.model), strict=True):
        assert hill_alpha(W) < hill_alpha(ours) - 0.2


def test_every_planted_fault_has_a_test_here():
    assert set(PLANTED_FAULTS) == {
        "tiny_learning_rate",
        "too_large_learning_rate",
        "label_noise",
    }


def test_an_unknown_fault_names_the_known_ones():
    with pytest.raises(InputError, match=r"'tired'.*'tiny_learning_rate'.*None for a healthy twin"):
        zoo.healthy_and_sick(planted_fault="tired")
