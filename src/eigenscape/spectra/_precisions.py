"""How often the rules on weights were right, as the study ``verdicts`` measured it."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files

from eigenscape.stats import Precision

_FILE = "precisions.json"


@lru_cache(maxsize=1)
def precisions() -> tuple[Precision, ...]:
    """Return the table that the study ``verdicts`` measured: every rule, printed or dropped.

    It is empty until the study has been judged.

    >>> all(isinstance(row, Precision) for row in precisions())
    True
    """
    text = files("eigenscape.spectra").joinpath(_FILE).read_text("utf-8")
    return tuple(
        Precision(**{**row, "families": tuple(row["families"])}) for row in json.loads(text)["rows"]
    )
