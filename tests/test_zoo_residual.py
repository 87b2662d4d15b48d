"""Networks with and without shortcuts: the same parameters, another function."""

import pytest
import torch

from eigenscape import zoo
from eigenscape.errors import InputError
from eigenscape.models import build
from eigenscape.zoo._cifar_resnet import cifar_resnet
from eigenscape_studies import networks


def pair(depth=3, seed=0):
    return [
        build(lambda on=on: networks.ResidualMLP(5, 4, depth, 3, residual=on), seed)
        for on in (True, False)
    ]


def test_both_networks_are_their_formulas_on_the_same_weights():
    residual, plain = pair()
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    weights = residual.state_dict()
    assert all(torch.equal(w, weights[name]) for name, w in plain.state_dict().items())
    h = g = (x @ weights["stem.weight"].T + weights["stem.bias"]).clamp(min=0)
    for i in range(3):
        W, b = weights[f"layers.{i}.weight"], weights[f"layers.{i}.bias"]
        h = h + 0.3 * (h @ W.T + b).clamp(min=0)
        g = (g @ W.T + b).clamp(min=0)
    head = weights["head.weight"]
    torch.testing.assert_close(residual(x), h @ head.T + weights["head.bias"])
    torch.testing.assert_close(plain(x), g @ head.T + weights["head.bias"])


def test_a_scale_of_zero_skips_every_layer():
    deep = build(lambda: networks.ResidualMLP(5, 4, 9, 3, scale=0.0))
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(deep(x), deep.head(deep.stem(x).relu()))


def test_pictures_are_flattened_and_parameters_counted():
    model = networks.ResidualMLP(64, 32, 16, 10)
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    count = 64 * 32 + 32 + 16 * (32 * 32 + 32) + 32 * 10 + 10
    assert sum(weight.numel() for weight in model.parameters()) == count


def test_initial_weights_keep_the_signal_of_a_plain_deep_network():
    model = build(lambda: networks.ResidualMLP(256, 256, 24, 10, residual=False))
    x = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    ratio = model(x).std() / x.std()
    assert 0.3 < ratio < 6  # torch's own initial weights leave 1e-9 of it


def test_a_size_below_one_is_refused():
    with pytest.raises(InputError, match=r"depth=0.*give each 1 or more"):
        networks.ResidualMLP(4, 4, 0, 2)


def digits_accuracy(depth, *, residual, seed=0):
    data = zoo.digits()
    model = build(lambda: networks.ResidualMLP(64, 32, depth, 10, residual=residual), seed)
    options = {"epochs": 55, "batch_size": 128, "optimizer": "adam", "weight_decay": 0.0}
    inputs, labels = data.train_inputs, data.train_labels
    zoo.train(model, inputs, labels, learning_rate=3e-3, seed=seed, **options)
    return zoo.accuracy(model, data.test_inputs, data.test_labels)


@pytest.mark.slow
def test_shortcuts_help_a_deep_network():
    assert digits_accuracy(24, residual=True) > digits_accuracy(24, residual=False) > 0.5


# ---- CIFAR ResNets without shortcuts


def test_the_plain_cifar_network_has_the_parameters_of_the_residual_one():
    residual, plain = (
        build(lambda on=on: cifar_resnet(20, residual=on)).eval() for on in (True, False)
    )
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plain.load_state_dict(residual.state_dict(), strict=True)
    assert not torch.allclose(plain(images), residual(images))


def test_a_silenced_plain_block_passes_nothing():
    block = cifar_resnet(20, residual=False).layer1[0].eval()
    torch.nn.init.zeros_(block.bn2.weight)
    images = torch.rand(2, 16, 6, 6, generator=torch.Generator().manual_seed(0))
    assert block(images).abs().max() == 0
