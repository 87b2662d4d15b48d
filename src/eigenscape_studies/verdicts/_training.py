"""One network of the study: trained by its regime, then continued in every way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from eigenscape.models import Callback, Fit, Recipe, build, fit, mode_restored
from eigenscape_studies.verdicts._families import FAMILIES, Family, Pool, token_loss
from eigenscape_studies.verdicts._plan import ARMS, RATES, REGIMES, Regime

Losses = NDArray[np.float32]
Examples = tuple[Tensor, Tensor]
#: Shares of a training after which the held-out loss is looked at, for an earlier optimum.
LOOKS = (1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8)
#: Steps of a continued training over those of the family's recipe.
CONTINUED = 0.5
_FIRST_REPEAT = 1000


def train_network(
    family: str, regime: str, seed: int, length: float = 1.0, repeats: int = 2
) -> dict[str, Any]:
    """Train a network by a regime, measure what would have helped, and return both.

    Every continued training starts at the final weights with a fresh optimizer and runs half as
    many steps as the family's recipe has, with its schedule: at the network's own rate (``same``),
    at 5 and 50 times (``higher``, ``far higher``) and a tenth of it (``lower``), on the whole pool
    with true targets (``more data``), and without weight decay (``no decay``). A frozen matrix
    stays frozen and dead rows stay dead.

    Args:
        family: of ``FAMILIES``.
        regime: of ``REGIMES``.
        seed: of start, order, noise and the examples that are trained on.
        length: times the steps of every training.
        repeats: of each continued training, in other orders.

    Returns:
        Held-out losses, each ``(n,)``, one for each example: ``checkpoint``, ``earlier`` (at the
        best of the looks during the training), and a list for each arm; the weights at the start
        and at the end; the mean training loss.
    """
    kind, how = FAMILIES[family], REGIMES[regime]
    pool = kind.pool()
    training = _Training(kind, how, seed, length)
    few, whole = examples(pool, kind, how, seed), (pool.inputs, pool.targets)
    start = {name: value.clone() for name, value in training.model.state_dict().items()}
    look = _Looks(pool, training.steps(how.steps))
    done = training.run(training.recipe, few, training.steps(how.steps), seed, [look])
    end = {name: value.clone() for name, value in training.model.state_dict().items()}
    found: dict[str, Any] = {
        "checkpoint": held_out(training.model, pool),
        "accuracy": accuracy_of(training.model, pool),
        "train_loss": float(_losses(training.model, *few).mean()),
    }
    found["earlier"] = found["checkpoint"] if look.best is None else look.best
    for arm in ARMS:
        recipe = training.recipe
        recipe = replace(recipe, learning_rate=recipe.learning_rate * RATES.get(arm, 1.0))
        if arm == "no decay":
            recipe = replace(recipe, weight_decay=0.0)
        data = whole if arm == "more data" else few
        found[arm] = []
        for repeat in range(repeats):
            training.model.load_state_dict(end)
            order = _FIRST_REPEAT * (repeat + 1) + seed
            training.run(recipe, data, training.steps(CONTINUED), order, [])
            found[arm].append(held_out(training.model, pool))
    return {
        "family": family,
        "regime": regime,
        "seed": seed,
        "losses": found,
        "looks": look.seen,
        "diverged": done.diverged[0] is not None,
        "start": _arrays(start),
        "weights": _arrays(end),
    }


def _arrays(tensors: dict[str, Tensor]) -> dict[str, NDArray[Any]]:
    return {name: value.numpy().copy() for name, value in tensors.items()}


class _Training:
    """A network with its fault, and the recipe that it is trained by."""

    def __init__(self, family: Family, regime: Regime, seed: int, length: float) -> None:
        self.family, self.regime, self.length = family, regime, length
        self.model = build(family.make, seed)
        rate = family.recipe.learning_rate * (family.hot if regime.rate is None else regime.rate)
        decay = family.decay if regime.heavy else family.recipe.weight_decay
        self.recipe = replace(family.recipe, learning_rate=rate, weight_decay=decay)
        self.hidden = dict(self.model.named_parameters())[family.hidden]
        if regime.fault == "frozen":
            if family.pretrained:  # its start is to be random
                with torch.no_grad():
                    self.hidden.copy_(_redrawn(self.hidden, seed))
            self.hidden.requires_grad_(False)
        elif regime.fault == "dead rows":
            self._kill()

    def steps(self, share: float) -> int:
        """Return so many times the family's steps."""
        return max(1, round(self.family.steps * share * self.length))

    def run(
        self, recipe: Recipe, data: Examples, steps: int, seed: int, callbacks: list[Callback]
    ) -> Fit:
        """Train the network on."""
        return fit(
            self.model,
            token_loss,
            data,
            optimizer=self._optimizer(recipe),
            steps=steps,
            batch_size=min(recipe.batch_size, len(data[1])),
            schedule=recipe.schedule,
            seed=seed,
            callbacks=callbacks,
        )

    def _optimizer(self, recipe: Recipe) -> Callable[[list[Tensor]], Optimizer]:
        def make(weights: list[Tensor]) -> Optimizer:
            made = _made(recipe, weights)
            if self.regime.fault == "dead rows":
                made.register_step_post_hook(lambda *_: self._kill())
            return made

        return make

    def _kill(self) -> None:
        """Set every second row of the hidden matrix to zero, and its bias."""
        bias = self.family.hidden.removesuffix("weight") + "bias"
        named = dict(self.model.named_parameters())
        with torch.no_grad():
            self.hidden[::2] = 0
            if bias in named:
                named[bias][::2] = 0


def _made(recipe: Recipe, weights: list[Tensor]) -> Optimizer:
    """Return the recipe's optimizer; AdamW's fused form, which takes half the time here."""
    if recipe.optimizer != "adamw":
        return recipe.make_optimizer(weights)
    decay = recipe.weight_decay
    return torch.optim.AdamW(weights, recipe.learning_rate, weight_decay=decay, fused=True)


def _redrawn(weight: Tensor, seed: int) -> Tensor:
    """Return normal entries of the same standard deviation."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(weight.shape, generator=generator) * weight.std()


def examples(pool: Pool, family: Family, regime: Regime, seed: int) -> Examples:
    """Return what a network is trained on: a share of the pool, with wrong targets among them."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(pool.targets), generator=generator)
    chosen = order[: round(regime.share * len(order))]
    targets = pool.targets[chosen].clone()
    wrong = torch.rand(targets.shape, generator=generator) < regime.noise
    drawn = torch.randint(0, family.classes, targets.shape, generator=generator)
    return pool.inputs[chosen], torch.where(wrong, drawn, targets)


class _Looks(Callback):
    """The held-out losses of the best moment during a training, its end left out."""

    def __init__(self, pool: Pool, steps: int) -> None:
        self.pool = pool
        self.moments = {round(share * steps) for share in LOOKS}
        self.best: Losses | None = None
        self.seen: list[tuple[int, float]] = []

    def on_step(self, fit: Fit) -> None:
        if fit.step not in self.moments or fit.step == fit.steps:
            return
        losses = held_out(fit.model, self.pool)
        self.seen.append((fit.step, float(losses.mean())))
        if self.best is None or losses.mean() < self.best.mean():
            self.best = losses


def held_out(model: nn.Module, pool: Pool) -> Losses:
    """Return the held-out loss of each example, ``(n,)``: the mean over its targets."""
    return _losses(model, pool.test_inputs, pool.test_targets)


def accuracy_of(model: nn.Module, pool: Pool) -> float:
    """Return the share of held-out targets that are predicted."""
    with mode_restored(model), torch.no_grad():
        guesses = model.eval()(pool.test_inputs).argmax(dim=-1)
    return float((guesses == pool.test_targets).float().mean())


def _losses(model: nn.Module, inputs: Tensor, targets: Tensor) -> Losses:
    with mode_restored(model), torch.no_grad():
        losses = token_loss(model.eval()(inputs), targets)
    each = losses if losses.ndim == 1 else losses.mean(dim=1)
    found: Losses = each.numpy().astype(np.float32)
    return found
