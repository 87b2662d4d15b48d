"""``--probe FILE.py:FUNCTION``: the user's own function, which builds what is to be examined."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from eigenscape.errors import InputError

if TYPE_CHECKING:
    import argparse

    import torch
    from torch import nn

    from eigenscape.models import Objective

_FORM = "FILE.py:FUNCTION"
PROBE_HELP = (
    "your function, called without arguments; it returns an eigenscape.models.Objective, or "
    "(model, loss, batches), where model may be a list of two, of two seeds. Your file is run, "
    "with all that it does: name only files you trust"
)


def add_probe(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add ``--probe`` to a verb."""
    parser.add_argument("--probe", metavar=_FORM, required=required, help=PROBE_HELP)


def load_probe(text: str, *, device: str = "auto", seed: int = 0) -> Objective:
    """Run the user's file, call the function, and return the objective that it builds.

    What the model prints goes to standard error; of the file see :func:`call_user_function`.

    Args:
        text: ``"FILE.py:FUNCTION"``.
        device: where a ``(model, loss, batches)`` is moved; ``"auto"`` is the first GPU, or the
            CPU. An Objective stays where it was made, and must lie on a device that is named.
        seed: of the file's and the function's random numbers.

    Raises:
        InputError: no such file or function, an exception inside (with its type, message and
            line), or something else than an objective returned.
    """
    return load_models(text, device=device, seed=seed)[0]


def load_models(
    text: str, *, device: str = "auto", seed: int = 0
) -> tuple[Objective, list[nn.Module]]:
    """Return the objective as :func:`load_probe` does, and all models of one recipe.

    In place of its model a probe may return a list of models that differ in their seed; the
    objective is that of the first.
    """
    from eigenscape.runs import call_user_function

    found = call_user_function(text, seed=seed)
    with redirect_stdout(sys.stderr):
        return _objective(found, text.rpartition(":")[2], device)


def _objective(found: Any, name: str, device: str) -> tuple[Objective, list[nn.Module]]:
    from eigenscape.models import Objective

    if isinstance(found, Objective):
        if device != "auto" and _device(device).type != found.device.type:
            raise InputError(
                f"--device {device}, but the Objective that {name}() returns lies on "
                f"{found.device}. Mend: build it there, or return (model, loss, batches)"
            )
        return found, [found.model]
    if not (isinstance(found, tuple) and len(found) == 3):
        size = f" of {len(found)}" if isinstance(found, tuple) else ""
        raise InputError(
            f"--probe: {name}() returned a {type(found).__name__}{size}; expected an "
            "eigenscape.models.Objective, or a tuple (model, loss, batches)"
        )
    given, loss, batches = found
    models = list(given) if isinstance(given, list | tuple) else [given]
    models = [
        model.to(_device(device))
        if callable(getattr(model, "to", None)) and not _spread(model)
        else model
        for model in models
    ]
    if not models:
        raise InputError(f"--probe: {name}() returned an empty list in place of its model")
    return Objective(models[0], loss, batches), models


def _spread(model: Any) -> bool:
    """Tell whether a model lies on several devices, or on none; Objective says so best."""
    devices = {tensor.device.type for tensor in model.parameters()}
    return "meta" in devices or len({tensor.device for tensor in model.parameters()}) > 1


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        said = str(error).splitlines()[0]
        raise InputError(f"--device {name} cannot be used: {said}") from error
    return device
