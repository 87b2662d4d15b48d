"""Eigenvalues of W W^T for a stack of matrices, with a stated numerical floor.

The default route is the Gram matrix of the smaller side in float64 and its eigenvalues: measured
against singular values in float64 it agrees to 1e-9 up to a ratio of 1e8 between the largest
eigenvalue and the one in question, at a quarter of the time. The float32 route is for spectra whose
threshold lies within 1e4 of the largest eigenvalue; that is checked, with a fallback to float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from eigenscape.errors import InputError

#: Entries that are converted to the working precision at a time (4 MiB in float64).
_CHUNK = 1 << 19
_SPLIT = 256
#: Gram matrices of one batch take at most this many bytes.
_BATCH = 1 << 28
#: float32 is trusted for eigenvalues within this ratio of the largest ...
_FLOAT32_RATIO = 1e4
#: ... and while no more than this share lies below its floor: a few do in every square matrix, many
#: are a rank that float32 cannot see.
_FLOAT32_UNSEEN = 0.03
PRECISIONS = ("float64", "float32")


class NonFiniteError(InputError):
    """The matrices hold NaN or infinite entries, so they have no spectrum."""


@dataclass(frozen=True)
class Spectrum:
    """The eigenvalues of a pool of matrices, and how far they can be trusted.

    Args:
        values: ascending, none below zero.
        route: ``"gram-float64"``, ``"gram-float32"`` or ``"svd-float64"``.
        floor: eigenvalues below this cannot be told from rounding on that route.
        level: eigenvalues up to this are meaningless: rounding to the storage type, or on the
            route, can make them.
        stack: (k, rows, cols) of the matrices that were solved.
        trimmed: rows or columns of zeros were left out.
        fell_back: float32 was requested, and could not resolve what was needed.
    """

    values: NDArray[np.float64]
    route: str
    floor: float
    level: float = 0.0
    stack: tuple[int, int, int] = (0, 0, 0)
    trimmed: bool = False
    fell_back: bool = False

    @property
    def largest(self) -> float:
        """The largest eigenvalue."""
        return float(self.values[-1])

    @property
    def positive(self) -> NDArray[np.float64]:
        """The eigenvalues above ``level``, ascending."""
        return self.values[self.values > self.level]

    @property
    def rank(self) -> int | None:
        """How many lie above ``level``; None where the float32 route cannot tell."""
        if self.route == "gram-float32" and self.values[0] <= self.floor:
            return None
        return int((self.values > self.level).sum())

    def resolves(self, threshold: float) -> bool:
        """Tell whether eigenvalues from a threshold on can be trusted on this route."""
        if self.route != "gram-float32":
            return True
        unseen = float((self.values < self.floor).mean())
        return bool(self.largest < _FLOAT32_RATIO * threshold and unseen < _FLOAT32_UNSEEN)


def eigenvalues(
    stack: torch.Tensor,
    *,
    dtype: torch.dtype | None = None,
    scale: float = 1.0,
    precision: str = "float64",
    needed: Callable[[Spectrum], float] | None = None,
    smallest: bool = False,
    trim: bool = False,
    memory: int | None = None,
) -> Spectrum:
    r"""Return the pooled eigenvalues of :math:`W W^T` over a stack of matrices.

    Float64 through the Gram matrix of the smaller side has errors up to
    :math:`\lambda_{max}\, n\, 2^{-52}`, the ``floor``; weights stored in float64 whose smallest
    eigenvalue lies below it are solved again by singular values, whose squares are exact to
    :math:`\lambda_{max} (n\, 2^{-52})^2`. Rounding to the storage type sets the ``level``, see
    :func:`rounding_level`.

    Args:
        stack: (k, rows, cols), real or complex.
        dtype: the storage type, where the stack was converted; by default that of the stack.
        scale: a factor on every matrix.
        precision: ``"float64"``, or ``"float32"`` where that resolves what is needed.
        needed: for float32: from its spectrum to the smallest eigenvalue that the caller will use;
            by default the smallest of all.
        smallest: resolve the smallest eigenvalues too, by singular values.
        trim: leave out rows and columns of zeros of a single matrix, where there are eigenvalues at
            rounding level.
        memory: bytes that the solve may take. Where a second copy of a Gram matrix would go beyond
            that, LAPACK works in place instead, which takes about twice the time.

    Raises:
        InputError: an unknown precision, or no stack of matrices.
        NonFiniteError: NaN or infinite entries.

    >>> found = eigenvalues(torch.tensor([[[3.0, 0.0], [0.0, 1.0]]]))
    >>> found.values.tolist(), found.route, found.rank
    ([1.0, 9.0], 'gram-float64', 2)
    """
    if precision not in PRECISIONS or stack.ndim != 3 or 0 in stack.shape:
        raise InputError(
            f"expected a stack (k, rows, cols) and a precision among {', '.join(PRECISIONS)}; got "
            f"the shape {tuple(stack.shape)} and {precision!r}. Try: matrix.unsqueeze(0)"
        )
    stored = stack.dtype if dtype is None else dtype
    if precision == "float32":
        try:
            found = _finished(
                gram_spectrum(stack, torch.float32, memory=memory), stack, stored, scale
            )
        except NonFiniteError:  # squares beyond float32's range; float64 tells NaN from overflow
            return eigenvalues(
                stack, dtype=dtype, scale=scale, smallest=smallest, trim=trim, memory=memory
            )
        if found.resolves(found.values[0] if needed is None else needed(found)):
            return found
    found = _safe(stack, stored, scale, smallest, memory)
    if trim and bool((found.values <= found.level).any()):
        kept = _without_zeros(stack)
        if kept is not None:
            found = replace(_safe(kept, stored, scale, smallest, memory), trimmed=True)
    return replace(found, fell_back=precision == "float32")


def _safe(
    stack: torch.Tensor, dtype: torch.dtype, scale: float, smallest: bool, memory: int | None
) -> Spectrum:
    """The float64 Gram route, or singular values where only those resolve the bottom."""
    if smallest:
        return _finished(svd_spectrum(stack), stack, dtype, scale)
    found = gram_spectrum(stack, torch.float64, memory=memory)
    fine = dtype in (torch.float64, torch.complex128)
    if fine and found.values[0] <= found.floor < found.values[-1]:
        found = svd_spectrum(stack)
    return _finished(found, stack, dtype, scale)


def _finished(found: Spectrum, stack: torch.Tensor, dtype: torch.dtype, scale: float) -> Spectrum:
    """Scale a spectrum, and say below which level it means nothing."""
    factor = scale**2
    values, floor = found.values * factor, found.floor * factor
    shape = (stack.shape[0], stack.shape[1], stack.shape[2])
    level = rounding_level(values, shape, dtype)
    if found.route != "gram-float32":
        level = max(level, floor)
    return Spectrum(values, found.route, floor, level, shape)


def _without_zeros(stack: torch.Tensor) -> torch.Tensor | None:
    """A single matrix without its rows and columns of zeros; None where there are none."""
    if stack.shape[0] != 1:
        return None
    W = stack[0]
    rows, cols = (W != 0).any(dim=1), (W != 0).any(dim=0)
    if (bool(rows.all()) and bool(cols.all())) or not bool(rows.any()):
        return None
    return W[rows][:, cols].unsqueeze(0)


def gram_spectrum(
    stack: torch.Tensor, dtype: torch.dtype = torch.float64, *, memory: int | None = None
) -> Spectrum:
    """Return the pooled eigenvalues through the Gram matrix of the smaller side.

    Args:
        stack: (k, rows, cols), real or complex.
        dtype: the working precision, float64 or float32.
        memory: bytes that the solve may take. Where a second copy of a Gram matrix would go beyond
            that, LAPACK works in place instead, which takes about twice the time.

    Raises:
        NonFiniteError: NaN or infinite entries, or an overflow of the working precision.

    >>> gram_spectrum(torch.tensor([[[3.0, 0.0], [0.0, 1.0]]])).values.tolist()
    [1.0, 9.0]
    """
    if stack.shape[1] > stack.shape[2]:
        stack = stack.mT
    k, n, _ = stack.shape
    work = _complex_of(dtype) if stack.is_complex() else dtype
    each = n * n * torch.empty((), dtype=work).element_size()
    in_place = (
        memory is not None
        and 2 * each > memory
        and stack.device.type == "cpu"
        and not stack.is_complex()
    )
    solve = _eigenvalues_in_place if in_place else _eigenvalues
    batch = 1 if in_place else max(1, _BATCH // each)
    found = [solve(_gram(stack[i : i + batch], work)) for i in range(0, k, batch)]
    values = np.sort(torch.cat(found).clamp_(min=0).flatten().double().cpu().numpy())
    name = "gram-float64" if dtype == torch.float64 else "gram-float32"
    return Spectrum(values, name, float(values[-1]) * n * torch.finfo(dtype).eps)


def svd_spectrum(stack: torch.Tensor) -> Spectrum:
    """Return the pooled eigenvalues as squared singular values in float64, exact for small ones.

    Raises:
        NonFiniteError: NaN or infinite entries.
    """
    double = stack.to(torch.complex128 if stack.is_complex() else torch.float64)
    if not bool(torch.isfinite(torch.view_as_real(double) if stack.is_complex() else double).all()):
        raise NonFiniteError("NaN or infinite weights")
    singular = torch.linalg.svdvals(double).flatten().cpu().numpy()
    found = np.sort(singular.astype(np.float64)) ** 2
    n = max(stack.shape[1:])
    return Spectrum(
        found, "svd-float64", float(found[-1]) * (n * torch.finfo(torch.float64).eps) ** 2
    )


def rounding_level(
    values: NDArray[np.float64], stack: tuple[int, int, int], dtype: torch.dtype
) -> float:
    r"""Return the eigenvalue that rounding to the storage type alone can make.

    Rounding adds independent errors of relative size :math:`\epsilon`; their matrix has a largest
    singular value near :math:`\epsilon\, \mathrm{rms}(W) (\sqrt n + \sqrt m)` (the edge of the
    Marchenko-Pastur law, with :math:`\epsilon` three and a half times the standard deviation of a
    rounding error). An eigenvalue below its square is meaningless.
    """
    k, rows, cols = stack
    if not (dtype.is_floating_point or dtype.is_complex):
        return 0.0
    mean_square = float(values.sum()) / (k * rows * cols)
    edge = math.sqrt(mean_square) * (math.sqrt(rows) + math.sqrt(cols))
    # At 8 bits that margin would reach into the spectrum: there the plain edge of rounding.
    unit = torch.finfo(dtype).eps * (1.1 / math.sqrt(12) if dtype.itemsize == 1 else 1.0)
    return (unit * edge) ** 2


def _complex_of(dtype: torch.dtype) -> torch.dtype:
    return torch.complex128 if dtype == torch.float64 else torch.complex64


def _gram(stack: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """(k, n, m) -> lower triangles of (k, n, n); the upper ones are not filled in."""
    k, n, m = stack.shape
    gram = torch.zeros((k, n, n), dtype=dtype, device=stack.device)
    width = max(1, _CHUNK // max(1, k * n))
    for start in range(0, m, width):
        piece = stack[:, :, start : start + width].to(dtype)
        _add_gram(gram, piece)
    if not bool(torch.isfinite(gram.diagonal(dim1=1, dim2=2).real.sum())):
        raise NonFiniteError("NaN or infinite weights")
    return gram


def _add_gram(gram: torch.Tensor, piece: torch.Tensor) -> None:
    """Add piece piece^H to the lower triangle, in halves: half the work of the whole product."""
    n = piece.shape[1]
    if n <= _SPLIT:
        _add_product(gram, piece, piece)
        return
    half = n // 2
    _add_gram(gram[:, :half, :half], piece[:, :half])
    _add_gram(gram[:, half:, half:], piece[:, half:])
    _add_product(gram[:, half:, :half], piece[:, half:], piece[:, :half])


def _add_product(out: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    if len(out) == 1:  # a plain product writes into the block; a batched one works on a copy of it
        out[0].addmm_(left[0], right[0].mH)
    else:
        out.baddbmm_(left, right.mH)


def _eigenvalues(gram: torch.Tensor) -> torch.Tensor:
    values: torch.Tensor = torch.linalg.eigvalsh(gram, UPLO="L")
    return values


def _eigenvalues_in_place(gram: torch.Tensor) -> torch.Tensor:
    """(1, n, n) -> (1, n), without a second copy of the matrix."""
    from scipy.linalg import eigh

    # Row-major lower is column-major upper: LAPACK overwrites this very memory.
    values = eigh(
        gram[0].numpy().T,
        lower=False,
        eigvals_only=True,
        overwrite_a=True,
        check_finite=False,
        driver="ev",
    )
    return torch.from_numpy(values).unsqueeze(0)
