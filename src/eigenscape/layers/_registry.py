"""Which handler reads which tensor: the last one registered is asked first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eigenscape.layers._matrix import Build, Candidate, LayerMatrix, Skipped, layer_name
from eigenscape.layers._options import SpectraOptions

#: Layer matrices; an empty list when another tensor's row covers this one; None to pass.
Reading = list[LayerMatrix] | Skipped | None
Handler = Callable[[Candidate, SpectraOptions], Reading]

_HANDLERS: list[Handler] = []


def layer_handler(function: Handler) -> Handler:
    """Register a reader of tensors; it is asked before those registered earlier.

    A handler gets a :class:`Candidate` and the options. It returns the layer matrices that the
    tensor yields, a :class:`Skipped` with the reason, an empty list where another row covers the
    tensor, or None to leave it to the next handler.
    """
    _HANDLERS.insert(0, function)
    return function


def read_tensor(candidate: Candidate, options: SpectraOptions) -> list[LayerMatrix] | Skipped:
    """Ask each handler in turn; a tensor that no one takes is skipped with that as the reason."""
    for handler in _HANDLERS:
        reading = handler(candidate, options)
        if reading is not None:
            return reading
    return skipped(
        candidate,
        f"a {len(candidate.shape)}-D tensor of no known kind; "
        f"include it with --kind '{candidate.name}=KIND' (linear, conv, conv_transpose, experts)",
    )


def matrix(
    candidate: Candidate,
    kind: str,
    stack: Sequence[int],
    build: Build,
    *,
    part: str = "",
    scale: float = 1.0,
    inferred: str = "",
    note: str = "",
) -> LayerMatrix:
    """Return the layer matrix of one candidate, named ``layer[part]``."""
    k, rows, cols = stack
    return LayerMatrix(
        name=layer_name(candidate.name) + (f"[{part}]" if part else ""),
        kind=kind,
        shape=candidate.shape,
        stack=(k, rows, cols),
        tensors=(candidate.name,),
        build=build,
        dtype=candidate.info.dtype,
        scale=scale,
        aliases=tuple(layer_name(alias) for alias in candidate.info.aliases),
        inferred=inferred,
        note=note,
    )


def skipped(candidate: Candidate, reason: str) -> Skipped:
    """Return the candidate as skipped."""
    return Skipped(candidate.name, candidate.shape, reason, candidate.info.aliases)
