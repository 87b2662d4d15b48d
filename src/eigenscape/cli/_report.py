"""``eigenscape report RESULT.json``: the page of a result that was saved before."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from eigenscape.cli._verb import add_verb, note, own_file
from eigenscape.errors import EigenscapeError, InputError

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs
    from eigenscape.report import Page
    from eigenscape.results import Result


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "report",
        run,
        help="write the page of one or more saved results",
        examples="  eigenscape report result.json\n"
        "  eigenscape report a/result.json b/result.json --out both\n",
    )
    parser.add_argument(
        "results", nargs="+", metavar="RESULT.json", help="files that eigenscape wrote"
    )
    parser.add_argument("--out", metavar="DIR", default=".", help="a folder for report.html [.]")
    parser.add_argument("--quiet", action="store_true", help="no notes")


def run(args: argparse.Namespace) -> int:
    """Read the results and write one page."""
    from eigenscape.report import write_page

    target = own_file(args.out, "report.html", *args.results)
    page = _read(args.results)
    try:
        write_page(page, target)
    except EigenscapeError:
        raise
    except Exception as error:  # each field is right in itself, and they contradict each other
        raise InputError(
            f"{', '.join(args.results)} cannot be drawn, the numbers in it do not fit together "
            f"({type(error).__name__}: {error}). Try: make the result again"
        ) from error
    note(f"wrote {target} ({target.stat().st_size / 1e3:.0f} kB)", quiet=args.quiet)
    return 0


def _read(paths: list[str]) -> Page:
    from eigenscape.checkup import CheckupResult, checkup_page
    from eigenscape.report import Page

    found: dict[str, Result] = {}
    for path in paths:
        result = _load(path)
        if isinstance(result, CheckupResult) and len(paths) == 1:
            return checkup_page(result)
        held = checkup_page(result).results if isinstance(result, CheckupResult) else {"": result}
        for label, item in held.items():
            name = Path(path).stem if len(paths) == 1 else f"{path} {label}".strip()
            if name in found:
                raise InputError(f"{path} is given twice; each result appears once on a page")
            found[name] = item
    return Page(f"Report for {', '.join(paths)}", found)


def _load(path: str) -> Result:
    """Read a result; of a checkpoint, say what writes its page."""
    from eigenscape.checkpoints import open_checkpoint
    from eigenscape.results import load

    try:
        return load(path)
    except InputError:
        if not Path(path).exists():  # nor ask the hub for it
            raise
        try:
            open_checkpoint(path)
        except EigenscapeError:
            pass
        else:
            raise InputError(
                f"{path} holds weights; expected a result that eigenscape wrote. "
                f"Try: eigenscape checkup {path}"
            ) from None
        raise
