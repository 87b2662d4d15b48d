"""``eigenscape study NAME``: test a paper's claims.

Studies are found through the entry points of installed packages; nothing here imports one.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from eigenscape.cli._parser import near
from eigenscape.cli._verb import (
    add_format,
    add_running,
    add_seeds,
    add_verb,
    note,
    own_file,
    running,
)
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs

_GROUP = "eigenscape.studies"


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "study",
        run,
        help="test a paper's claims, and write a page of the results",
        examples="  eigenscape study --list\n"
        "  eigenscape study heavy_tails\n"
        "  eigenscape study heavy_tails --scale paper --out heavy-tails\n"
        "  eigenscape study landscape_topology --scale full --out topology\n"
        "  eigenscape study heavy_tails --format json > claims.json\n",
    )
    parser.add_argument("name", nargs="?", help="which study (installed ones: see below)")
    parser.formatter_class = _Formatter
    parser.add_argument("--list", action="store_true", help="list the installed studies, and exit")
    parser.add_argument(
        "--scale",
        default="small",
        help="small (minutes), or the study's large one: paper (its own sizes) or full [small]",
    )
    add_seeds(parser, "the number of repeats [the scale's own number]")
    add_running(parser, "tasks")
    group = parser.add_argument_group("common options")
    add_format(group)
    group.add_argument(
        "--out",
        metavar="DIR",
        help="a folder for report.html and result.json; finished tasks are kept in its folder run, "
        "and an interrupted study continues from them [not written]",
    )
    group.add_argument("--quiet", action="store_true", help="no notes, no progress")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Add the installed studies to the examples; they are looked up when help is shown."""

    def add_text(self, text: str | None) -> None:
        if text is not None and text.startswith("examples:"):
            text = f"installed studies:\n  {', '.join(_offered())}\n\n{text}"
        super().add_text(text)


def run(args: argparse.Namespace) -> int:
    """Run the study, print its claims, write its page."""
    from eigenscape.runs import progress_bar

    if args.list:
        return _list(args.format)
    study = _load(args.name)
    names = ("result.json", "report.html") if args.out else ()
    files = {name: own_file(args.out, name) for name in names}
    with progress_bar("tasks", quiet=args.quiet) as progress:
        result = study.run(
            args.scale,
            seeds=args.seeds,
            seed_list=args.seed_list,
            folder=f"{args.out}/run" if args.out else None,
            **running(args),
            progress=progress,
        )
    if files:
        result.save(files["result.json"])
        study.write_page(result, files["report.html"])
    _print(result, args.format)
    for path in files.values():
        note(f"wrote {path} ({path.stat().st_size / 1e3:.0f} kB)", quiet=args.quiet)
    return 0


def _offered() -> list[str]:
    from importlib.metadata import entry_points

    return sorted(entry_points(group=_GROUP).names)


def _load(name: str | None) -> Any:
    """Return an installed study: what its entry point names, with ``run`` and ``write_page``."""
    from importlib.metadata import entry_points

    points = tuple(entry_points(group=_GROUP, name=name)) if name else ()
    if not points:
        known = ", ".join(_offered()) or "none"
        asked = f"no study {name!r}" if name else "no study is named"
        close = near(name or "", _offered()) or ["--list"]
        raise InputError(f"{asked}; installed: {known}. Try: eigenscape study {close[0]}")
    if len(points) > 1:
        places = ", ".join(point.value for point in points)
        raise InputError(f"study {name!r} is offered more than once: {places}. Try: keep one")
    return points[0].load()


def _list(form: str) -> int:
    """Print name, title, scales and paper of every installed study."""
    import pandas as pd

    from eigenscape.cli._tables import print_frame, print_json

    studies = [_load(name) for name in _offered()]
    rows = [
        {"name": s.name, "title": s.title, "scales": " ".join(s.scales), "paper": s.paper}
        for s in studies
    ]
    if form == "json":
        print_json({"studies": rows})
    else:
        shown = ["name", "scales", "title"] if form == "table" else ["name", "title", "paper"]
        print_frame(pd.DataFrame(rows)[shown], form, "installed studies")
    return 0


def _print(result: Any, form: str) -> None:
    from eigenscape.cli._tables import print_frame, print_json

    if form == "json":
        print_json(result.to_dict())
    elif form == "table":
        print_frame(result.frame()[["name", "verdict", "measured"]], form, result.title)
        for heading, text in result.paragraphs.items():
            print(f"\n{heading}: {text}")
    else:
        print_frame(result.frame(), form)
