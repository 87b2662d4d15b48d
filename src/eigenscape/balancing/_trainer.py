"""TempBalance as a callback of the Hugging Face Trainer."""

from __future__ import annotations

from typing import Any

from eigenscape.balancing._tempbalance import TempBalance
from eigenscape.errors import MissingExtraError


def balance_callback(**options: Any) -> Any:
    """Return a ``transformers.TrainerCallback`` that balances the Trainer's own optimizer.

    Any scheduler of the Trainer works, warm-up included; the logged learning rate stays the base
    rate. With ``restore_callback_states_from_checkpoint=True`` a resumed training goes on with the
    saved factors.

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
