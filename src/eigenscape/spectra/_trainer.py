"""The monitor as a callback of the Hugging Face Trainer."""

from __future__ import annotations

from typing import Any

from eigenscape.errors import MissingExtraError
from eigenscape.spectra._monitor import SpectralMonitor


def trainer_callback(**options: Any) -> Any:
    """Return a ``transformers.TrainerCallback`` that watches the trained model.

    Args:
        **options: as for :class:`SpectralMonitor`, but for the model, which the trainer hands over.

    Raises:
        MissingExtraError: transformers is not installed.

    The callback's ``monitor`` attribute is the :class:`SpectralMonitor` once training has begun.
    """
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise MissingExtraError("transformers", "hf", "the Trainer callback") from error

    class SpectralCallback(TrainerCallback):  # type: ignore[misc]
        """Looks at the spectra at the start of training and after every ``every`` steps."""

        monitor: SpectralMonitor | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            if not state.is_world_process_zero:  # one process logs, not every one
                return
            self.monitor = SpectralMonitor(kwargs["model"], **options)
            self.monitor.look(state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            if self.monitor is not None:
                self.monitor.step(state.global_step)

    return SpectralCallback()
