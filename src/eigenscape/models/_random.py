"""Seeds: randomness that does not change the caller's random state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

ModelT = TypeVar("ModelT", bound=nn.Module)


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's generators inside the block, and restore their states after it.

    The generator of the CPU is always seeded; that of a CUDA ``device`` as well, and of no other.

    Args:
        seed: the seed for the block.
        device: where the block's random numbers are drawn.

    >>> before = torch.get_rng_state()
    >>> with seeded(0):
    ...     torch.rand(1)
    tensor([0.4963])
    >>> bool(torch.equal(before, torch.get_rng_state()))
    True
    """
    device = torch.device(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def random_states(device: torch.device) -> list[Tensor]:
    """Return the states of torch's generators of the CPU and of a CUDA device."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def set_random_states(states: Sequence[Tensor], device: torch.device) -> None:
    """Put back what :func:`random_states` returned."""
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)


def build(factory: Callable[[], ModelT], seed: int = 0) -> ModelT:
    """Construct a model with seeded initial weights; the global random state is not changed.

    The model is made on the CPU, so that the same seed gives the same weights on any device that it
    is moved to afterwards.

    Args:
        factory: makes the model; called once, without arguments.
        seed: seeds the initialisation.

    >>> first, second = (build(lambda: nn.Linear(4, 3), seed=7) for _ in range(2))
    >>> bool(torch.equal(first.weight, second.weight))
    True
    """
    with seeded(seed), torch.device("cpu"):
        return factory()
