"""A linear layer with several LoRA experts and a router; PEFT is not needed for it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import InputError


class MixtureOfExperts(nn.Module):
    r"""A linear layer whose update is a mixture of n LoRA experts, chosen for each token.

    :math:`y = W x + \sum_{e \in \text{top } k} w_e \, s \, B_e A_e x`, with
    :math:`p = \mathrm{softmax}(R x)` and w the k largest p, divided by their sum (Qing et al. 2024;
    Gao et al. 2024). B starts at zero, so that the output is first that of the base layer. With
    one expert there is no router: a router that is divided by its own sum has no gradient, and the
    layer is plain LoRA.

    Its parameters are kept by the name of the adapter, as PEFT wants them.

    Args:
        base_layer: the linear layer.
        experts: n.
        top_k: k, at most n.
        rank: of each expert.
        alpha: s = alpha / rank.
        dropout: of the experts' input.
        adapter: the adapter's name.

    Raises:
        InputError: fewer than one expert, or a rank below 1.

    >>> layer = MixtureOfExperts(nn.Linear(4, 3), 2)
    >>> bool(torch.equal(layer(torch.eye(4)), layer.base_layer(torch.eye(4))))
    True
    """

    def __init__(
        self,
        base_layer: nn.Linear,
        experts: int,
        *,
        top_k: int = 2,
        rank: int = 8,
        alpha: float = 16,
        dropout: float = 0.05,
        adapter: str = "default",
    ) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.build(experts, top_k, rank, alpha, dropout, adapter)

    def build(
        self, experts: int, top_k: int, rank: int, alpha: float, dropout: float, adapter: str
    ) -> None:
        """Make the parameters."""
        if experts < 1 or rank < 1 or top_k < 1:
            raise InputError(
                f"experts={experts}, rank={rank}, top_k={top_k}; expected 1 or more of each"
            )
        base: nn.Linear = self.base_layer
        self.experts, self.top_k = experts, min(top_k, experts)
        self.factors = {adapter: alpha / rank}
        kind, device = base.weight.dtype, base.weight.device
        first = torch.empty(experts, rank, base.in_features, dtype=kind, device=device)
        for expert in first:
            nn.init.kaiming_uniform_(expert, a=math.sqrt(5))
        second = torch.zeros(experts, base.out_features, rank, dtype=kind, device=device)
        self.lora_A = nn.ParameterDict({adapter: nn.Parameter(first)})
        self.lora_B = nn.ParameterDict({adapter: nn.Parameter(second)})
        self.lora_router = nn.ParameterDict({})
        self.lora_dropout = nn.ModuleDict({adapter: nn.Dropout(dropout)})
        if experts > 1:
            router = torch.empty(experts, base.in_features, dtype=kind, device=device)
            self.lora_router[adapter] = nn.Parameter(nn.init.kaiming_uniform_(router))
        self._used: tuple[Tensor, Tensor] | None = None

    def active(self) -> list[str]:
        """The adapters that act."""
        return list(self.lora_A)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the base layer's output plus the mixture's, ``(..., out)``."""
        answer: Tensor = self.base_layer(x, *args, **kwargs)
        for name in self.active():
            weights = self._weights(x, name)  # (..., n)
            inputs = self.lora_dropout[name](x.to(self.lora_A[name].dtype))
            inner = torch.einsum("...i,nri->...nr", inputs, self.lora_A[name])
            inner = inner * weights.unsqueeze(-1).to(inner.dtype)
            update = torch.einsum("...nr,nor->...o", inner, self.lora_B[name])
            answer = answer + (self.factors[name] * update).to(answer.dtype)
        return answer

    def _weights(self, x: Tensor, name: str) -> Tensor:
        """The weight of each expert for each token, zero for those that are not chosen."""
        if self.experts == 1:
            return x.new_ones(*x.shape[:-1], 1, dtype=torch.float32)
        router = self.lora_router[name]
        share = functional.linear(x.to(router.dtype), router).float().softmax(dim=-1)
        chosen = share.topk(self.top_k, dim=-1)
        weights = torch.zeros_like(share).scatter(
            -1, chosen.indices, chosen.values / chosen.values.sum(dim=-1, keepdim=True)
        )
        picked = torch.zeros_like(share).scatter(-1, chosen.indices, 1.0).flatten(0, -2)
        self._used = (picked.mean(dim=0) / self.top_k, share.flatten(0, -2).mean(dim=0))
        return weights

    @property
    def imbalance(self) -> Tensor | None:
        r"""How uneven the last tokens were routed: :math:`n \sum_e f_e P_e`, 1 where they are even.

        f is the share of the picks, P the mean probability. None before the first tokens, and with
        one expert.
        """
        if self._used is None:
            return None
        picked, share = self._used
        return self.experts * (picked.detach() * share).sum()

    def merged_update(self, adapter: str) -> Tensor:
        """Return the update of a layer with one expert, ``(out, in)``.

        Raises:
            InputError: the layer has several experts, so that its update depends on the input.
        """
        if self.experts > 1:
            raise InputError(
                f"a layer with {self.experts} experts cannot be merged: its update depends on the "
                "input. Try: keep the adapter apart, or one expert a layer, which is plain LoRA"
            )
        pair: Tensor = self.lora_B[adapter][0] @ self.lora_A[adapter][0]
        return self.factors[adapter] * pair.detach()
