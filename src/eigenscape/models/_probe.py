"""A function in a user's own file, named ``FILE.py:FUNCTION``."""

from __future__ import annotations

import importlib.util
import random
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from eigenscape.errors import EigenscapeError, InputError
from eigenscape.models._objective import Objective

_FORM = "FILE.py:FUNCTION"


class RefusedObjectiveError(InputError):
    """A user's function gave a model, and no objective can be made of it with its loss and data.

    Args:
        message: why.
        model: the model, which can be examined without data.
    """

    def __init__(self, message: str, model: nn.Module) -> None:
        super().__init__(message)
        self.model = model


def load_probe(
    text: str,
    *,
    option: str = "--probe",
    seed: int = 0,
    expected: type | tuple[type, ...] | None = None,
) -> Any:
    """Run a user's file, call one of its functions without arguments, and return the result.

    The file is executed: it is the user's own, and named by the user. What it prints goes to
    standard error. Its random numbers (torch, numpy, random) start from ``seed``, and the states of
    the generators are restored. A :class:`eigenscape.models.Task` keeps where it came from, so that
    a worker of another process runs the file itself, once.

    Args:
        text: ``"FILE.py:FUNCTION"``.
        option: what messages call it.
        seed: of the file's and the function's random numbers.
        expected: what the function has to return; None for anything.

    Raises:
        InputError: no such file or function, an exception inside (with its type, message and
            line), or another answer than expected.
    """
    path, name = _split(text, option)
    with _seeded(seed), redirect_stdout(sys.stderr):
        module = _executed(path, option)
        found = _guarded(_function(module, name, path, option), path, f"{name}()", option)
    if expected is not None and not isinstance(found, expected):
        kinds = expected if isinstance(expected, tuple) else (expected,)
        wanted = " or ".join(f"eigenscape.models.{kind.__name__}" for kind in kinds)
        raise InputError(
            f"{option}: {name}() returned a {type(found).__name__}; expected an {wanted}. "
            "Try: docs/training.md, which has a table of what each verb's function returns"
        )
    sourced = getattr(found, "from_source", None)
    return sourced(f"{path}:{name}") if callable(sourced) else found


def load_objective(
    text: str, *, option: str = "--probe", device: str = "auto", seed: int = 0
) -> tuple[Objective, list[nn.Module]]:
    """Return the objective of a user's function, and all models of one recipe.

    The function returns an :class:`Objective`, or ``(model, loss, batches)``, where model may be a
    list of models that differ in their seed: the objective is that of the first.

    Args:
        text: ``"FILE.py:FUNCTION"``.
        option: what messages call it.
        device: where a ``(model, loss, batches)`` is moved; ``"auto"`` is the first GPU, or the
            CPU. An Objective stays where it was made, and must lie on a device that is named.
        seed: of the file's and the function's random numbers.

    Raises:
        RefusedObjectiveError: of model, loss and batches no objective can be made.
        InputError: as :func:`load_probe` does, or a result that is not an objective.
    """
    found = load_probe(text, option=option, seed=seed)
    with redirect_stdout(sys.stderr):
        return _objective(found, text.rpartition(":")[2], device, option)


def _split(text: str, option: str) -> tuple[Path, str]:
    """Return file and name of ``FILE.py:FUNCTION``.

    Raises:
        InputError: another form, or no such file.
    """
    file, sign, name = text.rpartition(":")
    if not (sign and file.endswith(".py") and name.isidentifier()):
        raise InputError(f"{option} expects {_FORM}, such as probe.py:build; got {text!r}")
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"{option}: there is no file {path}. Try: check the path before the ':'")
    return path.resolve(), name


def _executed(path: Path, option: str) -> ModuleType:
    """Run a file as a module whose folder can be imported from, as ``python FILE.py`` does."""
    from cloudpickle import register_pickle_by_value

    spec = importlib.util.spec_from_file_location(f"eigenscape_probe_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{option}: {path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look their module up
    register_pickle_by_value(module)  # a worker cannot import it by that name
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    loader = spec.loader
    _guarded(lambda: loader.exec_module(module), path, "the file", option)
    return module


def _function(module: ModuleType, name: str, path: Path, option: str) -> Callable[[], Any]:
    function = getattr(module, name, None)
    if callable(function):
        return function  # type: ignore[no-any-return]  # a foreign function
    own = [
        key
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
    ]
    seen = f"its functions: {', '.join(own)}" if own else "it defines no function"
    raise InputError(f"{option}: {path.name} has no function {name!r}; {seen}")


def _guarded(call: Callable[[], Any], path: Path, what: str, option: str) -> Any:
    """Call; turn what the user's code raises into one sentence with its line."""
    try:
        return call()
    except EigenscapeError as error:
        place = f"{what} of {option}, {path.name}{_line(error, path)}"
        raise InputError(f"{error} ({place})") from error
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        raise InputError(
            f"{option}: {what} of {path.name} failed{_line(error, path)} with "
            f"{type(error).__name__}: {said}. Try: run it on its own and correct it"
        ) from error


def _line(error: BaseException, path: Path) -> str:
    """Return the last line of the user's file that the exception passed."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f", line {error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == path
    ]
    if not frames:
        return ""
    return f", line {frames[-1].lineno} ({frames[-1].line})"


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    kept, kept_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  # users' own draws
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        random.setstate(kept)
        np.random.set_state(kept_numpy)  # noqa: NPY002


def _objective(
    found: Any, name: str, device: str, option: str
) -> tuple[Objective, list[nn.Module]]:
    if isinstance(found, Objective):
        if device != "auto" and usable_device(device).type != found.device.type:
            raise InputError(
                f"--device {device}, but the Objective that {name}() returns lies on "
                f"{found.device}. Try: build it there, or return (model, loss, batches)"
            )
        return found, [found.model]
    if not (isinstance(found, tuple) and len(found) == 3):
        size = f" of {len(found)}" if isinstance(found, tuple) else ""
        raise InputError(
            f"{option}: {name}() returned a {type(found).__name__}{size}; expected an "
            "eigenscape.models.Objective, or a tuple (model, loss, batches)"
        )
    given, loss, batches = found
    models = list(given) if isinstance(given, list | tuple) else [given]
    models = [
        model.to(usable_device(device))
        if callable(getattr(model, "to", None)) and not _spread(model)
        else model
        for model in models
    ]
    if not models:
        raise InputError(f"{option}: {name}() returned an empty list in place of its model")
    try:
        return Objective(models[0], loss, batches), models
    except InputError as error:
        if not isinstance(models[0], nn.Module):
            raise
        raise RefusedObjectiveError(str(error), models[0]) from error


def _spread(model: Any) -> bool:
    """Tell whether a model lies on several devices, or on none; Objective says so best."""
    devices = {tensor.device.type for tensor in model.parameters()}
    return "meta" in devices or len({tensor.device for tensor in model.parameters()}) > 1


def usable_device(name: str) -> torch.device:
    """Return a device of this machine: ``"auto"`` is the first GPU, or the CPU.

    Raises:
        InputError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        said = str(error).splitlines()[0]
        raise InputError(f"--device {name} cannot be used: {said}. Try: --device cpu") from error
    return device
