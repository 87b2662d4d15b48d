"""TempBalance as a callback: of `fit`, and of the Hugging Face Trainer."""

from __future__ import annotations

from typing import Any

from torch import nn

from eigenscape.balancing._tempbalance import TempBalance
from eigenscape.errors import InputError, MissingExtraError
from eigenscape.models import Callback, Fit


class BalanceCallback(Callback):
    """Balances the optimizer of :func:`eigenscape.models.fit`, from its start to its end.

    Args:
        model: the part of the network that is balanced; None for all of it.
        **options: as for :class:`TempBalance`, but for optimizer and model.

    Attributes:
        balance: the :class:`TempBalance`, once training has begun.

    >>> import torch
    >>> from eigenscape.models import fit
    >>> model = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(4)))
    >>> watched, eye = BalanceCallback(every=2), torch.eye(64)
    >>> _ = fit(model, nn.functional.mse_loss, (eye, eye), steps=4, callbacks=[watched],
    ...         optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1))
    >>> watched.balance.trace().steps
    (0, 2, 4)
    """

    balance: TempBalance

    def __init__(self, model: nn.Module | None = None, **options: Any) -> None:
        self._model, self._options = model, options

    def on_start(self, fit: Fit) -> None:
        """Create the :class:`TempBalance` of the training's optimizer.

        Raises:
            InputError: several networks are trained side by side.
        """
        if len(fit.diverged) > 1:
            raise InputError(
                f"{len(fit.diverged)} networks are trained side by side, whose layers share one "
                "array; TempBalance needs one network. Try: fit each alone"
            )
        self.balance = TempBalance(fit.optimizer, self._model or fit.model, **self._options)

    def on_step(self, fit: Fit) -> None:  # noqa: ARG002
        """Count the step; update the factors if it is time."""
        self.balance.step()

    def on_end(self, fit: Fit) -> None:  # noqa: ARG002
        """Detach from the optimizer."""
        self.balance.remove()

    def state(self) -> dict[str, Any]:
        """Return factors, averages and trace."""
        return self.balance.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        """Continue with them."""
        self.balance.load_state_dict(state)


def balance_callback(**options: Any) -> Any:
    """Return a ``transformers.TrainerCallback`` that balances the Trainer's own optimizer.

    Any scheduler of the Trainer works, warm-up included; the logged learning rate stays the base
    rate. With ``restore_callback_states_from_checkpoint=True`` a resumed training continues with
    the saved factors.

    Args:
        **options: as for :class:`TempBalance`, but for optimizer and model, which the trainer
            hands over.

    Raises:
        MissingExtraError: transformers is not installed.

    The callback's ``balance`` attribute is the :class:`TempBalance` once training has begun.
    """
    try:
        from transformers import TrainerCallback
        from transformers.trainer_callback import ExportableState
    except ImportError as error:
        raise MissingExtraError("transformers", "hf", "the Trainer callback") from error

    class TempBalanceCallback(TrainerCallback, ExportableState):  # type: ignore[misc]
        """Balances from the start of training to its end."""

        balance: TempBalance | None = None
        saved: dict[str, Any] | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            _remove(self.balance)
            several = {"synchronize": args.world_size > 1}
            self.balance = TempBalance(
                kwargs["optimizer"], kwargs["model"], **{**several, **options}
            )
            if self.saved is not None:
                self.balance.load_state_dict(self.saved)
                self.saved = None

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            if self.balance is not None:
                self.balance.step()

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            _remove(self.balance)

        def state(self) -> dict[str, Any]:
            """Return what the Trainer keeps in its checkpoints, without the trace."""
            saved = self.saved
            if self.balance is not None:
                saved = {**self.balance.state_dict(), "rows": []}
            return {"args": {}, "attributes": {"saved": saved}}

    return TempBalanceCallback()


def _remove(balance: TempBalance | None) -> None:
    if balance is not None:
        balance.remove()
