"""The environment of a result: versions, machine, seed and command."""

from __future__ import annotations

import platform
import shlex
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

#: The options whose values are folders that a command writes to.
_FOLDERS = ("--out", "--run")
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

    def again(self, *words: str) -> str:
        """Return the command with other words at its end, and without its folders.

        Of a word that is given twice the last one counts, so that ``again("--radius", "0.3")`` is
        the same work at another radius. Folders stay as they are: neither results (``--out``) nor
        finished parts (``--run``) are mixed. Empty if it was called as a library.

        >>> Environment(command="eigenscape landscape --out here --steps 9").again("--radius", "1")
        'eigenscape landscape --steps 9 --radius 1'
        """
        if self.command == "python":
            return ""
        kept: list[str] = []
        given = iter(shlex.split(self.command))
        for word in given:
            if word in _FOLDERS:
                next(given, None)
            elif not word.startswith(tuple(f"{name}=" for name in _FOLDERS)):
                kept.append(word)
        return shlex.join([*kept, *words])


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
    return shlex.join(["eigenscape", *sys.argv[1:]]) if name.startswith("eigenscape") else "python"
