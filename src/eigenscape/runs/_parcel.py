"""How a task reaches another process: large arrays by file, everything else by cloudpickle."""

from __future__ import annotations

import io
import os
import pickle
import platform
import shutil
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import EigenscapeError, InputError
from eigenscape.results import canonical

_LARGE = 1 << 20  # bytes; from here on a file costs less than a message
_KEPT = 2  # values made once by a worker that it holds at a time


@dataclass(frozen=True, eq=False)
class PerWorker:
    """An argument that tasks have in common and that each worker makes once, for itself alone.

    A worker is a process, or a thread of the engine ``"threads"``: what is made may be changed by
    tasks as long as no result hangs on it.

    Args:
        build: makes the value; the task's function is called with that value.
        arguments: of ``build``.
        digest: stands for the value in the keys of tasks: another value, another digest.
        here: the value, for tasks that run in the driver's own thread; None to make it there too.
        instead: arguments for workers where ``arguments`` do not pickle.

    >>> from eigenscape.runs import Task, execute
    >>> table = PerWorker(dict, {"a": 1, "b": 2}, digest="letters")
    >>> [outcome] = execute([Task("sum", lambda table: sum(table.values()), {"table": table})],
    ...                     engine="threads", jobs=1)
    >>> outcome.value
    3
    """

    build: Callable[..., Any]
    arguments: Mapping[str, Any]
    digest: str
    here: Any = None
    instead: Mapping[str, Any] | None = None


class CannotTravelError(InputError):
    """A function or an argument does not pickle, so that it cannot be sent to other processes."""


@canonical.register
def _(value: PerWorker) -> bytes:
    return canonical(("per worker", value.digest))


@dataclass(frozen=True)
class Call:
    """A function and its arguments, ready to be run.

    Args:
        function: any callable.
        arguments: its keyword arguments.
        here: it runs in the driver's process, so that its value need not be sent.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    here: bool = False

    def run(self) -> Any:
        """Return what the function returns."""
        arguments = {
            name: value.make() if isinstance(value, _Later) else value
            for name, value in self.arguments.items()
        }
        return self.function(**arguments)


@dataclass(frozen=True)
class Parcel:
    """A call as bytes; large arrays are in files that it names."""

    content: bytes
    origin: str
    paths: tuple[str, ...]

    def opened(self) -> Call:
        """Return the call; what it imports may lie where the sender imports from."""
        sys.path += [path for path in self.paths if path not in sys.path]
        try:
            return _Unpickler(io.BytesIO(self.content)).load()  # type: ignore[no-any-return]
        except FileNotFoundError as error:
            raise InputError(
                f"{platform.node()} cannot read {error.filename}, which {self.origin} wrote for "
                "its workers. Try: keep the run in a folder on storage that every worker shares"
            ) from error


class Desk:
    """The driver's side: packs calls, and deletes the files at the end.

    Args:
        folder: of the run, where its workers can read; None for the system's temporary folder.
    """

    def __init__(self, folder: Path | None) -> None:
        self._parent = folder
        self._folder: Path | None = None
        self._lock: int | None = None
        self._numbers = count()
        # By id; the first of a pair holds what has that id, lest another object gets it.
        self._files: dict[int, tuple[Any, Path]] = {}
        self._made: dict[int, tuple[PerWorker, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    def call(
        self, function: Callable[..., Any], arguments: Mapping[str, Any], place: str
    ) -> Call | Parcel:
        """Return the call for a place: ``"here"``, ``"threads"`` or ``"processes"``."""
        if place == "processes":
            content = self._pickled(Call(function, arguments))
            return Parcel(content, platform.node(), tuple(path for path in sys.path if path))
        ready = {
            name: self._later(value, place) if isinstance(value, PerWorker) else value
            for name, value in arguments.items()
        }
        return Call(function, ready, here=True)

    def _later(self, value: PerWorker, place: str) -> _Later:
        if place == "threads":
            return _Later(partial(_made, str(self._file_of(value))))
        return _Later(partial(self._made_here, value))

    def _made_here(self, value: PerWorker) -> Any:
        if value.here is not None:
            return value.here
        if id(value) not in self._made:
            self._made[id(value)] = (value, value.build(**value.arguments))
        return self._made[id(value)][1]

    def _file_of(self, value: Any) -> Path:
        """Return the file that hands a large array, or what is made once by a worker, over."""
        if (known := self._files.get(id(value))) is not None:
            return known[1]
        if self._folder is None:
            if self._parent is None:
                sweep_spools(Path(tempfile.gettempdir()))
            self._folder = Path(tempfile.mkdtemp(prefix=SPOOL, dir=self._parent))
            self._lock = _locked(self._folder)
        path = self._folder / str(next(self._numbers))
        if isinstance(value, PerWorker):
            path.write_bytes(self._of_worker(value))
        else:
            path = path.with_suffix(".npy")
            plain = value if isinstance(value, np.ndarray) else _bytes_of(value)
            np.save(path, plain, allow_pickle=False)
        self._files[id(value)] = (value, path)
        return path

    def _of_worker(self, value: PerWorker) -> bytes:
        try:
            return self._pickled(Call(value.build, value.arguments))
        except CannotTravelError:
            if value.instead is None:
                raise
            return self._pickled(Call(value.build, value.instead))

    def _pickled(self, call: Call) -> bytes:
        buffer = io.BytesIO()
        try:
            _pickler(buffer, self._file_of).dump(call)
        except EigenscapeError:
            raise
        except Exception as error:  # objects have their own ways to refuse
            raise CannotTravelError(
                f"what the workers need cannot be pickled: {type(error).__name__}: {error}. Try: "
                "jobs=1, to stay in this process, or build it inside the task from a path"
            ) from error
        return buffer.getvalue()


def _pickler(buffer: io.BytesIO, file_of: Callable[[Any], Path]) -> Any:
    """Return a cloudpickle pickler that leaves large arrays and tensors in files."""
    from cloudpickle import Pickler

    class Pickling(Pickler):  # type: ignore[misc]
        def persistent_id(self, item: Any) -> Any:
            if isinstance(item, PerWorker):
                return "made", str(file_of(item))
            return ("array", str(file_of(item))) if _is_large(item) else None

        def reducer_override(self, item: Any) -> Any:
            if not _is_plain_tensor(item):
                return super().reducer_override(item)
            content = file_of(item) if item.nbytes >= _LARGE else _bytes_of(item)
            return _tensor, (content, item.dtype, tuple(item.shape), item.requires_grad)

    return Pickling(buffer, protocol=pickle.HIGHEST_PROTOCOL)


def _is_plain_tensor(value: Any) -> bool:
    """Tell whether a tensor is no more than its bytes, shape and dtype.

    torch pickles the whole storage behind a view, once for each view.
    """
    torch = sys.modules.get("torch")
    return (
        torch is not None
        and type(value) is torch.Tensor
        and value.device.type == "cpu"
        and value.layout is torch.strided
        and value.is_contiguous()
        and value.grad_fn is None
        and not (value.is_conj() or value.is_neg() or value.is_quantized or vars(value))
    )


def _bytes_of(tensor: Any) -> NDArray[np.uint8]:
    flat = tensor.detach().reshape(-1).view(sys.modules["torch"].uint8)
    return flat.numpy()  # type: ignore[no-any-return]


def _tensor(content: Any, dtype: Any, shape: tuple[int, ...], requires_grad: bool) -> Any:
    import torch

    if isinstance(content, Path):
        flat = torch.from_numpy(np.load(content, mmap_mode="c", allow_pickle=False))
    else:  # copied to where torch's own tensors lie: the last bits of sums depend on the address
        flat = torch.from_numpy(content).clone()
    return flat.view(dtype).reshape(shape).requires_grad_(requires_grad)


SPOOL = ".handed-over-"  # the prefix of the folder of such files
_LOCK = "driver"  # in it; locked as long as the driver lives, however it ends


def _locked(folder: Path) -> int | None:
    """Lock a spool for this process; return the file to close, or None if it cannot be locked."""
    new = folder / f"{_LOCK}.new"
    file = os.open(new, os.O_RDWR | os.O_CREAT)
    if _lock(file):
        new.rename(folder / _LOCK)  # under its name only when it is locked
        return file
    os.close(file)
    return None


def _lock(file: int) -> bool:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):  # no such locks here, or another process holds it
        return False
    return True


def sweep_spools(place: Path) -> None:
    """Remove the spools of drivers that were killed; those of others and of the living stay."""
    for spool in place.glob(f"{SPOOL}*"):
        try:
            file = os.open(spool / _LOCK, os.O_RDWR)
        except OSError:
            continue
        try:
            if _lock(file):
                shutil.rmtree(spool, ignore_errors=True)
        finally:
            os.close(file)


def packed(value: Any) -> bytes:
    """Return a value as bytes that any process with the same packages can read."""
    import cloudpickle

    return cloudpickle.dumps(value)  # type: ignore[no-any-return]


def _is_large(value: Any) -> bool:
    plain = type(value) in (np.ndarray, np.memmap) and value.dtype.kind in "biufc"
    return plain and value.nbytes >= _LARGE


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, mark: Any) -> Any:
        kind, path = mark
        if kind == "made":
            return _made(path)
        return np.load(path, mmap_mode="c", allow_pickle=False)  # a write stays with the task


@dataclass(frozen=True)
class _Later:
    """What stands for a :class:`PerWorker` among the arguments of a call in this process."""

    make: Callable[[], Any]


_kept = threading.local()


def _made(path: str) -> Any:
    """Return what a file says to make: once for each worker thread."""
    values: OrderedDict[str, Any] = _kept.__dict__.setdefault("values", OrderedDict())
    if path not in values:
        with open(path, "rb") as file:
            call = _Unpickler(file).load()
        values[path] = call.run()
        if len(values) > _KEPT:
            values.popitem(last=False)
    values.move_to_end(path)
    return values[path]
