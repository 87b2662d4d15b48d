"""A probe for ``--probe``: a small network trained on real digits, its loss, its data.

eigenscape landscape --probe examples/digits_probe.py:build
eigenscape hessian --probe examples/digits_probe.py:build
eigenscape checkup --probe examples/digits_probe.py:build
"""

from torch.nn.functional import cross_entropy

from eigenscape.models import build as make
from eigenscape.zoo import MLP, digits, train


def build():
    """Return (model, loss, batches): here one batch, the whole training set."""
    split = digits()
    model = make(lambda: MLP(64, [64, 64], 10), seed=0)
    batch = split.train_inputs, split.train_labels
    train(model, *batch, epochs=5, batch_size=64, learning_rate=0.02)
    return model, cross_entropy, batch
