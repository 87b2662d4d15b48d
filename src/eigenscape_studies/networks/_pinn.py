"""The physics-informed network, and the derivatives that its loss needs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import InputError


class PINN(nn.Module):
    """A tanh network from a point (x, t) to a number u(x, t).

    Four hidden layers of 50 are those of Krishnapriyan et al., "Characterizing possible failure
    modes in physics-informed neural networks" (NeurIPS 2021), section 3. The initial weights are
    those of ``torch.nn.Linear``: uniform within ``1 / sqrt(fan_in)``. Parameters are named
    ``layers.0.weight``, ``layers.0.bias``, ``layers.1.weight``, ...

    Args:
        hidden: the width of every hidden layer.

    Raises:
        InputError: a width is below 1.

    >>> sum(weight.numel() for weight in PINN().parameters())
    7851
    """

    def __init__(self, hidden: Sequence[int] = (50, 50, 50, 50)) -> None:
        super().__init__()
        widths = [2, *hidden, 1]
        if min(widths) < 1:
            raise InputError(f"PINN widths are {widths} from input to output; give each 1 or more")
        self.layers = nn.ModuleList(
            nn.Linear(width, following) for width, following in pairwise(widths)
        )

    def forward(self, points: Tensor) -> Tensor:
        """Return u, ``(n,)``, at points ``(n, 2)`` with columns x and t."""
        value = points
        for layer in self.layers[:-1]:
            value = layer(value).tanh()
        answer: Tensor = self.layers[-1](value).squeeze(-1)
        return answer

    def jet(
        self, points: Tensor, velocity: tuple[float, float], diffusion: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Return u and ``D u = a u_x + b u_t - nu u_xx`` in one pass, ``(n,)`` each.

        Derivatives are carried forward through the layers, so no graph is built for them and the
        answer can be differentiated in the parameters as often as wished. With ``h`` the input of a
        tanh layer and ``y = tanh(h)`` its output::

            y_x = (1 - y^2) h_x        D y = (1 - y^2) (D h + 2 nu y h_x^2)

        A stream goes along for u, one for D u, and one for u_x where nu is not 0; that is
        the forward Laplacian (Li et al., "A computational framework for neural network-based
        variational Monte Carlo with Forward Laplacian", 2024) of a first-order and a second-order
        term together.

        Args:
            points: ``(n, 2)``, columns x and t.
            velocity: (a, b): (1, 0) gives u_x, (0, 1) gives u_t.
            diffusion: nu; velocity (0, 0) with diffusion -1 gives u_xx.

        >>> import torch
        >>> model = PINN(hidden=[])                    # u = w_x x + w_t t + bias
        >>> points = torch.zeros(1, 2)
        >>> bool(model.jet(points, (1.0, 0.0))[1] == model.layers[0].weight[0, 0])
        True
        """
        value = points
        drift = points.new_tensor([velocity])
        slope = points.new_tensor([(1.0, 0.0)])
        for layer in self.layers[:-1]:
            value = layer(value).tanh()
            weight = cast(Tensor, layer.weight)
            drift = functional.linear(drift, weight)
            gain = 1 - value * value
            if diffusion:
                slope = functional.linear(slope, weight)
                drift = drift + 2 * diffusion * value * slope * slope
                slope = gain * slope
            drift = gain * drift
        last = self.layers[-1]
        drift = functional.linear(drift, cast(Tensor, last.weight)).squeeze(-1)
        return last(value).squeeze(-1), drift.expand(len(points))
