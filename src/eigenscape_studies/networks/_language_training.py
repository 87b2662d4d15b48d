"""Training on tokens: a language model from none of the labels, a classifier from a few."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from eigenscape.errors import InputError
from eigenscape.zoo._accuracy import device_of, mode_restored
from eigenscape.zoo._gpt import GPT, GPTClassifier
from eigenscape.zoo._recipe import Recipe
from eigenscape.zoo._training import Watch, _batches, _follow
from eigenscape.zoo._training_log import TrainingLog

_LARGEST_GRADIENT = 1.0  # GPT-3 (Brown et al. 2020, appendix B), and the Hugging Face Trainer


@dataclass(frozen=True, kw_only=True)
class _TokenRecipe(Recipe):
    """AdamW with a warm-up and clipped gradients; ``optimizer`` and ``momentum`` are not asked.

    Args:
        examples: of an epoch.
        warmup: the share of the steps in which the rate rises.
        linear: fall in a line to 0 after the warm-up, not in a cosine.
        betas: of AdamW.
        watch: is called with the optimizer.
    """

    examples: int
    warmup: float
    linear: bool
    betas: tuple[float, float]
    watch: Watch | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.warmup < 1:
            raise InputError(f"warmup={self.warmup}, expected a share of 0 or more, below 1")

    @cached_property
    def steps(self) -> int:
        """All steps of the training."""
        return self.epochs * len(_batches(self.examples, self.batch_size, torch.Generator()))

    def rate(self, progress: float) -> float:
        """Return the learning rate at a share of the training; the first step has one too."""
        step, rising = round(progress * self.steps), math.ceil(self.warmup * self.steps)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        since = (step - rising) / (self.steps - rising)
        return self.learning_rate * (1 - since) if self.linear else super().rate(since)

    def make_optimizer(self, model: nn.Module) -> Optimizer:
        """Return AdamW of every parameter, which decays matrices alone, and what acts around it."""
        weights = list(model.parameters())
        groups: list[dict[str, Any]] = [
            {"params": [weight for weight in weights if weight.ndim > 1]},
            {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(
            groups, self.learning_rate, self.betas, weight_decay=self.weight_decay, fused=True
        )

        def clip(*_: object) -> None:
            nn.utils.clip_grad_norm_(weights, _LARGEST_GRADIENT)

        optimizer.register_step_pre_hook(clip)
        if self.watch is not None:
            after_step = self.watch(optimizer)

            def follow(*_: object) -> None:
                after_step()

            optimizer.register_step_post_hook(follow)
        return optimizer


class _NextToken(nn.Module):
    """A language model with its classes in the second place, where the cross entropy has them."""

    def __init__(self, gpt: GPT) -> None:
        super().__init__()
        self.gpt = gpt

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.gpt(tokens).transpose(1, 2)  # (n, vocabulary, t)
        return logits


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
            "Mend: make it with a larger vocabulary"
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
    watch: Watch | None = None,
    on_epoch: Callable[[int, float], object] | None = None,
) -> TrainingLog:
    """Train a language model in place to guess each next token, and return what happened.

    AdamW with betas 0.9 and 0.95, weight decay 0.1 and gradients clipped to the norm 1, a warm-up,
    and then a cosine: GPT-3's (Brown et al., "Language Models are Few-Shot Learners", 2020,
    appendix B), except that the cosine falls to 0. Biases and norms do not decay. Epochs, batch
    size and rate suit ``GPT(64)`` on ``language()``: 512 steps of 30 ms on one core. Randomness,
    repeatability and divergence are as in :func:`train`.

    Args:
        gpt: the network.
        tokens: int64, ``(n, t)``, one row an example; every token but a row's first is guessed.
        epochs: passes over the rows.
        batch_size: rows a step.
        learning_rate: after the warm-up.
        weight_decay: of AdamW.
        warmup: the share of the steps in which the rate rises to ``learning_rate``.
        seed: seeds shuffling, not the initial weights.
        watch: called once with the optimizer, before the first step; what it returns is called
            after each step. :class:`eigenscape.balancing.TempBalance` gets in by
            ``lambda optimizer: TempBalance(optimizer, gpt).step``.
        on_epoch: called after an epoch with its number, from 0, and its loss.

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
    recipe = _TokenRecipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        warmup=warmup,
        linear=False,
        betas=(0.9, 0.95),
        examples=len(tokens),
        watch=watch,
    )
    tokens = tokens.to(device_of(gpt))
    with mode_restored(gpt):
        return _follow(recipe, _NextToken(gpt), tokens[:, :-1], tokens[:, 1:], seed, on_epoch)


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
    watch: Watch | None = None,
    on_epoch: Callable[[int, float], object] | None = None,
) -> TrainingLog:
    """Train a classifier of token rows in place, all of it, and return what happened.

    AdamW with betas 0.9 and 0.98, weight decay 0.1, a warm-up over 6 % of the steps, and then a
    linear fall to 0, over 10 epochs: RoBERTa's fine-tuning (Liu et al., 2019, appendix C), and that
    of TempBalance with few labels (Liu et al., EMNLP 2024). Gradients are clipped to the norm 1;
    biases and norms do not decay. The learning rate suits a classifier on the trunk that
    :func:`pretrain` trains with its defaults. Randomness, repeatability and divergence are as in
    :func:`train`.

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
        watch: called once with the optimizer, before the first step; what it returns is called
            after each step. :class:`eigenscape.balancing.TempBalance` gets in by
            ``lambda optimizer: TempBalance(optimizer, classifier, group="block").step``.
        on_epoch: called after an epoch with its number, from 0, and its loss.

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
    recipe = _TokenRecipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        warmup=warmup,
        linear=True,
        betas=(0.9, 0.98),
        examples=len(labels),
        watch=watch,
    )
    device = device_of(classifier)
    with mode_restored(classifier):
        return _follow(recipe, classifier, inputs.to(device), labels.to(device), seed, on_epoch)
