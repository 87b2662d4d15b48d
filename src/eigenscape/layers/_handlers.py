"""Which handler reads which tensor: the one with the smallest order is tried first."""

from __future__ import annotations

from collections.abc import Callable

from eigenscape.errors import InputError
from eigenscape.layers._matrix import Candidate, LayerMatrix, Skipped
from eigenscape.layers._options import LayerOptions
from eigenscape.registry import Registry

#: Layer matrices; an empty list where another tensor's row covers this one; None to pass.
Reading = list[LayerMatrix] | Skipped | None
Handler = Callable[[Candidate, LayerOptions], Reading]

#: Every handler, in the order in which they are asked. Packages add theirs through the entry-point
#: group ``eigenscape.handlers``.
HANDLERS: Registry[Handler] = Registry("eigenscape.handlers", "handler")


def handler(name: str, order: float) -> Callable[[Handler], Handler]:
    """Register a reader of tensors.

    It gets a :class:`Candidate` and the :class:`LayerOptions`, and returns the layer matrices that
    the tensor yields, a :class:`Skipped` with the reason, an empty list where another row covers
    the tensor, or None to leave it to the next handler.

    Args:
        name: unique among all handlers.
        order: the smallest is tried first. What the user declared has 0, tensors that are not
            weights and adapters 100 to 140, the families 300 to 800, and any other 2-D weight
            900: 50 is tried before all of them.

    Raises:
        InputError: the name is taken.

    >>> @handler("doctest", order=950)
    ... def last(candidate, options):
    ...     return None
    >>> HANDLERS.names()[0], HANDLERS.names()[-1]
    ('declared', 'doctest')
    >>> HANDLERS.remove("doctest")
    """

    def register(function: Handler) -> Handler:
        HANDLERS.add(name, order, function)
        return function

    return register


def read_tensor(candidate: Candidate, options: LayerOptions) -> list[LayerMatrix] | Skipped:
    """Try each handler in turn; a tensor that none of them reads is skipped with that reason."""
    for entry in HANDLERS:
        reading = entry.value(candidate, options)
        if reading is not None and not isinstance(reading, list | Skipped):
            raise InputError(
                f"the handler {entry.name} returned a {type(reading).__name__} for "
                f"{candidate.name}; expected a list of LayerMatrix, a Skipped or None"
            )
        if reading is not None:
            return reading
    return Skipped.of(
        candidate,
        f"a {len(candidate.shape)}-D tensor of no known kind; "
        f"include it with --kind '{candidate.name}=KIND' (linear, conv, conv_transpose, experts)",
    )
