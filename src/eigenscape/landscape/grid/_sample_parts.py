"""The folder of a landscape that is being sampled: finished stretches, and what they belong to."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.results import Environment, content_hash, dumps, read_object, replacing, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eigenscape.models import Objective

_SCHEMA = "eigenscape.landscape-run/1"
_PART = re.compile(r"part-(\d+)-(\d+)\.npy")


class Parts:
    """Files of losses, one for each stretch of points in row-major order.

    Args:
        folder: made if it is not there.
        fingerprint: what the losses depend on.
        points: how many there are in all.

    Raises:
        InputError: the folder holds another landscape; what differs is named.
        OutputError: the folder cannot be written to.
    """

    def __init__(self, folder: str | Path, fingerprint: dict[str, Any], points: int) -> None:
        self.folder, self.points = Path(folder), points
        manifest = self.folder / "landscape-run.json"
        if manifest.exists():
            _compare(read_object(manifest), fingerprint, self.folder)
        else:
            head = {"schema": _SCHEMA, "environment": Environment.capture().to_dict()}
            write_text(manifest, dumps({**head, "fingerprint": fingerprint}, indent=1) + "\n")

    def read(self) -> NDArray[np.float64]:
        """Return ``(points,)`` losses; NaN where none is known. Damaged files count for nothing."""
        values = np.full(self.points, np.nan)
        for path in sorted(self.folder.glob("part-*.npy")):
            match = _PART.fullmatch(path.name)
            if match is None:
                continue
            start, stop = map(int, match.groups())
            try:
                found = np.load(path, allow_pickle=False)
            except (OSError, ValueError, EOFError):
                continue
            if found.shape == (stop - start,) and 0 <= start < stop <= self.points:
                values[start:stop] = found
        return values

    def write(self, start: int, losses: Iterable[float]) -> None:
        """Write one stretch, atomically.

        Raises:
            OutputError: the disk refuses.
        """
        array = np.array(list(losses), dtype=np.float64)
        name = f"part-{start:010d}-{start + len(array):010d}.npy"
        with replacing(self.folder / name) as temporary, temporary.open("wb") as file:
            np.save(file, array)


def fingerprint_of(
    objective: Objective, vectors: Tensor, grid: dict[str, Any], evaluation: str
) -> dict[str, Any]:
    """Return what the losses on a grid depend on, in JSON's own types.

    Args:
        objective: whose tensors, data and settings.
        vectors: ``(P, n)``, as they are walked.
        grid: radius, steps, dimensions, unit.
        evaluation: how: the last bits of a loss depend on it.
    """
    return {
        "model": type(objective.model).__name__,
        "data": objective.data.hash,
        "center": content_hash(objective.center),
        "fixed tensors": content_hash(*objective.fixed.values()),
        "directions": content_hash(vectors),
        "batch norm": objective.batch_norm,
        "dtype": str(objective.dtype),
        "device": objective.device.type,
        "loss at the center": objective.loss_at_center,
        "evaluation": evaluation,
        **grid,
    }


def _compare(stored: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    found = stored.get("fingerprint")
    if stored.get("schema") != _SCHEMA or not isinstance(found, dict):
        raise InputError(
            f"{folder}/landscape-run.json is not the manifest of a landscape. "
            "Mend: choose another folder"
        )
    changed = [
        f"{key} ({found.get(key)} there, {value} now)"
        for key, value in wanted.items()
        if not _same(found.get(key), value)
    ]
    if changed:
        raise InputError(
            f"{folder} holds points of another landscape; changed: {', '.join(changed)}. "
            "Mend: choose another folder, or the settings of that one"
        )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)  # threads may add in another order
    return bool(one == other)
