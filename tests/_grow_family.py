"""A family that grows in seconds; run as a user's file by the tests."""

import torch

from eigenscape.diagnosis import Family
from eigenscape.zoo import MLP, digits


def network(width):
    if width == 13:
        raise ValueError("thirteen is unlucky")
    return MLP(64, [width], 10)


def family():
    split = digits(test_fraction=0.5)
    return Family(
        build=network,
        train=(split.train_inputs[:240], split.train_labels[:240]),
        test=(split.test_inputs, split.test_labels),
        widths=(3, 6),
        learning_rate=0.1,
        batch_size=30,
        epochs=4,
    )


def unlucky():
    found = family()
    return Family(network, found.train, found.test, (3, 13), batch_size=30, epochs=4)


def pair():
    found = family()
    torch.manual_seed(5)
    return [network(6), network(6)], found.train


def nothing():
    return 3


def probe():
    models, data = pair()
    return models, torch.nn.functional.cross_entropy, data
