"""Populations from files."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from eigenscape.diagnosis._metrics import COLUMNS, PUBLISHED_PROTOCOL, Scalar
from eigenscape.diagnosis._population import Population
from eigenscape.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

#: The file of a population in the folder that it was grown in.
GROWN_FILE = "population.json"
#: SHA-256 of the two published tables (github.com/YefanZhou/ModelDiagnosis).
_PUBLISHED = (
    "3e1fb0019ff555252839c7d096b0a28300d30215c522334670fb61438df582fe",
    "9e8c35c1438d456fcd5729293f2cbbc1ed06b2cede0e0e75192b2e53dd81d70c",
)


def read_population(
    path: str | Path, *, protocol: Mapping[str, Scalar] | None = None
) -> Population:
    """Read a population from a CSV table, or from the JSON file that :meth:`Population.save` wrote.

    The two tables that Zhou et al. (ICML 2024) published are known by their SHA-256, and get the
    protocol of the paper. Labels in a table are not read: they are computed from its grid.

    Args:
        path: the file, or the folder of a trained population.
        protocol: how the metrics of a CSV table were measured; None where that is not stated.

    Raises:
        InputError: no such file, no such table, or a table that is not a population.
    """
    import pandas as pd

    path = Path(path)
    if path.is_dir():
        path = path / GROWN_FILE
    if path.suffix == ".json":
        return Population.load(path)
    try:
        content = path.read_bytes()
        frame = pd.read_csv(BytesIO(content), dtype=str)
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}. Try: the folder or population.json "
            "that 'eigenscape diagnose grow' wrote, or a CSV table"
        ) from error
    except ValueError as error:
        raise InputError(
            f"{path} is not a CSV table ({error}); expected one row for each configuration"
        ) from error
    if protocol is None and sha256(content).hexdigest() in _PUBLISHED:
        protocol = PUBLISHED_PROTOCOL
    frame = _stripped(frame, path)
    for column in (column for column in COLUMNS if column in frame.columns):
        frame[column] = _numbers(frame[column])
    return Population.from_frame(frame, protocol=protocol, name=path.stem)


def _stripped(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return a table of words without blanks around them; blank cells are missing.

    Raises:
        InputError: a column that occurs twice.
    """
    frame = frame.rename(columns=lambda name: str(name).strip())
    twice = sorted(set(frame.columns[frame.columns.duplicated()]))
    if twice:
        raise InputError(f"{path} has two columns of the name {', '.join(twice)}; expected one")
    words = frame.apply(lambda column: column.str.strip())
    return words.mask(words == "").dropna(how="all")


def _numbers(words: pd.Series) -> pd.Series:
    """Return the nearest doubles (pandas' own reader may be off by the last bit)."""
    import pandas as pd

    try:
        return pd.Series([float(word) for word in words], index=words.index)
    except ValueError:  # the population says which column, and what is wrong with it
        return words
