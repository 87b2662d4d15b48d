"""The small transformer: a decoder that predicts the next token, and a classifier on its trunk."""

from __future__ import annotations

import math
from typing import Self

from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import InputError
from eigenscape.models import build

_HEAD = "head."
_WIDE = 4  # a block's hidden layer over its width


class _Attention(nn.Module):
    """Causal self-attention with a matrix each for queries, keys, values and the output."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.o = nn.Linear(width, width)

    def forward(self, states: Tensor, future: Tensor) -> Tensor:
        count, length, width = states.shape
        shape = (count, length, self.heads, width // self.heads)
        queries, keys, values = (
            layer(states).view(shape).transpose(1, 2) for layer in (self.q, self.k, self.v)
        )  # (n, heads, t, width / heads)
        # written out, so that second derivatives exist: torch's fused kernels have none
        scores = queries @ keys.transpose(-1, -2) / math.sqrt(shape[-1]) + future
        mixed = (scores.softmax(dim=-1) @ values).transpose(1, 2).reshape(states.shape)
        answer: Tensor = self.o(mixed)
        return answer


class _FeedForward(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, _WIDE * width)
        self.down = nn.Linear(_WIDE * width, width)

    def forward(self, states: Tensor) -> Tensor:
        answer: Tensor = self.down(functional.gelu(self.up(states)))
        return answer


class _Block(nn.Module):
    """Attention, then a feed-forward network, each normalised before and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = _Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = _FeedForward(width)

    def forward(self, states: Tensor, future: Tensor) -> Tensor:
        states = states + self.attention(self.attention_norm(states), future)
        answer: Tensor = states + self.mlp(self.mlp_norm(states))
        return answer


class _Trunk(nn.Module):
    """What both networks share: tokens in, a normalised state a token out, and a linear head."""

    def __init__(
        self, vocabulary: int, width: int, depth: int, heads: int, context: int, outputs: int
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if min(vocabulary, width, depth, heads, context, outputs) < 1 or width % heads:
            raise InputError(
                f"{name} has vocabulary={vocabulary}, width={width}, depth={depth}, "
                f"heads={heads}, context={context} and {outputs} outputs; give each 1 or more, and "
                "a width that is a multiple of heads"
            )
        self.sizes = {
            "vocabulary": vocabulary,
            "width": width,
            "depth": depth,
            "heads": heads,
            "context": context,
        }
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs, bias=False)
        self._draw_weights(0.02 * math.sqrt(768 / width), depth)

    def _draw_weights(self, spread: float, depth: int) -> None:
        for name, weight in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(weight)
            elif weight.ndim == 2:
                into_stream = name.endswith(("attention.o.weight", "mlp.down.weight"))
                nn.init.normal_(weight, std=spread / math.sqrt(2 * depth if into_stream else 1))

    def states(self, tokens: Tensor) -> Tensor:
        """Return the normalised last states, ``(n, t, width)``, of tokens ``(n, t)``.

        A state follows from its token and those before it.

        Args:
            tokens: int64, in ``[0, vocabulary)``, at most ``context`` of them in a row.

        Raises:
            InputError: not a table of whole numbers, or the rows are too long.
        """
        context, length = self.sizes["context"], tokens.shape[-1] if tokens.ndim else 0
        whole = not (tokens.is_floating_point() or tokens.is_complex())
        if tokens.ndim != 2 or not whole or not 1 <= length <= context:
            raise InputError(
                f"{type(self).__name__} got {str(tokens.dtype).removeprefix('torch.')} tokens of "
                f"shape {tuple(tokens.shape)}; expected int64 (n, t) with t from 1 to {context}. "
                "Try: cut the rows, or make the network with a larger context"
            )
        future = tokens.new_full((length, length), -math.inf, dtype=self.norm.weight.dtype).triu(1)
        states = self.tokens(tokens) + self.positions.weight[:length]
        for block in self.blocks:
            states = block(states, future)
        answer: Tensor = self.norm(states)
        return answer


class GPT(_Trunk):
    """A decoder-only transformer that predicts every next token from those before it.

    The network of GPT-2 (Radford et al., "Language Models are Unsupervised Multitask Learners",
    2019, section 2.3): learned positions, normalisation before each part of a block and at the end,
    GELU (its exact form), a hidden layer 4 times as wide. Queries, keys and values have a matrix
    each, and the head is not the token embedding. Weights are normal; at width 768 with the
    standard deviation 0.02 of GPT-2, otherwise in proportion to ``1 / sqrt(width)``, so that a
    narrow layer has the gain of a wide one; what a block adds to the stream is divided by
    ``sqrt(2 depth)`` at the start, as there. There is no dropout.

    Parameters are named ``tokens.weight``, ``positions.weight``, ``blocks.0.attention.q.weight``
    (``k``, ``v``, ``o``), ``blocks.0.mlp.up.weight`` (``down``), ..., ``head.weight``. Width 64
    gives every matrix of a block 64 eigenvalues, and TempBalance needs 50.

    Args:
        vocabulary: how many tokens there are.
        width: of a state; a multiple of ``heads``.
        depth: how many blocks.
        heads: of an attention.
        context: the longest row of tokens.

    Raises:
        InputError: a size is below 1, or the heads do not divide the width.

    >>> import torch
    >>> model = GPT(vocabulary=64)
    >>> model(torch.zeros(2, 24, dtype=torch.int64)).shape
    torch.Size([2, 24, 64])
    >>> sum(weight.numel() for name, weight in model.named_parameters() if "blocks" in name)
    199936
    """

    def __init__(
        self, vocabulary: int, width: int = 64, depth: int = 4, heads: int = 4, context: int = 64
    ) -> None:
        super().__init__(vocabulary, width, depth, heads, context, outputs=vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits of every next token, ``(n, t, vocabulary)``, at tokens ``(n, t)``.

        Args:
            tokens: int64, in ``[0, vocabulary)``, at most ``context`` of them in a row.

        Raises:
            InputError: not a table of whole numbers, or the rows are too long.
        """
        logits: Tensor = self.head(self.states(tokens))
        return logits


class GPTClassifier(_Trunk):
    """A class for each row of tokens: the trunk of a :class:`GPT`, its mean state, a linear head.

    :meth:`of` makes one from a pretrained network. The mean is over the tokens of a row, none of
    which is treated as padding. Parameters have the names of a GPT's.

    Args:
        classes: the number of classes.
        vocabulary: how many tokens there are.
        width: of a state; a multiple of ``heads``.
        depth: how many blocks.
        heads: of an attention.
        context: the longest row of tokens.

    Raises:
        InputError: a size is below 1, or the heads do not divide the width.

    >>> import torch
    >>> GPTClassifier(classes=3, vocabulary=64)(torch.zeros(2, 24, dtype=torch.int64)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        classes: int,
        vocabulary: int,
        width: int = 64,
        depth: int = 4,
        heads: int = 4,
        context: int = 64,
    ) -> None:
        super().__init__(vocabulary, width, depth, heads, context, outputs=classes)

    @classmethod
    def of(cls, gpt: GPT, classes: int, seed: int = 0) -> Self:
        """Return a classifier with a copy of a network's trunk and a fresh head.

        Args:
            gpt: what to copy from; it is not changed.
            classes: the number of classes.
            seed: seeds the head.

        Raises:
            InputError: there is no class.

        >>> import torch
        >>> gpt = GPT(vocabulary=64)
        >>> classifier = GPTClassifier.of(gpt, classes=4)
        >>> tokens = torch.arange(24).reshape(2, 12)
        >>> bool(torch.equal(classifier.states(tokens), gpt.states(tokens)))
        True
        """
        model = build(lambda: cls(classes, **gpt.sizes), seed).to(gpt.head.weight)
        trunk = {name: w for name, w in gpt.state_dict().items() if not name.startswith(_HEAD)}
        model.load_state_dict(trunk, strict=False)
        return model

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits, ``(n, classes)``, of rows of tokens ``(n, t)``.

        Args:
            tokens: int64, in ``[0, vocabulary)``, at most ``context`` of them in a row.

        Raises:
            InputError: not a table of whole numbers, or the rows are too long.
        """
        logits: Tensor = self.head(self.states(tokens).mean(dim=1))
        return logits
