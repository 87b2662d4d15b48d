"""Atomic writing of files."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eigenscape.errors import OutputError

# A process can only ask for its umask by setting it, which another thread could notice: once, here.
_UMASK = os.umask(0)
os.umask(_UMASK)


#: A temporary file that was not written to for so long (seconds) was left by a process that died.
_LEFT = 3600
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def byte_words(count: float) -> str:
    """Return a number of bytes as text, to three digits.

    >>> byte_words(17), byte_words(4_200_000), byte_words(2.5e12)
    ('17 bytes', '4.2 MB', '2.5 TB')
    """
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.3g} {_UNITS[unit]}"


@contextmanager
def replacing(
    path: str | os.PathLike[str], *, needed: int = 0, sweep: bool = True
) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there when the block ends without an error.

    The move is atomic (``os.replace``), so ``path`` holds the old content or the new, never a part.
    Temporary files of this path that processes left behind when they died are removed, an hour
    after they were last written to.

    Args:
        path: to write.
        needed: bytes that will be written, where that is known; refused where they are not free.
        sweep: look for such files; it takes a listing of the folder.

    Raises:
        OutputError: the folder cannot be made, or the disk is full.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = pathlib.Path(folder) / "new" / "result.txt"
    ...     with replacing(target) as temporary:
    ...         _ = temporary.write_text("whole")
    ...     target.read_text()
    'whole'
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if sweep:
            _sweep(target)
        usage = shutil.disk_usage(target.parent)
        if needed > usage.free and usage.total:  # 0: a file system that does not tell
            raise OutputError(f"could not write {target}: {_full(target.parent, needed)}")
        handle, name = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=".part", dir=target.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)  # mkstemp makes private files; results are not secrets
        os.replace(temporary, target)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        if error.errno in _FULL:
            written = temporary.stat().st_size if temporary and temporary.exists() else 0
            full = _full(target.parent, max(needed, written), error.strerror or str(error))
            raise OutputError(f"could not write {target}: {full}") from error
        raise OutputError(
            f"could not write {target}: {error.strerror or error}; nothing was changed there. "
            "Try: choose another place with --out, or free some disk space"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _full(folder: Path, needed: int, why: str = "too little space") -> str:
    """Say what did not fit into which folder."""
    free = shutil.disk_usage(folder).free
    return (
        f"{why} ({folder}: {byte_words(needed)} or more are needed, {byte_words(free)} are free); "
        "nothing was changed there. Try: choose another place with "
        "--out, or free some disk space"
    )


def _sweep(target: Path) -> None:
    """Remove what dead processes left of this target."""
    start, oldest = f".{target.name}.", time.time() - _LEFT
    for part in target.parent.glob(".*.part"):
        middle = part.name[len(start) : -len(".part")]
        if part.name.startswith(start) and "." not in middle:
            with suppress(OSError):
                if part.stat().st_mtime < oldest:
                    part.unlink()


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write ``text`` as UTF-8 to ``path``, atomically, and return the path.

    Raises:
        OutputError: the file could not be written.
    """
    data = text.encode("utf-8")
    with replacing(path, needed=len(data)) as temporary:
        temporary.write_bytes(data)
    return Path(path)
