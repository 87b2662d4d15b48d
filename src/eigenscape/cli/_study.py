"""``eigenscape study NAME``: a paper's claims, put to the test."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from eigenscape.cli._verb import FORMATS, add_verb, note, own_file

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs
    from eigenscape_studies import StudyResult


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "study",
        run,
        help="put a paper's claims to the test, and write a page about it",
        examples="  eigenscape study heavy_tails\n"
        "  eigenscape study heavy_tails --scale paper --out heavy-tails\n"
        "  eigenscape study landscape_topology --scale full --out topology\n"
        "  eigenscape study heavy_tails --format json > claims.json\n",
    )
    parser.add_argument(
        "name",
        help="heavy_tails, landscape_topology, landscape_profiles, md_tree, md_tree_population, "
        "planted_faults or tempbalance",
    )
    parser.add_argument(
        "--scale",
        default="small",
        help="small (minutes), or the study's large one: paper (its own sizes) or full [small]",
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="repeats [the scale's own number]")
    group = parser.add_argument_group("common options")
    group.add_argument("--format", choices=FORMATS, default="table", help="what goes to stdout")
    group.add_argument(
        "--out", metavar="DIR",
        help="write report.html and result.json here, and keep finished experiments in run/: a "
        "killed study goes on from them",
    )  # fmt: skip
    group.add_argument("--jobs", type=int, help="experiments at a time [one for each core]")
    group.add_argument(
        "--engine",
        choices=("threads", "local", "ray", "dask"),
        default="local",
        help="where experiments run: threads or processes of this machine, or a cluster [local]",
    )
    group.add_argument("--quiet", action="store_true", help="no notes, no progress")


def run(args: argparse.Namespace) -> int:
    """Run the study, print its claims, write its page."""
    from eigenscape.runs import progress_bar
    from eigenscape_studies import run_study, write_study_page

    names = ("result.json", "report.html") if args.out else ()
    files = {name: own_file(args.out, name) for name in names}
    with progress_bar("experiments", quiet=args.quiet) as progress:
        result = run_study(
            args.name,
            args.scale,
            seeds=args.seeds,
            folder=f"{args.out}/run" if args.out else None,
            engine=args.engine,
            jobs=args.jobs,
            progress=progress,
        )
    if files:
        result.save(files["result.json"])
        write_study_page(result, files["report.html"])
    _print(result, args.format)
    for path in files.values():
        note(f"wrote {path} ({path.stat().st_size / 1e3:.0f} kB)", quiet=args.quiet)
    return 0


def _print(result: StudyResult, form: str) -> None:
    from eigenscape.cli._tables import print_frame, print_json

    if form == "json":
        print_json(result.to_dict())
    elif form == "table":
        print_frame(result.frame()[["name", "verdict", "measured"]], form, result.title)
        for heading, text in result.paragraphs.items():
            print(f"\n{heading}: {text}")
    else:
        print_frame(result.frame(), form)
