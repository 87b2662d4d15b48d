"""The environment of a result: versions, machine, seed and command."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("eigenscape", "torch", "numpy", "scipy")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Versions, machine, seed, device and command that made a result.

    Args:
        versions: package name to version.
        platform: operating system and processor family, in words.
        device: the torch device that the work ran on.
        seed: the seed of everything random in the result, or None.
        command: the command line, or ``"python"`` when called as a library.
        created: the time of making, UTC, ISO 8601.
    """

    versions: dict[str, str] = field(default_factory=dict)
    platform: str = ""
    device: str = "cpu"
    seed: int | None = None
    command: str = "python"
    created: str = ""

    @classmethod
    def capture(cls, *, device: str = "cpu", seed: int | None = None) -> Environment:
        """Describe this process.

        >>> Environment.capture(seed=3).seed
        3
        """
        return cls(
            versions={"python": platform.python_version(), **_versions()},
            platform=f"{platform.system()} {platform.machine()}",
            device=device,
            seed=seed,
            command=_command(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )


@lru_cache(maxsize=1)  # reading package metadata takes milliseconds
def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that was never installed
            found[name] = "not installed"
    return found


def _command() -> str:
    name = sys.argv[0].replace("\\", "/").rsplit("/", 1)[-1] if sys.argv else ""
    return " ".join(["eigenscape", *sys.argv[1:]]) if name.startswith("eigenscape") else "python"
