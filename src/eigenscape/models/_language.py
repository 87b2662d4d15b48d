"""A language model: logits, log-probabilities, perplexity and greedy continuation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eigenscape.checkpoints import named_modules
from eigenscape.errors import InputError
from eigenscape.layers import blocks
from eigenscape.models._greedy import greedy, logits_of
from eigenscape.models._language_files import load_language_model
from eigenscape.models._modes import evaluating
from eigenscape.models._perplexity import Perplexity
from eigenscape.models._tokens import Tokens
from eigenscape.results import Environment

_LOGITS = 2**26  # numbers of logits at a time: 256 MB of float32
_CONTEXTS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A causal language model behind one protocol, from any library.

    It is a module that takes token ids ``(n, t)`` and returns logits ``(n, t, V)``: a tensor,
    or, as models of transformers do, an object with ``.logits``. Calls run in evaluation mode
    without gradients; the model's mode, weights and the random state are not changed. Get one
    from :meth:`of`.

    Args:
        model: the module.
        vocabulary_size: V, the number of logits a token.
        context: the most tokens in a row; None where the model does not say.
        source: the folder that it was loaded from; None for a module.
    """

    model: nn.Module
    vocabulary_size: int
    context: int | None = None
    source: str | None = None

    @classmethod
    def of(
        cls,
        source: LanguageModel | nn.Module | str | os.PathLike[str],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> LanguageModel:
        """Return a language model.

        Args:
            source: a module; or a Hugging Face folder or hub id, loaded with transformers (the
                extra ``hf``). Weights are read from safetensors, or from torch files without
                running what these name; a model's own code is never run.
            device: where it goes; None leaves a module where it is, and a folder on the CPU.
            dtype: of its weights; None as they are stored. Half precision costs accuracy: give
                ``torch.float32`` for figures to compare.

        Raises:
            InputError: a module that does not return logits, a folder that is not a
                language model, weights that are missing from it.
            UnsafeCheckpointError: the model or its weights would run code.
            MissingExtraError: a folder, and transformers is not installed.
        """
        if isinstance(source, LanguageModel):
            return source
        folder = None
        if isinstance(source, str | os.PathLike):
            source, folder = load_language_model(source, dtype)
        if not isinstance(source, nn.Module):
            raise InputError(
                f"a language model cannot be made of {source!r:.60} ({type(source).__name__}); "
                "expected a module, a Hugging Face folder or a hub id"
            )
        if device is not None or (dtype is not None and folder is None):
            source = source.to(device=device, dtype=dtype)
        with _quiet(source):
            answer = logits_of(source, torch.zeros(1, 1, dtype=torch.int64, device=_place(source)))
        return cls(source, answer.shape[-1], _context_of(source), folder)

    @property
    def device(self) -> torch.device:
        """Where the model's first parameter lies."""
        return _place(self.model)

    def blocks(self) -> dict[str, nn.Module]:
        """Return the repeated blocks in order, by name.

        Raises:
            InputError: the model has none that are recognised.
        """
        found = blocks(self.model)
        if not found:
            raise InputError(
                f"{type(self.model).__name__} has no repeated blocks, as eigenscape.layers.blocks "
                "recognises them"
            )
        modules = named_modules(self.model)
        return {block.name: modules[block.name] for block in found}

    def logits(self, tokens: Tensor | Sequence[int]) -> Tensor:
        """Return the logits of what follows each token.

        Args:
            tokens: int64 ``(n, t)`` or ``(t,)``.

        Returns:
            ``(n, t, V)`` or ``(t, V)``, on the model's device, in the model's type.

        Raises:
            InputError: ids that the model does not know, or more than it takes in a row.
        """
        ids, flat = self._ids(tokens)
        with _quiet(self.model):
            answer = logits_of(self.model, ids)
        return answer[0] if flat else answer

    def token_logprobs(self, tokens: Tensor | Sequence[int]) -> tuple[Tensor, Tensor]:
        """Score each token but the first, given those before it.

        ``n`` prompts and their continuations can be scored in one pass: a suffix is what greedy
        continuation gives exactly if all its tokens are greedy.

        Args:
            tokens: int64 ``(n, t)`` or ``(t,)``.

        Returns:
            ``log p`` and whether the token has the largest logit, ``(n, t - 1)`` or ``(t - 1,)``,
            on the CPU; float64 of a float64 model, else float32.

        Raises:
            InputError: ids that the model does not know, fewer than two of them, or more than it
                takes in a row.
        """
        ids, flat = self._ids(tokens)
        if ids.shape[1] < 2:
            raise InputError(
                f"tokens have the shape {tuple(ids.shape)}; expected two or more in a row: a first "
                "one, and what follows it"
            )
        scores, greedy_ones = [], []
        with _quiet(self.model):
            for rows in torch.split(ids, self._rows(ids.shape[1])):
                logits = logits_of(self.model, rows)[:, :-1]
                wide = logits if logits.dtype == torch.float64 else logits.float()
                targets = rows[:, 1:].to(wide.device)
                picked = wide.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
                scores.append((picked - wide.logsumexp(dim=-1)).cpu())
                greedy_ones.append((wide.argmax(dim=-1) == targets).cpu())
        logprob, is_greedy = torch.cat(scores), torch.cat(greedy_ones)
        return (logprob[0], is_greedy[0]) if flat else (logprob, is_greedy)

    def perplexity(self, tokens: Tokens | Tensor | Sequence[int]) -> Perplexity:
        """Return the perplexity of a text: each of its tokens scored once.

        ``exp(-sum log p / count)`` over all scored tokens of all windows, summed in float64.

        Args:
            tokens: windows of :class:`~eigenscape.models.Tokens`; or ids ``(t,)`` or ``(n, t)``,
                each row a window.

        Raises:
            InputError: ids that the model does not know, or windows longer than it takes.
        """
        windows = tokens if isinstance(tokens, Tokens) else Tokens.of(tokens)
        self.check(windows)
        found: list[tuple[float, int]] = []
        for ids, scored in windows.batches(self._rows(max(len(ids) for ids, _ in windows))):
            logprob, _ = self.token_logprobs(ids)
            wanted = scored[:, 1:]
            sums = -torch.where(wanted, logprob.double(), 0.0).sum(dim=1)  # 0 * inf is NaN
            counts = wanted.sum(dim=1)
            found += zip((sums / counts).tolist(), counts.tolist(), strict=True)
        # batches are in order of length: back to the windows' own
        lengths = [window.stop - window.start for window in windows.windows]
        order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
        found = [pair for _, pair in sorted(zip(order, found, strict=True))]
        return Perplexity(
            window_nll=tuple(mean for mean, _ in found),
            window_tokens=tuple(count for _, count in found),
            model=type(self.model).__name__,
            text=windows.source,
            data_hash=windows.hash,
            environment=Environment.capture(device=str(self.device)),
        )

    def continue_greedily(
        self, tokens: Tensor | Sequence[Sequence[int] | Tensor], n: int
    ) -> Tensor:
        """Continue prompts by the likeliest token, n times.

        Prompts of any lengths go through the model together: padded on the left and masked where
        the model takes a mask, otherwise padded on the right, which a causal model does not see.
        An end-of-text token does not stop them.

        Args:
            tokens: prompts: ``(k, t)``, or k of one dimension.
            n: how many tokens to add.

        Returns:
            The new tokens, int64 ``(k, n)``, on the CPU.

        Raises:
            InputError: an empty prompt, ids that the model does not know, or more tokens than it
                takes in a row.
        """
        found = [torch.as_tensor(prompt) for prompt in tokens]
        _check_whole([prompt for prompt in found if prompt.numel()])
        prompts = [prompt.to("cpu", torch.int64) for prompt in found]
        lengths = {len(prompt) if prompt.ndim == 1 else 0 for prompt in prompts} or {0}
        if min(lengths) < 1 or n < 1:
            raise InputError(
                f"{len(prompts)} prompts of lengths {sorted(lengths)[:4]} and n={n}; expected one "
                "or more prompts (t,) of one or more tokens, and n of 1 or more"
            )
        self._check(torch.cat(prompts), max(lengths) + n)
        rows = self._rows(max(lengths))
        with _quiet(self.model):
            parts = [
                greedy(self.model, prompts[start : start + rows], n, self.device)
                for start in range(0, len(prompts), rows)
            ]
        return torch.cat(parts)

    def check(self, tokens: Tokens) -> None:
        """Raise InputError for tokens that the model does not know, or windows that are too long.

        Raises:
            InputError: saying which, and what to do.
        """
        longest = max(window.stop - window.start for window in tokens.windows)
        self._check(torch.tensor([tokens.largest]), longest)

    # ------------------------------------------------------------------ inside

    def _rows(self, length: int) -> int:
        return max(1, _LOGITS // (length * self.vocabulary_size))

    def _ids(self, tokens: Tensor | Sequence[int]) -> tuple[Tensor, bool]:
        ids = torch.as_tensor(tokens)
        if not _whole(ids) or ids.ndim not in (1, 2) or not ids.numel():
            raise InputError(
                f"tokens are {tuple(ids.shape)} of {ids.dtype}; expected whole numbers (t,) or "
                "(n, t), one or more"
            )
        self._check(ids, ids.shape[-1])
        flat = ids.ndim == 1
        return (ids.unsqueeze(0) if flat else ids).to(self.device, torch.int64), flat

    def _check(self, ids: Tensor, length: int) -> None:
        low, high = int(ids.min()), int(ids.max())
        if low < 0 or high >= self.vocabulary_size:
            raise InputError(
                f"tokens go from {low} to {high}; {type(self.model).__name__} knows 0 to "
                f"{self.vocabulary_size - 1}. Try: use the model's own tokenizer"
            )
        if self.context is not None and length > self.context:
            raise InputError(
                f"{length} tokens in a row; {type(self.model).__name__} takes {self.context}. "
                f"Try: Tokens.of(..., length={self.context}) or less, or shorter prompts"
            )


def _whole(ids: Tensor) -> bool:
    return not (ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool)


def _check_whole(prompts: Sequence[Tensor]) -> None:
    strange = {str(prompt.dtype) for prompt in prompts if not _whole(prompt)}
    if strange:
        raise InputError(f"prompts are of {', '.join(sorted(strange))}; expected whole numbers")


def _place(model: nn.Module) -> torch.device:
    return next((tensor.device for tensor in model.parameters()), torch.device("cpu"))


@contextmanager
def _quiet(model: nn.Module) -> Iterator[None]:
    with torch.no_grad(), evaluating(model):
        yield


def _context_of(model: nn.Module) -> int | None:
    config = getattr(model, "config", None)
    sizes = getattr(model, "sizes", None)
    found = [getattr(config, name, None) for name in _CONTEXTS]
    if isinstance(sizes, Mapping):
        found.append(sizes.get("context"))
    return next((size for size in found if type(size) is int and size > 0), None)
