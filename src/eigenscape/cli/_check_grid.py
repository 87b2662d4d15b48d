"""``eigenscape check-grid GRID``: find sampling faults in a landscape grid."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from eigenscape.cli._verb import add_format, add_verb, note, own_file

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs
    from eigenscape.topology import GridReport

#: So many findings stand below the answer; of more there is a table.
_SAID = 3


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "check-grid",
        run,
        help="look for sampling faults in a landscape grid of any tool",
        examples="  eigenscape check-grid landscape.npy\n"
        "  eigenscape check-grid surface.h5 --value test_loss\n"
        "  eigenscape check-grid samples.csv --fail-on-fault --format json\n",
    )
    parser.add_argument("grid", help="landscape.json, or .npy, .npz, .csv, .h5, .nc")
    parser.add_argument(
        "--value",
        metavar="NAME",
        help="the array or column that holds the loss [loss, or the only one]",
    )
    parser.add_argument(
        "--fail-on-fault", action="store_true", help="exit with status 1 on a fault"
    )
    group = parser.add_argument_group("common options")
    add_format(group)
    group.add_argument("--out", metavar="DIR", help="a folder for grid_report.json [not written]")
    group.add_argument("--quiet", action="store_true", help="no notes")


def run(args: argparse.Namespace) -> int:
    """Read, check, print; return 1 on a fault with ``--fail-on-fault``."""
    from eigenscape.topology import check_grid, read_grid

    path = own_file(args.out, "grid_report.json", args.grid) if args.out else None
    grid = read_grid(args.grid, value=args.value)
    report = check_grid(grid.values, grid.axes, source=grid.source)
    if path:
        report.save(path)
        note(f"wrote {path}", quiet=args.quiet)
    _print(report, args.format)
    for line in grid.notes:
        note(f"note: {line}", quiet=args.quiet)
    if report.faults and args.fail_on_fault:
        note(f"gate: {', '.join(item.name for item in report.faults)}")
        return 1
    return 0


def _print(report: GridReport, form: str) -> None:
    from eigenscape.cli._tables import print_answer, print_frame, print_json

    if form == "json":
        print_json(report.to_dict())
        return
    if form != "csv":
        print_answer(report)
    if form != "table" or len(report.suspicions) > _SAID:
        print_frame(report.frame(), form)
