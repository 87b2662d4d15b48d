"""A family that grows in seconds; run as a user's file by the tests."""

import torch

from eigenscape.models import Recipe, Task
from eigenscape.zoo import MLP, digits


def network(width):
    if width == 13:
        raise ValueError("thirteen is unlucky")
    return MLP(64, [width], 10)


def family():
    split = digits(test_fraction=0.5)
    return Task(
        make=network,
        train=(split.train_inputs[:240], split.train_labels[:240]),
        test=(split.test_inputs, split.test_labels),
        widths=(3, 6),
        recipe=Recipe(epochs=4, batch_size=30, learning_rate=0.1, schedule="constant"),
    )


def unlucky():
    found = family()
    return Task(network, found.train, found.test, found.recipe, widths=(3, 13))


def pair():
    found = family()
    torch.manual_seed(5)
    return [network(6), network(6)], found.train


def nothing():
    return 3


def probe():
    models, data = pair()
    return models, torch.nn.functional.cross_entropy, data
