"""The exceptions of this package.

Every message says what was seen, what was expected, and what to try. The command line prints the
message of an :class:`EigenscapeError` on standard error and exits with status 2; any
other exception is a defect of this package.
"""

from __future__ import annotations


class EigenscapeError(Exception):
    """Base class: catch this to catch every error that this package raises on purpose."""


class InputError(EigenscapeError, ValueError):
    """An argument or a file is not as required."""


class CheckpointError(InputError):
    """A checkpoint is missing, truncated, corrupt, or of a kind that cannot be read."""


class UnsafeCheckpointError(CheckpointError):
    """Reading the file would run code that it contains; it was not read."""


class OutputError(EigenscapeError, OSError):
    """A result could not be written; no existing file has been changed."""


class MissingExtraError(EigenscapeError, ImportError):
    """An optional dependency is needed and not installed.

    Args:
        package: the import name that was looked for.
        extra: the extra of this package that installs it.
        purpose: what it is needed for.

    >>> print(MissingExtraError("ray", "ray", "the engine 'ray'"))
    the engine 'ray' needs the package 'ray', which is not installed. Try: pip install ...
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed. "
            f'Try: pip install "eigenscape[{extra}]"'
        )


class TaskError(EigenscapeError):
    """One or more tasks of a run failed; the finished ones are kept."""
