"""A metric from a JSON file: a table of layers, or a saved spectral examination."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eigenscape.allocation._metric import MetricSource, raise_all
from eigenscape.errors import InputError
from eigenscape.results import load
from eigenscape.spectra import SpectraResult


def read_metric(path: str | Path) -> MetricSource:
    """Read a metric for :func:`allocate`.

    The file holds an object of layer names, each with a number or an object of fields:
    ``{"blocks.0.fc": {"alpha": 2.4, "parameters": 4096, "block": "blocks.0"}}``. A result file of
    ``eigenscape spectra`` is read too.

    Raises:
        InputError: no such file, not JSON, not an object, or a layer listed twice.
    """
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                repeated.append(f"{path} lists {key} twice")
            seen.add(key)
        return dict(pairs)

    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=once)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(
            f"{path} is not JSON ({error}); expected an object of layer names"
        ) from error
    raise_all(repeated)
    if not isinstance(data, dict):
        raise InputError(
            f"{path} holds a JSON {type(data).__name__}; expected an object of layer names"
        )
    if "schema" not in data:
        return data
    result = load(path)
    if not isinstance(result, SpectraResult):
        raise InputError(f"{path} holds {result.schema}; expected {SpectraResult.schema}")
    return result
