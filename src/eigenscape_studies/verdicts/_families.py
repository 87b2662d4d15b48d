"""The families: a kind of network on a kind of data each, with a recipe that suits them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.models import Recipe, build, fit
from eigenscape.zoo import GPT, MLP, digits
from eigenscape_studies._data import data_files, mnist_family

Half = Literal["building", "held back"]
_LETTERS = 96  # printable ASCII and the line feed
_WINDOW = 32


class Pool(NamedTuple):
    """What a family's networks learn from, and what they are judged on.

    Attributes:
        inputs: of the pool, one example a row.
        targets: of the pool.
        test_inputs: held out.
        test_targets: held out.
    """

    inputs: Tensor
    targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of network and of data.

    Args:
        name: a handle.
        half: rules are chosen on ``building`` families and judged on those ``held back``.
        make: returns a network at its start, drawn with torch's generator.
        pool: returns the data.
        recipe: of the networks that are trained well; its ``epochs`` are not used.
        steps: of that training.
        hot: what the rate is multiplied with where it is too large.
        decay: the weight decay where it is too large.
        hidden: the tensor that is frozen, or loses half of its rows.
        classes: of the targets.
        pretrained: whether ``make`` returns trained weights.
    """

    name: str
    half: Half
    make: Callable[[], nn.Module]
    pool: Callable[[], Pool]
    recipe: Recipe
    steps: int
    hot: float
    decay: float
    hidden: str
    classes: int
    pretrained: bool = False


# --- vectors ------------------------------------------------------------------------------------


def _digits_mlp() -> nn.Module:
    return MLP(64, [96, 96], 10)


@lru_cache(maxsize=1)
def _digits_pool() -> Pool:
    split = digits(test_fraction=0.4)
    return Pool(split.train_inputs, split.train_labels, split.test_inputs, split.test_labels)


def _tabular_mlp() -> nn.Module:
    return MLP(40, [96, 96, 96], 5, batch_norm=False)


@lru_cache(maxsize=1)
def _tabular_pool() -> Pool:
    from sklearn.datasets import make_classification

    columns, classes = make_classification(
        n_samples=5000,
        n_features=40,
        n_informative=12,
        n_redundant=8,
        n_classes=5,
        n_clusters_per_class=3,
        class_sep=1.6,
        random_state=0,
    )
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    inputs, targets = torch.from_numpy(columns).float(), torch.from_numpy(classes).long()
    return Pool(inputs[:3500], targets[:3500], inputs[3500:], targets[3500:])


# --- images -------------------------------------------------------------------------------------


class _CNN(nn.Module):
    """Three convolutions with batch norm, each but the last followed by pooling; a linear head."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 8, 16, 32)
        self.convs = nn.ModuleList(
            nn.Conv2d(widths[i], widths[i + 1], 3, padding=1, bias=False) for i in range(3)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:])
        self.head = nn.Linear(widths[-1], 10)

    def forward(self, images: Tensor) -> Tensor:
        states = images
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            states = norm(conv(states)).relu()
            if i < 2:
                states = functional.max_pool2d(states, 2)
        logits: Tensor = self.head(states.mean(dim=(2, 3)))
        return logits


@lru_cache(maxsize=1)
def _mnist_pool() -> Pool:
    task = mnist_family()
    (inputs, targets), (test_inputs, test_targets) = task.train.whole(), task.test.whole()
    side = (-1, 1, 14, 14)
    return Pool(
        inputs[:3000].reshape(side),
        targets[:3000],
        test_inputs[:2000].reshape(side),
        test_targets[:2000],
    )


# --- texts --------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _letters(name: str, count: int, skip: int = 0) -> Tensor:
    """Return letters of a text as numbers, ``(count,)``."""
    (path,) = data_files("text", (name,), "networks of letters are trained on texts")
    text = path.read_text("utf-8", errors="replace")[skip : skip + count]
    codes = [ord(letter) - 31 if " " <= letter <= "~" else 0 for letter in text]
    return torch.tensor(codes, dtype=torch.int64)


def _windows(letters: Tensor) -> tuple[Tensor, Tensor]:
    count = (len(letters) - 1) // _WINDOW
    inputs = letters[: count * _WINDOW].reshape(count, _WINDOW)
    return inputs, letters[1 : count * _WINDOW + 1].reshape(count, _WINDOW)


@lru_cache(maxsize=4)
def _text_pool(name: str, count: int, held_out: int) -> Pool:
    """Return windows of a text: the first letters to train on, those after them held out."""
    return Pool(*_windows(_letters(name, count)), *_windows(_letters(name, held_out, count)))


def _gpt() -> nn.Module:
    return GPT(_LETTERS, width=48, depth=2, heads=4, context=_WINDOW)


def _shakespeare() -> Pool:
    return _text_pool("tiny_shakespeare.txt", 80_000, 20_000)


class _LSTM(nn.Module):
    """An embedding, one layer of LSTM, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(_LETTERS, 32)
        self.lstm = nn.LSTM(32, 64, batch_first=True)
        self.head = nn.Linear(64, _LETTERS)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.tokens(tokens))
        logits: Tensor = self.head(states)
        return logits


def _genesis() -> Pool:
    return _text_pool("kjv_genesis.txt", 80_000, 20_000)


@lru_cache(maxsize=1)
def _pretrained() -> dict[str, Tensor]:
    """Return the weights of a transformer that was trained on another text."""
    model = build(_gpt, seed=100)
    inputs, targets, _, _ = _text_pool("wikitext2_valid.txt", 200_000, 20_000)
    recipe = _TEXT
    fit(
        model,
        token_loss,
        (inputs, targets),
        optimizer=recipe.make_optimizer,
        steps=700,
        batch_size=recipe.batch_size,
        schedule=recipe.schedule,
        seed=100,
    )
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _tuned_gpt() -> nn.Module:
    model = _gpt()
    model.load_state_dict(_pretrained())
    return model


def _constitution() -> Pool:
    return _text_pool("us_constitution.txt", 32_000, 12_000)


def token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross entropy of each target; the classes of logits come last."""
    return functional.cross_entropy(logits.movedim(-1, 1), targets, reduction="none")


_VECTORS = Recipe(epochs=1, batch_size=32, learning_rate=0.05)
_TEXT = Recipe(epochs=1, batch_size=16, learning_rate=1e-2, weight_decay=0.01, optimizer="adamw")
FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="digits mlp",
            half="building",
            make=_digits_mlp,
            pool=_digits_pool,
            recipe=_VECTORS,
            steps=500,
            hot=20.0,
            decay=0.1,
            hidden="layers.1.linear.weight",
            classes=10,
        ),
        Family(
            name="tabular mlp",
            half="building",
            make=_tabular_mlp,
            pool=_tabular_pool,
            recipe=replace(_VECTORS, weight_decay=5e-3),
            steps=500,
            hot=8.0,
            decay=0.02,
            hidden="layers.1.linear.weight",
            classes=5,
        ),
        Family(
            name="letters gpt",
            half="building",
            make=_gpt,
            pool=_shakespeare,
            recipe=_TEXT,
            steps=300,
            hot=10.0,
            decay=3.0,
            hidden="blocks.1.mlp.up.weight",
            classes=_LETTERS,
        ),
        Family(
            name="mnist cnn",
            half="held back",
            make=_CNN,
            pool=_mnist_pool,
            recipe=_VECTORS,
            steps=400,
            hot=60.0,
            decay=0.1,
            hidden="convs.1.weight",
            classes=10,
        ),
        Family(
            name="letters lstm",
            half="held back",
            make=_LSTM,
            pool=_genesis,
            recipe=replace(_TEXT, learning_rate=2e-2),
            steps=400,
            hot=15.0,
            decay=3.0,
            hidden="lstm.weight_hh_l0",
            classes=_LETTERS,
        ),
        Family(
            name="tuned gpt",
            half="held back",
            make=_tuned_gpt,
            pool=_constitution,
            recipe=replace(_TEXT, learning_rate=2e-3),
            steps=200,
            hot=10.0,
            decay=5.0,
            hidden="blocks.1.mlp.up.weight",
            classes=_LETTERS,
            pretrained=True,
        ),
    )
}
