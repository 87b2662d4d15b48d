"""Kinds that the user declared for tensors: ``kinds={"blocks.*.mix": "experts"}``."""

from __future__ import annotations

from collections.abc import Callable

from eigenscape.errors import InputError
from eigenscape.layers._convolution import read_convolution
from eigenscape.layers._handlers import Reading, handler
from eigenscape.layers._linear import whole
from eigenscape.layers._matrix import Candidate, LayerMatrix, Skipped
from eigenscape.layers._options import LayerOptions, matches
from eigenscape.layers._packed import read_experts

_SAID = "as declared"


def _linear(candidate: Candidate, options: LayerOptions) -> Reading:  # noqa: ARG001
    return [LayerMatrix.of(candidate, "linear", (1, *candidate.shape), whole, inferred=_SAID)]


def _conv(candidate: Candidate, options: LayerOptions) -> Reading:
    return read_convolution(candidate, options, groups=1, transposed=False, inferred=_SAID)


def _conv_transpose(candidate: Candidate, options: LayerOptions) -> Reading:
    return read_convolution(candidate, options, groups=1, transposed=True, inferred=_SAID)


def _experts(candidate: Candidate, options: LayerOptions) -> Reading:
    return read_experts(candidate, options, inferred=_SAID)


def _skip(candidate: Candidate, options: LayerOptions) -> Reading:  # noqa: ARG001
    return Skipped.of(candidate, "left out as declared")


#: kind -> (reader, the numbers of dimensions that it can read)
KINDS: dict[str, tuple[Callable[[Candidate, LayerOptions], Reading], tuple[int, ...]]] = {
    "linear": (_linear, (2,)),
    "conv": (_conv, (3, 4, 5)),
    "conv_transpose": (_conv_transpose, (3, 4, 5)),
    "experts": (_experts, (3,)),
    "skip": (_skip, tuple(range(9))),
}


@handler("declared", order=0)
def declared(candidate: Candidate, options: LayerOptions) -> Reading:
    """Read a tensor as the kind that the user gave its name.

    Raises:
        InputError: an unknown kind, or a kind that the tensor's shape cannot be.
    """
    for pattern, kind in options.kinds.items():
        if not matches(candidate.name, [pattern]):
            continue
        if kind not in KINDS:
            raise InputError(f"unknown kind {kind!r} for {pattern!r}; known: {', '.join(KINDS)}")
        reader, dimensions = KINDS[kind]
        if len(candidate.shape) not in dimensions:
            wanted = " or ".join(str(d) for d in dimensions)
            raise InputError(
                f"{candidate.name} has shape {candidate.shape}; the kind {kind!r} needs {wanted} "
                "dimensions"
            )
        return reader(candidate, options)
    return None
