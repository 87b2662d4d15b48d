"""Callbacks: how monitors, recorders and checkpoints join a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.models._fit_state import Fit


class Callback:
    """Methods that a training calls; override those needed.

    Each method gets the one :class:`Fit`, callbacks are called in the order of their list, and each
    may call ``fit.stop(reason)``: the training then ends after all callbacks were called. What a
    callback draws from torch's global generator does not change the training.

    A callback observes. What changes the loss is a loss (it sees outputs, batch, example numbers
    and parameters), and what changes gradients or weights is an optimizer.

    Attributes:
        name: the key of its state in a checkpoint; two of one name are refused.

    >>> class Count(Callback):
    ...     taken = 0
    ...     def on_step(self, fit):
    ...         self.taken += 1
    >>> Count().name
    'Count'
    """

    name: str = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" not in vars(cls):
            cls.name = cls.__name__

    def on_start(self, fit: Fit) -> None:
        """Called once, before the first step (of a resumed training: the next step).

        The weights are those at the start; there are no gradients. Modules are in the mode they
        were found in.
        """

    def on_step(self, fit: Fit) -> None:
        """Called after each step of the optimizer.

        The weights are new, the gradients are those that the step was made of, and ``fit.loss`` is
        that of the weights before. Gradients are zeroed when the next step begins.
        """

    def on_epoch(self, fit: Fit) -> None:
        """Called after each pass over the data, after its last ``on_step``.

        Weights and gradients as in :meth:`on_step`; ``fit.losses`` has the pass already. Modules
        are in training mode.
        """

    def on_end(self, fit: Fit) -> None:
        """Called once, when the training has ended: completed, stopped or diverged.

        The weights are final, gradients are zeroed, and modules are in the mode they were found in.
        """

    def state(self) -> Any:
        """Return what a checkpoint must keep: tensors and plain types; None for nothing."""
        return None

    def restore(self, state: Any) -> None:
        """Restore what :meth:`state` returned; called after :meth:`on_start`.

        Args:
            state: never None.
        """


def check_callbacks(callbacks: Sequence[Callback]) -> tuple[Callback, ...]:
    """Return the callbacks.

    Raises:
        InputError: an object that is not a callback, a moment that there is not, or two callbacks
            of one name.
    """
    if isinstance(callbacks, Callback):
        raise InputError(
            f"callbacks is a {type(callbacks).__name__}; expected a list. Try: callbacks=[...]"
        )
    strange = [type(each).__name__ for each in callbacks if not isinstance(each, Callback)]
    if strange:
        raise InputError(
            f"callbacks has {', '.join(strange)}; expected eigenscape.models.Callback. "
            "Try: a class that derives from Callback and overrides on_step"
        )
    unknown = sorted(
        {
            f"{type(each).__name__}.{name}"
            for each in callbacks
            for name in dir(type(each))
            if name.startswith("on_") and not hasattr(Callback, name)
        }
    )
    if unknown:
        raise InputError(
            f"{', '.join(unknown)} would never be called; the moments of a training are on_start, "
            "on_step, on_epoch and on_end. Try: one of these names, or a name without on_"
        )
    names = [each.name for each in callbacks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"two callbacks have the name {', '.join(map(repr, twice))}, so that their states "
            "could not be told apart. Try: set the attribute `name` of one of them"
        )
    return tuple(callbacks)
