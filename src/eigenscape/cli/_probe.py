"""``--probe FILE.py:FUNCTION``: the user's own function, which builds what is to be examined."""

from __future__ import annotations

import importlib.util
import random
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from eigenscape.errors import EigenscapeError, InputError

if TYPE_CHECKING:
    import argparse

    import torch

    from eigenscape.landscape import Objective

_FORM = "FILE.py:FUNCTION"
PROBE_HELP = (
    "your function, called without arguments; it returns an eigenscape.landscape.Objective, or "
    "(model, loss, batches). Your file is run, with all that it does: name only files you trust"
)


def add_probe(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add ``--probe`` to a verb."""
    parser.add_argument("--probe", metavar=_FORM, required=required, help=PROBE_HELP)


def load_probe(text: str, *, device: str = "auto", seed: int = 0) -> Objective:
    """Run the user's file, call the function, and return the objective that it builds.

    The file is executed: it is the user's own, and named by the user. What it prints goes to
    standard error. Its random numbers (torch, numpy, random) start from ``seed``, and the states of
    the generators are put back.

    Args:
        text: ``"FILE.py:FUNCTION"``.
        device: where a ``(model, loss, batches)`` is moved; ``"auto"`` is the first GPU, or the
            CPU. An Objective stays where it was made, and must lie on a device that is named.
        seed: of the file's and the function's random numbers.

    Raises:
        InputError: no such file or function, an exception inside (with its type, message and
            line), or something else than an objective returned.
    """
    path, name = _place(text)
    with _seeded(seed), redirect_stdout(sys.stderr):
        module = _executed(path)
        function = _function(module, name, path)
        found = _guarded(function, path, f"{name}()")
        return _objective(found, name, device)


def _place(text: str) -> tuple[Path, str]:
    """Split ``FILE.py:FUNCTION``."""
    file, sign, name = text.rpartition(":")
    if not (sign and file.endswith(".py") and name.isidentifier()):
        raise InputError(f"--probe expects {_FORM}, such as probe.py:build; got {text!r}")
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"--probe: there is no file {path}. Mend: check the path before the ':'")
    return path.resolve(), name


def _executed(path: Path) -> ModuleType:
    """Run a file as a module whose folder can be imported from, as ``python FILE.py`` does."""
    spec = importlib.util.spec_from_file_location(f"eigenscape_probe_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"--probe: {path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look their module up
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    loader = spec.loader
    _guarded(lambda: loader.exec_module(module), path, "the file")
    return module


def _function(module: ModuleType, name: str, path: Path) -> Callable[[], Any]:
    function = getattr(module, name, None)
    if callable(function):
        return function  # type: ignore[no-any-return]  # a foreign function
    own = [
        key
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
    ]
    seen = f"its functions: {', '.join(own)}" if own else "it defines no function"
    raise InputError(f"--probe: {path.name} has no function {name!r}; {seen}")


def _guarded(call: Callable[[], Any], path: Path, what: str) -> Any:
    """Call; turn what the user's code raises into one sentence with its line."""
    try:
        return call()
    except EigenscapeError as error:
        raise InputError(f"{error} ({what} of --probe, {path.name}{_line(error, path)})") from error
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split())
        raise InputError(
            f"--probe: {what} of {path.name} failed{_line(error, path)} with "
            f"{type(error).__name__}: {said}. Mend: run it on its own and correct it"
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


def _objective(found: Any, name: str, device: str) -> Objective:
    from eigenscape.landscape import Objective

    if isinstance(found, Objective):
        if device != "auto" and _device(device).type != found.device.type:
            raise InputError(
                f"--device {device}, but the Objective that {name}() returns lies on "
                f"{found.device}. Mend: build it there, or return (model, loss, batches)"
            )
        return found
    if not (isinstance(found, tuple) and len(found) == 3):
        size = f" of {len(found)}" if isinstance(found, tuple) else ""
        raise InputError(
            f"--probe: {name}() returned a {type(found).__name__}{size}; expected an "
            "eigenscape.landscape.Objective, or a tuple (model, loss, batches)"
        )
    model, loss, batches = found
    if callable(getattr(model, "to", None)) and not _spread(model):
        model = model.to(_device(device))
    return Objective(model, loss, batches)


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


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    import numpy as np
    import torch

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
