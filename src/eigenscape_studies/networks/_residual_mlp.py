"""The deep MLP with and without shortcuts."""

from __future__ import annotations

from torch import Tensor, nn

from eigenscape.errors import InputError


class ResidualMLP(nn.Module):
    """A deep, narrow ReLU network whose hidden layers add to their input, or replace it.

    ``h <- h + scale relu(W h + b)`` with shortcuts, ``h <- relu(W h + b)`` without. Both have the
    same parameters: ``stem.weight``, ``layers.0.weight``, ..., ``head.weight``. Weights are drawn
    as in He et al. (ICCV 2015), so that a plain network of this depth can be trained at all; biases
    are 0. The pair is the fully connected analogue of the networks with and without shortcuts whose
    landscapes Li et al. compare in "Visualizing the Loss Landscape of Neural Nets" (NeurIPS 2018).

    Args:
        inputs: the width of an example; an input of any shape is flattened to it.
        width: the width of every hidden layer.
        depth: how many hidden layers lie between the stem and the head.
        outputs: the number of classes.
        residual: with shortcuts.
        scale: what a layer's own part is multiplied with beside its shortcut.

    Raises:
        InputError: a size is below 1.

    >>> plain, deep = (ResidualMLP(64, 32, 16, 10, residual=on) for on in (False, True))
    >>> plain.load_state_dict(deep.state_dict())
    <All keys matched successfully>
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        depth: int,
        outputs: int,
        *,
        residual: bool = True,
        scale: float = 0.3,
    ) -> None:
        super().__init__()
        if min(inputs, width, depth, outputs) < 1:
            raise InputError(
                f"ResidualMLP has inputs={inputs}, width={width}, depth={depth}, "
                f"outputs={outputs}; give each 1 or more"
            )
        self.residual, self.scale = residual, scale
        self.stem = nn.Linear(inputs, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, outputs)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits, ``(n, outputs)``, of ``n`` examples."""
        h = self.stem(inputs.flatten(1)).relu()
        for layer in self.layers:
            step = layer(h).relu()
            h = h + self.scale * step if self.residual else step
        logits: Tensor = self.head(h)
        return logits
