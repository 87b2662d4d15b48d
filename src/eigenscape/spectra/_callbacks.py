"""The monitor as a callback: of `fit`, and of the Hugging Face Trainer."""

from __future__ import annotations

from typing import Any

from eigenscape.checkpoints import is_sharded
from eigenscape.errors import MissingExtraError
from eigenscape.models import Callback, Fit
from eigenscape.spectra._monitor import SpectralMonitor


class MonitorCallback(Callback):
    """Measures the spectra at the start of a training and after every ``every`` steps.

    Args:
        **options: as for :class:`SpectralMonitor`, but for the model.

    Attributes:
        monitor: the :class:`SpectralMonitor`, once training has begun; its ``history()`` has what
            this process recorded.

    >>> import torch
    >>> from eigenscape.models import fit
    >>> model, eye, watched = torch.nn.Linear(32, 32), torch.eye(32), MonitorCallback(every=2)
    >>> _ = fit(model, torch.nn.functional.mse_loss, (eye, eye), steps=4, callbacks=[watched],
    ...         optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1))
    >>> watched.monitor.history()["step"].tolist()
    [0, 2, 4]
    """

    monitor: SpectralMonitor

    def __init__(self, **options: Any) -> None:
        self._options = options

    def on_start(self, fit: Fit) -> None:
        """Measure the initial network."""
        self.monitor = SpectralMonitor(fit.model, **self._options)
        self.monitor.look(fit.step)

    def on_step(self, fit: Fit) -> None:
        """Measure again if it is time."""
        self.monitor.step(fit.step)


def trainer_callback(**options: Any) -> Any:
    """Return a ``transformers.TrainerCallback`` that monitors the trained model.

    Args:
        **options: as for :class:`SpectralMonitor`, but for the model, which the trainer provides.

    Raises:
        MissingExtraError: transformers is not installed.

    The callback's ``monitor`` attribute is the :class:`SpectralMonitor` once training has begun.
    """
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise MissingExtraError("transformers", "hf", "the Trainer callback") from error

    class SpectralCallback(TrainerCallback):  # type: ignore[misc]
        """Measures the spectra at the start of training and after every ``every`` steps."""

        monitor: SpectralMonitor | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            sharded = any(map(is_sharded, kwargs["model"].parameters()))
            if not (state.is_world_process_zero or sharded):  # one looks, unless all must gather
                return
            self.monitor = SpectralMonitor(kwargs["model"], **options)
            self.monitor.look(state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            if self.monitor is not None:
                self.monitor.step(state.global_step)

    return SpectralCallback()
