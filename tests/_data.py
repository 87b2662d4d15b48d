"""Where the real data of the slow and the oracle tests is, if it is anywhere."""

import os
from pathlib import Path

import pytest


def data_folder() -> Path | None:
    """The folder of real data: EIGENSCAPE_DATA, then ../shared/data beside the repository."""
    named = os.environ.get("EIGENSCAPE_DATA")
    places = [Path(named)] if named else []
    places.append(Path(__file__).resolve().parents[2] / "shared" / "data")
    return next((place for place in places if place.is_dir()), None)


def data_file(name: str) -> Path:
    """A file or folder of the real data, or a skip that says why."""
    folder = data_folder()
    if folder is None:
        pytest.skip("no real data here: set EIGENSCAPE_DATA to its folder")
    path = folder / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path
