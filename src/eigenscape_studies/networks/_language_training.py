"""Training on tokens: a language model from none of the labels, a classifier from a few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from eigenscape.errors import InputError
from eigenscape.models import Callback, Recipe, Schedule, TrainingLog, clipped, fit
from eigenscape.zoo import GPT, GPTClassifier

_LARGEST_GRADIENT = 1.0  # GPT-3 (Brown et al. 2020, appendix B), and the Hugging Face Trainer


def _adamw(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    *,
    betas: tuple[float, float],
    schedule: Schedule,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
    callbacks: Sequence[Callback],
) -> TrainingLog:
    """Train with AdamW that decays matrices alone, on clipped gradients.

    Raises:
        InputError: an argument is out of its range.
    """
    checked = Recipe(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weight_decay=weight_decay
    )

    def make(weights: list[Tensor]) -> Optimizer:
        groups: list[dict[str, Any]] = [
            {"params": [weight for weight in weights if weight.ndim > 1]},
            {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(
            groups, learning_rate, betas, weight_decay=weight_decay, fused=True
        )

    options = {**checked.options(), "optimizer": clipped(make, _LARGEST_GRADIENT)}
    options["schedule"] = schedule
    return fit(model, _token_loss, data, seed=seed, callbacks=callbacks, **options).log()


def _token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross entropy; the classes of logits come last."""
    return functional.cross_entropy(logits.transpose(1, -1), targets)


def _check_tokens(name: str, tokens: Tensor, vocabulary: int, shortest: int) -> None:
    """Raise where tokens do not fit; that they are not longer than the context, the model checks.

    Raises:
        InputError: another shape or type, no rows, or tokens out of the vocabulary.
    """
    table = tokens.ndim == 2 and tokens.dtype == torch.int64 and len(tokens) > 0
    if not table or tokens.shape[1] < shortest:
        raise InputError(
            f"{name} got {str(tokens.dtype).removeprefix('torch.')} tokens of shape "
            f"{tuple(tokens.shape)}; expected int64 (n, t), n at least 1 and t at least {shortest}"
        )
    least, most = int(tokens.min()), int(tokens.max())
    if least < 0 or most >= vocabulary:
        raise InputError(
            f"{name} got tokens from {least} to {most}; the network knows 0 to {vocabulary - 1}. "
            "Try: make it with a larger vocabulary"
        )


def pretrain(
    gpt: GPT,
    tokens: Tensor,
    *,
    epochs: int = 4,
    batch_size: int = 32,
    learning_rate: float = 6e-3,
    weight_decay: float = 0.1,
    warmup: float = 0.1,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
) -> TrainingLog:
    """Train a language model in place to predict each next token, and return what happened.

    AdamW with betas 0.9 and 0.95, weight decay 0.1 and gradients clipped to the norm 1, a warm-up,
    and then a cosine: GPT-3's (Brown et al., "Language Models are Few-Shot Learners", 2020,
    appendix B), except that the cosine falls to 0. Biases and norms do not decay. Epochs, batch
    size and rate suit ``GPT(64)`` on ``language()``: 512 steps of 30 ms on one core. Randomness,
    repeatability and divergence are as in
    :func:`eigenscape.models.fit`.

    Args:
        gpt: the network.
        tokens: int64, ``(n, t)``, one row an example; every token but a row's first is predicted.
        epochs: passes over the rows.
        batch_size: rows a step.
        learning_rate: after the warm-up.
        weight_decay: of AdamW.
        warmup: the share of the steps in which the rate rises to ``learning_rate``.
        seed: seeds shuffling, not the initial weights.
        callbacks: of the training, such as :class:`eigenscape.balancing.BalanceCallback`.

    Returns:
        Losses in nats a token.

    Raises:
        InputError: an argument is out of its range, or the tokens do not fit the network.

    >>> from eigenscape.models import build
    >>> model, rows = build(lambda: GPT(3, width=8, depth=1)), torch.arange(60).reshape(4, 15) % 3
    >>> log = pretrain(model, rows, epochs=60, learning_rate=0.02)       # 0 1 2 0 1 2 ...
    >>> model(rows[:1, :4]).argmax(dim=2), log.steps
    (tensor([[1, 2, 0, 1]]), 60)
    """
    _check_tokens("pretrain", tokens, gpt.sizes["vocabulary"], shortest=2)
    return _adamw(
        gpt,
        (tokens[:, :-1], tokens[:, 1:]),
        betas=(0.9, 0.95),
        schedule=Schedule("cosine", warmup),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        seed=seed,
        callbacks=callbacks,
    )


def fine_tune(
    classifier: GPTClassifier,
    inputs: Tensor,
    labels: Tensor,
    *,
    epochs: int = 10,
    batch_size: int = 16,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.1,
    warmup: float = 0.06,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
) -> TrainingLog:
    """Train a classifier of token rows in place, all of it, and return what happened.

    AdamW with betas 0.9 and 0.98, weight decay 0.1, a warm-up over 6 % of the steps, and then a
    linear fall to 0, over 10 epochs: RoBERTa's fine-tuning (Liu et al., 2019, appendix C), and that
    of TempBalance with few labels (Liu et al., EMNLP 2024). Gradients are clipped to the norm 1;
    biases and norms do not decay. The learning rate suits a classifier on the trunk that
    :func:`pretrain` trains with its defaults. Randomness, repeatability and divergence are as in
    :func:`eigenscape.models.fit`.

    Args:
        classifier: the network.
        inputs: tokens, int64, ``(n, t)``.
        labels: int64, ``(n,)``.
        epochs: passes over the examples.
        batch_size: examples a step; a last batch of one joins its neighbour.
        learning_rate: after the warm-up.
        weight_decay: of AdamW.
        warmup: the share of the steps in which the rate rises to ``learning_rate``.
        seed: seeds shuffling, not the initial weights.
        callbacks: of the training, such as
            ``BalanceCallback(group="block")`` of :mod:`eigenscape.balancing`.

    Raises:
        InputError: an argument is out of its range, the tokens do not fit the network, or there is
            not one label an input.

    >>> from eigenscape.models import build
    >>> model, rows = build(lambda: GPTClassifier(2, 2, width=8, depth=1)), torch.eye(6).long()
    >>> labels = torch.tensor([0, 0, 0, 1, 1, 1])
    >>> log = fine_tune(model, rows, labels, epochs=60, learning_rate=0.02)
    >>> model(rows).argmax(dim=1), log.steps
    (tensor([0, 0, 0, 1, 1, 1]), 60)
    """
    _check_tokens("fine_tune", inputs, classifier.sizes["vocabulary"], shortest=1)
    if labels.shape != (len(inputs),):
        raise InputError(
            f"fine_tune has inputs {tuple(inputs.shape)} and labels {tuple(labels.shape)}; "
            "give one label a row"
        )
    return _adamw(
        classifier,
        (inputs, labels),
        betas=(0.9, 0.98),
        schedule=Schedule("linear", warmup),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        seed=seed,
        callbacks=callbacks,
    )
