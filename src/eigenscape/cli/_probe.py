"""``--probe FILE.py:FUNCTION``: the user's function, which builds what is examined."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

_FORM = "FILE.py:FUNCTION"
PROBE_HELP = (
    "your function, called without arguments; it returns an eigenscape.models.Objective, or "
    "(model, loss, batches), where model may be a list of two, of two seeds. Your file is run, "
    "with all that it does: name only files you trust"
)


def add_probe(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add ``--probe`` to a verb."""
    parser.add_argument("--probe", metavar=_FORM, required=required, help=PROBE_HELP)
