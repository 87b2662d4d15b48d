"""The monitor as a callback of the library's own training loop."""

from __future__ import annotations

from typing import Any

from eigenscape.models import Callback, Fit
from eigenscape.spectra._monitor import SpectralMonitor


class MonitorCallback(Callback):
    """Looks at the spectra at the start of a training and after every ``every`` steps.

    Args:
        **options: as for :class:`SpectralMonitor`, but for the model.

    Attributes:
        monitor: the :class:`SpectralMonitor`, once training has begun; its ``history()`` has what
            this process saw.

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
        """Look at the network as it is."""
        self.monitor = SpectralMonitor(fit.model, **self._options)
        self.monitor.look(fit.step)

    def on_step(self, fit: Fit) -> None:
        """Look again if it is time."""
        self.monitor.step(fit.step)
