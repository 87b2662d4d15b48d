"""Tokens: texts as windows of token ids, each token scored once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.models._token_sources import documents_of
from eigenscape.results import content_hash


class Window(NamedTuple):
    """Tokens ``start`` to ``stop`` of a document; those from ``scored`` on are scored."""

    document: int
    start: int
    stop: int
    scored: int


@dataclass(frozen=True, eq=False)
class Tokens:
    """Windows over documents of token ids. Each token is scored once, given those before it.

    Iterating yields pairs ``(ids, scored)``: int64 ``(t,)`` and bool ``(t,)``. The first token of a
    document follows nothing and is never scored. Get one from :meth:`of`.

    Args:
        documents: int64, one-dimensional, one for each text.
        windows: into these.
        source: where they come from, for people.

    >>> tokens = Tokens.of(torch.arange(10), length=4)
    >>> [(ids.tolist(), int(scored.sum())) for ids, scored in tokens]
    [([0, 1, 2, 3], 3), ([3, 4, 5, 6], 3), ([6, 7, 8, 9], 3)]
    >>> tokens.count, len(tokens)
    (9, 3)
    """

    documents: tuple[Tensor, ...]
    windows: tuple[Window, ...]
    source: str = "ids"

    @classmethod
    def of(
        cls,
        source: Any,
        tokenizer: Any = None,
        *,
        length: int | None = None,
        stride: int | None = None,
        field: str = "text",
    ) -> Tokens:
        """Return the windows of a text, a file, or ids.

        Args:
            source: one of

                - a text;
                - the path of a text file (one document), of a JSONL file (a document a line), or of
                  a ``.npy`` file of ids; a one-line string that is the name of a file is a path;
                - an array of ids: ``(n,)`` is one document, ``(k, n)`` are k;
                - a list of texts, or of one-dimensional arrays: a document each.
            tokenizer: turns texts into ids: an object with ``encode``, a function, or the path of a
                ``tokenizer.json``, of a folder with one, or with ``vocab.json`` and
                ``merges.txt``. No special tokens are added. Not needed for ids.
            length: ids in a window; None for whole documents.
            stride: from one window to the next; at most ``length``. None for ``length - 1``, so
                that windows share one token and every token but a document's first is scored. A
                smaller one gives more context to each, at more cost. With ``stride=length``
                windows share nothing and the first token of each is not scored, as published
                perplexities of pruned language models count (Sun et al. 2024, their code). The
                last window of a document ends with it, and scores what is left.
            field: of a line of JSONL: holds the text, or a list of ids.

        Raises:
            InputError: nothing to score, one text shorter than a window, a broken line (its
                number is named), no tokenizer for a text, ids that are not whole numbers from 0.
            MissingExtraError: a tokenizer's file was given, and ``tokenizers`` is not installed.
        """
        _check_sizes(length, stride)
        documents, name = documents_of(source, tokenizer, field)
        long = [len(ids) for ids in documents if length is not None and len(ids) >= length]
        if length is not None and not long:
            longest = max(map(len, documents))
            if len(documents) == 1 or longest < 2:
                raise InputError(
                    f"{name} has {longest} tokens; a window takes length={length}. "
                    f"Try: length={max(longest, 2)} or less, or a longer text"
                )
        windows = [
            window
            for place, ids in enumerate(documents)
            for window in _windows(place, len(ids), length, stride)
        ]
        if not windows:
            raise InputError(
                f"{name} has no document of two tokens or more, so there is nothing to score. "
                "Try: a longer text"
            )
        return cls(tuple(documents), tuple(windows), name)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for window in self.windows:
            ids = self.documents[window.document][window.start : window.stop]
            yield ids, torch.arange(window.start, window.stop) >= window.scored

    def __len__(self) -> int:
        return len(self.windows)

    def __repr__(self) -> str:
        return f"<Tokens of {self.source}: {len(self):,} windows, {self.count:,} tokens scored>"

    def batches(self, size: int) -> list[tuple[Tensor, Tensor]]:
        """Return the windows as batches of equal length: ids and scored, ``(n, t)``, n <= size.

        Windows come in order of their length, those of one length in their own order.

        Raises:
            InputError: a size below 1.
        """
        if size < 1:
            raise InputError(f"a batch has size={size} windows; expected 1 or more")
        by_length: dict[int, list[tuple[Tensor, Tensor]]] = {}
        for ids, scored in self:
            by_length.setdefault(len(ids), []).append((ids, scored))
        return [
            (torch.stack([ids for ids, _ in part]), torch.stack([scored for _, scored in part]))
            for length in sorted(by_length, reverse=True)
            for part in _parts(by_length[length], size)
        ]

    @property
    def count(self) -> int:
        """How many tokens are scored."""
        return sum(window.stop - window.scored for window in self.windows)

    @cached_property
    def largest(self) -> int:
        """The largest id."""
        return max(int(ids.max()) for ids in self.documents if len(ids))

    @cached_property
    def hash(self) -> str:
        """Of the ids and of what is scored."""
        return content_hash([(ids, scored) for ids, scored in self])

    def only_whole(self) -> Tokens:
        """Return the windows of the largest length alone.

        >>> tokens = Tokens.of([torch.arange(9), torch.arange(3)], length=4, stride=4)
        >>> len(tokens), len(tokens.only_whole())
        (4, 3)
        """
        longest = max(window.stop - window.start for window in self.windows)
        whole = [w for w in self.windows if w.stop - w.start == longest]
        return replace(self, windows=tuple(whole))

    def take(self, n: int, seed: int | None = None) -> Tokens:
        """Return n of the windows, in their order.

        Args:
            n: how many.
            seed: draws them; None takes the first.

        Raises:
            InputError: fewer windows than that.

        >>> tokens = Tokens.of(torch.arange(100), length=11)
        >>> [int(ids[0]) for ids, _ in tokens.take(2)], len(tokens.take(3, seed=0))
        ([0, 10], 3)
        """
        if not 1 <= n <= len(self):
            raise InputError(f"n is {n}; expected 1 to {len(self)}, the number of windows")
        if seed is None:
            return replace(self, windows=self.windows[:n])
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(self), generator=generator)[:n].sort().values
        return replace(self, windows=tuple(self.windows[int(place)] for place in chosen))


def _check_sizes(length: int | None, stride: int | None) -> None:
    if length is None:
        if stride is not None:
            raise InputError(f"stride={stride} without a length. Try: length={stride + 1} too")
        return
    if length < 2:
        raise InputError(f"length is {length}; expected 2 or more: a token and what follows it")
    if stride is not None and not 1 <= stride <= length:
        raise InputError(f"stride is {stride}; expected 1 to {length}, the length of a window")


def _windows(document: int, count: int, length: int | None, stride: int | None) -> Iterator[Window]:
    """Yield the windows of one document, each scoring what those before it did not."""
    if count < 2:
        return
    if length is None or count <= length:
        yield Window(document, 0, count, 1)
        return
    step = length - 1 if stride is None else stride
    start = done = 0
    while done < count:
        start = min(start, count - length)
        yield Window(document, start, start + length, max(done, start + 1))
        done = start + length
        start += step


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
