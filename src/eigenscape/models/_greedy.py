"""Greedy continuation of prompts of different lengths, side by side."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError


def arguments_of(model: nn.Module) -> set[str]:
    """Return the names of a model's arguments."""
    return set(inspect.signature(model.forward).parameters)


def logits_of(model: nn.Module, ids: Tensor) -> Tensor:
    """Return a model's logits ``(n, t, V)`` of ids ``(n, t)``.

    Raises:
        InputError: the model fails, or answers with something else.
    """
    options = {"use_cache": False} if "use_cache" in arguments_of(model) else {}
    answer = answer_of(model, ids, **options)
    logits = _plain(answer)
    if logits is None or logits.ndim != 3 or logits.shape[:2] != ids.shape:
        seen = type(answer).__name__ if logits is None else tuple(logits.shape)
        raise InputError(
            f"{type(model).__name__} answers tokens {tuple(ids.shape)} with {seen}; expected "
            f"logits {(*ids.shape, 'V')}, as a tensor or as .logits. Try: give the model with its "
            "output head"
        )
    return logits


def answer_of(model: nn.Module, ids: Tensor, **options: Any) -> Any:
    """Return what a model returns for ids ``(n, t)``.

    Raises:
        InputError: it fails; its own error is the cause.
    """
    named = "input_ids" in arguments_of(model)
    try:
        return model(input_ids=ids, **options) if named else model(ids, **options)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{type(model).__name__} failed on tokens {tuple(ids.shape)} with "
            f"{type(error).__name__}: {error}. Expected a causal language model: ids (n, t) in, "
            "logits (n, t, V) out"
        ) from error


def greedy(model: nn.Module, prompts: list[Tensor], n: int, device: torch.device) -> Tensor:
    """Return n further tokens of each prompt, int64 ``(k, n)``, on the CPU."""
    names = arguments_of(model)
    if {"attention_mask", "past_key_values", "use_cache"} <= names:
        found = _with_cache(model, prompts, n, device, positions="position_ids" in names)
        if found is not None:
            return found
    return _again_and_again(model, prompts, n, device)


def _with_cache(
    model: nn.Module, prompts: list[Tensor], n: int, device: torch.device, *, positions: bool
) -> Tensor | None:
    """Prompts padded on the left; None where the model keeps nothing between calls."""
    width = max(map(len, prompts))
    ids = torch.zeros(len(prompts), width, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = prompt
        mask[row, width - len(prompt) :] = 1
    ids, mask = ids.to(device), mask.to(device)
    place = (mask.cumsum(dim=1) - 1).clamp(min=0)
    kept: Any = None
    new: list[Tensor] = []
    while True:
        options = {"position_ids": place} if positions else {}
        answer = answer_of(
            model, ids, attention_mask=mask, past_key_values=kept, use_cache=True, **options
        )
        kept, logits = getattr(answer, "past_key_values", None), _plain(answer)
        if kept is None or logits is None:
            return None
        ids = logits[:, -1].argmax(dim=-1, keepdim=True).to(device)
        new.append(ids.cpu())
        if len(new) == n:
            return torch.cat(new, dim=1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        place = place[:, -1:] + 1


def _again_and_again(
    model: nn.Module, prompts: list[Tensor], n: int, device: torch.device
) -> Tensor:
    """Prompts padded on the right, which no earlier token sees; all is computed at each step."""
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    ids = torch.zeros(len(prompts), int(lengths.max()) + n, dtype=torch.int64)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = prompt
    rows = torch.arange(len(prompts))
    for step in range(n):
        ends = lengths + step
        logits = logits_of(model, ids[:, : int(ends.max())].to(device))
        last = logits[rows.to(logits.device), (ends - 1).to(logits.device)]
        ids[rows, ends] = last.argmax(dim=-1).cpu()
    return torch.stack([ids[row, int(end) : int(end) + n] for row, end in enumerate(lengths)])


def _plain(answer: Any) -> Tensor | None:
    if isinstance(answer, Mapping):
        answer = answer.get("logits")
    elif isinstance(answer, tuple | list) and answer:
        answer = answer[0]
    found = getattr(answer, "logits", answer)
    return found if isinstance(found, Tensor) else None
