"""Fourier neural operators in one and two dimensions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError


class _SpectralConvolution(nn.Module):
    """A complex matrix for each of the lowest waves: ``y_k = x_k W_k``; other waves become 0.

    The weight is ``(inputs, outputs, *waves)``: ``waves`` is ``(modes,)`` for frequencies 0 to
    ``modes - 1``, and ``(2 modes, modes)`` in two dimensions, where the frequencies of the first
    one are 0 to ``modes - 1`` and then ``-modes`` to -1, as an FFT orders them.
    """

    def __init__(self, inputs: int, outputs: int, modes: int, dims: int) -> None:
        super().__init__()
        self.modes, self.dims = modes, dims
        waves = (modes,) if dims == 1 else (2 * modes, modes)
        draws = torch.rand(inputs, outputs, *waves, 2) / (inputs * outputs)
        self.weight = nn.Parameter(torch.view_as_complex(draws))

    def forward(self, fields: Tensor) -> Tensor:
        grid = fields.shape[2:]
        spectrum = torch.fft.rfftn(fields, dim=tuple(range(2, fields.ndim)))[..., : self.modes]
        if self.dims == 1:
            spectrum = _times(spectrum, self.weight)
        else:
            low = torch.cat([spectrum[:, :, : self.modes], spectrum[:, :, -self.modes :]], dim=2)
            low = _times(low, self.weight)
            gap = low.new_zeros(*low.shape[:2], grid[0] - 2 * self.modes, self.modes)
            spectrum = torch.cat([low[:, :, : self.modes], gap, low[:, :, self.modes :]], dim=2)
        answer: Tensor = torch.fft.irfftn(spectrum, s=grid, dim=tuple(range(2, fields.ndim)))
        return answer


def _times(spectrum: Tensor, weight: Tensor) -> Tensor:
    """Multiply ``(n, inputs, *waves)`` by ``(inputs, outputs, *waves)``, wave by wave.

    As ``einsum`` does, but in contiguous batches, which takes half the time for complex numbers.
    """
    weight = weight.to(spectrum.dtype)  # nn.Module.double leaves complex weights alone
    left, right = (part.flatten(2).permute(2, 0, 1).contiguous() for part in (spectrum, weight))
    return torch.bmm(left, right).permute(1, 2, 0).reshape(len(spectrum), *weight.shape[1:])


class _Block(nn.Module):
    """A spectral convolution beside a 1x1 convolution; their sum."""

    def __init__(self, width: int, modes: int, dims: int) -> None:
        super().__init__()
        self.spectral = _SpectralConvolution(width, width, modes, dims)
        self.pointwise = (nn.Conv1d, nn.Conv2d)[dims - 1](width, width, 1)

    def forward(self, fields: Tensor) -> Tensor:
        mixed: Tensor = self.spectral(fields) + self.pointwise(fields)
        return mixed


class _FNO(nn.Module):
    """What the operators of one and of two dimensions share."""

    def __init__(
        self,
        dims: int,
        channels: int,
        outputs: int,
        width: int,
        modes: int,
        depth: int,
        hidden: int,
    ) -> None:
        super().__init__()
        sizes = {"channels": channels, "outputs": outputs, "width": width, "modes": modes}
        sizes |= {"depth": depth, "hidden": hidden}
        if min(sizes.values()) < 1:
            seen = ", ".join(f"{name}={size}" for name, size in sizes.items())
            raise InputError(f"{type(self).__name__} has {seen}; give each 1 or more")
        self.channels, self.modes, self.dims = channels, modes, dims
        self.lift = nn.Linear(channels + dims, width)
        self.blocks = nn.ModuleList(_Block(width, modes, dims) for _ in range(depth))
        self.project = nn.Linear(width, hidden)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, fields: Tensor) -> Tensor:
        """Return ``(n, outputs, *grid)`` of real fields ``(n, channels, *grid)``.

        Raises:
            InputError: fields of another shape, or a grid that is too coarse for the modes.
        """
        self._check(fields)
        values = torch.cat([fields, _coordinates(fields)], dim=1)
        values = self.lift(values.movedim(1, -1)).movedim(-1, 1)
        for index, block in enumerate(self.blocks):
            values = block(values)
            if index < len(self.blocks) - 1:
                values = nn.functional.gelu(values)
        hidden = nn.functional.gelu(self.project(values.movedim(1, -1)))
        answer: Tensor = self.head(hidden).movedim(-1, 1)
        return answer

    def _check(self, fields: Tensor) -> None:
        name, grid = type(self).__name__, tuple(fields.shape[2:])
        if fields.ndim != 2 + self.dims or fields.shape[1] != self.channels:
            sides = ", ".join(("points",) if self.dims == 1 else ("rows", "columns"))
            raise InputError(
                f"{name} got fields of shape {tuple(fields.shape)}; expected "
                f"(n, {self.channels}, {sides})"
            )
        # The last side's spectrum has side // 2 + 1 waves; the first side's has both signs.
        waves = [side // 2 for side in grid[:-1]] + [grid[-1] // 2 + 1]
        if self.modes > min(waves):
            raise InputError(
                f"{name} has modes={self.modes}, but a grid of {' x '.join(map(str, grid))} has "
                f"{min(waves)}; give finer fields, or fewer modes"
            )


def _coordinates(fields: Tensor) -> Tensor:
    """Return the places of the grid in [0, 1), ``(n, dims, *grid)``."""
    grid = fields.shape[2:]
    axes = [torch.arange(side, dtype=fields.dtype, device=fields.device) / side for side in grid]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    return places.expand(len(fields), *places.shape)


class FNO1d(_FNO):
    """A Fourier neural operator: maps functions on an interval to functions on it.

    Li et al., "Fourier Neural Operator for Parametric Partial Differential Equations" (ICLR 2021):
    the place x joins the channels; a linear map lifts them to ``width``; ``depth`` blocks add a
    spectral convolution, a complex matrix for each of the ``modes`` lowest waves, and a 1x1
    convolution, with a GELU between blocks; two linear maps with a GELU between them project to the
    outputs. Depth 4 and 128 hidden units are theirs; ``width`` and ``modes`` are smaller (64 and 16
    in the paper), as suits little data. As in their code, real and imaginary parts of the spectral
    weights start uniform in ``[0, 1 / width^2]``; all others start as torch's layers do.

    The grid may be another one than in training: the weights belong to waves, not to points.

    Parameters are named ``lift.weight``, ``blocks.0.spectral.weight`` (complex64,
    ``(width, width, modes)``), ``blocks.0.pointwise.weight``, ..., ``project.weight``,
    ``head.weight``.

    Args:
        channels: of the input functions; the place is added to them.
        outputs: channels of the output functions.
        width: channels between.
        modes: waves of frequency 0 to ``modes - 1``; a grid needs ``2 (modes - 1)`` points.
        depth: how many blocks.
        hidden: the width of the projection.

    Raises:
        InputError: a size is below 1.

    >>> FNO1d()(torch.zeros(2, 1, 64)).shape
    torch.Size([2, 1, 64])
    >>> {name: tuple(weight.shape) for name, weight in FNO1d().named_parameters()
    ...  if name.startswith("blocks.0.") and name.endswith("weight")}
    {'blocks.0.spectral.weight': (24, 24, 12), 'blocks.0.pointwise.weight': (24, 24, 1)}
    """

    def __init__(
        self,
        channels: int = 1,
        outputs: int = 1,
        *,
        width: int = 24,
        modes: int = 12,
        depth: int = 4,
        hidden: int = 128,
    ) -> None:
        super().__init__(1, channels, outputs, width, modes, depth, hidden)


class FNO2d(_FNO):
    """A Fourier neural operator on a rectangle: as :class:`FNO1d`, with waves in two directions.

    Its spectral weights are ``(width, width, 2 modes, modes)``: frequencies of both signs along the
    rows, and of one along the columns, since the functions are real. ``width`` and ``modes`` are
    smaller than those of Li et al. (32 and 12), as suits little data.

    Args:
        channels: of the input functions; the two coordinates are added to them.
        outputs: channels of the output functions.
        width: channels between.
        modes: waves in each direction; a grid needs ``2 modes`` rows and ``2 (modes - 1)`` columns.
        depth: how many blocks.
        hidden: the width of the projection.

    Raises:
        InputError: a size is below 1.

    >>> FNO2d()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 1, 32, 32])
    >>> sum(weight.numel() for weight in FNO2d(width=2, modes=3, depth=1, hidden=4).parameters())
    103
    """

    def __init__(
        self,
        channels: int = 1,
        outputs: int = 1,
        *,
        width: int = 16,
        modes: int = 6,
        depth: int = 4,
        hidden: int = 128,
    ) -> None:
        super().__init__(2, channels, outputs, width, modes, depth, hidden)
