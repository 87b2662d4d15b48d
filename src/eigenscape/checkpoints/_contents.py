"""Find the state dict inside a saved object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from eigenscape.checkpoints._text import counted, few
from eigenscape.errors import CheckpointError

_KNOWN = (  # where training programs put the weights; the weights themselves before their averages
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "network",
    "params",
    "weights",
    "params_ema",
    "model_ema",
    "ema",
    "ema_state_dict",
)
_DEPTH = 3


@dataclass(frozen=True)
class Contents:
    """The tensors that were found.

    Args:
        tensors: by name.
        notes: where they were found, and what was left out.
    """

    tensors: dict[str, Tensor]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Candidate:
    path: tuple[str, ...]
    tensors: dict[str, Tensor]
    others: int  # entries beside the tensors that are neither tensors nor mappings

    @property
    def numel(self) -> int:
        return sum(tensor.numel() for tensor in self.tensors.values())

    @property
    def known(self) -> bool:
        return all(part in _KNOWN for part in self.path)

    @property
    def place(self) -> tuple[int, ...]:
        return tuple(_KNOWN.index(part) for part in self.path)


def find_tensors(content: Any, source: str) -> Contents:
    """Find the state dict in a saved object: the object itself, or an entry of it.

    An entry under a customary name is preferred, then the one with the most weights.

    Args:
        content: what was saved.
        source: what to call it in messages.

    Raises:
        CheckpointError: there is no mapping from names to tensors.

    >>> import torch
    >>> found = find_tensors({"epoch": 3, "state_dict": {"w": torch.ones(2)}}, "a file")
    >>> list(found.tensors), found.notes
    (['w'], ("read the entry 'state_dict' of a dictionary with keys epoch, state_dict",))
    """
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{source} holds {_what(content)}; {_EXPECTED}")
    candidates = list(_candidates(content, ()))
    if not candidates:
        raise CheckpointError(f"{source} holds {_what(content)} and no tensors; {_EXPECTED}")
    chosen = _choose(candidates)
    return Contents(chosen.tensors, tuple(_notes(chosen, candidates, content)))


_EXPECTED = (
    "expected a state dict (names to tensors). Try: save model.state_dict(), or pass the module"
)


def is_plain(value: Any) -> bool:
    """Return whether a value is a tensor with one shape; nested tensors have many."""
    return isinstance(value, Tensor) and not value.is_nested


def _candidates(content: Mapping[Any, Any], path: tuple[str, ...]) -> Iterator[_Candidate]:
    tensors: dict[str, Tensor] = {}
    others = 0
    for key, value in content.items():
        if is_plain(value) and isinstance(key, str):
            tensors[key] = value
        elif not isinstance(value, Mapping):
            others += 1
        elif isinstance(key, str) and not key.startswith("optim") and len(path) < _DEPTH:
            yield from _candidates(value, (*path, key))
    if tensors:
        yield _Candidate(path, tensors, others)


def _choose(candidates: list[_Candidate]) -> _Candidate:
    top = [candidate for candidate in candidates if not candidate.path]
    inner = [candidate for candidate in candidates if candidate.path]
    known = [candidate for candidate in inner if candidate.known]
    if known:
        best = [min(known, key=lambda candidate: candidate.place)]
    else:
        best = sorted(inner, key=lambda candidate: -candidate.numel)[:1]
    return max(top + best, key=lambda candidate: candidate.numel)


def _notes(
    chosen: _Candidate, candidates: list[_Candidate], content: Mapping[Any, Any]
) -> Iterator[str]:
    if chosen.path:
        lightning = " that PyTorch Lightning wrote" * ("pytorch-lightning_version" in content)
        yield (
            f"read the entry '{'/'.join(chosen.path)}' of a dictionary{lightning} "
            f"with keys {few(content)}"
        )
    left = [candidate for candidate in candidates if candidate is not chosen]
    if left:
        names = [
            f"'{'/'.join(c.path)}' ({counted(len(c.tensors), 'tensor')})"
            if c.path
            else f"{counted(len(c.tensors), 'tensor')} at the top"
            for c in left
        ]
        yield f"left aside: {few(names)}; to examine them, pass that mapping itself"
    if chosen.others:
        yield f"{counted(chosen.others, 'entry')} beside the tensors ignored: not tensors"


def _what(content: Any) -> str:
    if isinstance(content, Mapping):
        keys = [f"{key} ({type(value).__name__})" for key, value in content.items()]
        return f"a dictionary with keys {few(keys)}" if keys else "an empty dictionary"
    if isinstance(content, Tensor):
        return f"a single tensor of shape {tuple(content.shape)} without a name"
    return f"a {type(content).__name__}"
