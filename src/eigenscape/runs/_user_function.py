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

from eigenscape.errors import EigenscapeError, InputError

_FORM = "FILE.py:FUNCTION"


def call_user_function(text: str, *, option: str = "--probe", seed: int = 0) -> Any:
    """Run a user's file, call one of its functions without arguments, and return the answer.

    The file is executed: it is the user's own, and named by the user. What it prints goes to
    standard error. Its random numbers (torch, numpy, random) start from ``seed``, and the states of
    the generators are put back.

    Args:
        text: ``"FILE.py:FUNCTION"``.
        option: what messages call it.
        seed: of the file's and the function's random numbers.

    Raises:
        InputError: no such file or function, or an exception inside (with its type, message and
            line).
    """
    path, name = split_reference(text, option)
    with _seeded(seed), redirect_stdout(sys.stderr):
        module = _executed(path, option)
        function = _function(module, name, path, option)
        return _guarded(function, path, f"{name}()", option)


def split_reference(text: str, option: str = "--probe") -> tuple[Path, str]:
    """Return file and name of ``FILE.py:FUNCTION``.

    Raises:
        InputError: another form, or no such file.
    """
    file, sign, name = text.rpartition(":")
    if not (sign and file.endswith(".py") and name.isidentifier()):
        raise InputError(f"{option} expects {_FORM}, such as probe.py:build; got {text!r}")
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"{option}: there is no file {path}. Mend: check the path before the ':'")
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
