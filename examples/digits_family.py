"""A task for ``diagnose grow``: one recipe at several widths, and the data.

eigenscape diagnose grow --probe examples/digits_family.py:family --out population
eigenscape diagnose examples/digits_family.py:hot --population population
"""

from torch.nn.functional import cross_entropy

from eigenscape.models import Recipe, Task, build
from eigenscape.zoo import MLP, digits, train


def network(width):
    return MLP(64, [width, width], 10)


def family():
    """Return networks of three widths around a recipe of learning rate 0.1 and batch size 64."""
    split = digits(test_fraction=0.5)
    return Task(
        make=network,
        train=(split.train_inputs, split.train_labels),
        test=(split.test_inputs, split.test_labels),
        widths=(6, 12, 24),
        recipe=Recipe(epochs=60, batch_size=64, learning_rate=0.1, schedule="constant"),
    )


def hot():
    """Return two networks that were trained too hot, with their loss and their data."""
    split = digits(test_fraction=0.5)
    data = split.train_inputs[:384], split.train_labels[:384]
    models = [build(lambda: network(16), seed) for seed in (100, 101)]
    for seed, model in enumerate(models):
        train(
            model,
            *data,
            epochs=60,
            batch_size=64,
            learning_rate=0.7,
            schedule="constant",
            seed=seed,
        )
    return models, cross_entropy, data
