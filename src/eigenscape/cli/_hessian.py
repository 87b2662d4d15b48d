"""``eigenscape hessian --probe FILE.py:FUNCTION``: the curvature of a loss."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigenscape.cli._flags import add_probe
from eigenscape.cli._values import Number, Whole
from eigenscape.cli._verb import (
    add_device,
    add_format,
    add_running,
    add_seed,
    add_time_budget,
    add_verb,
    note,
    own_file,
    running,
    save_picture,
)

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs
    from eigenscape.landscape import HessianResult


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "hessian",
        run,
        help="measure the curvature of a loss: largest eigenvalues, trace by layer, density",
        examples="  eigenscape hessian --probe probe.py:build\n"
        "  eigenscape hessian --probe probe.py:build --top 10 --ends both --format json\n"
        "  eigenscape hessian --probe probe.py:build --density --out curvature\n"
        "  eigenscape hessian --probe probe.py:build --include 'layers.0.*' --matrix ggn\n",
    )
    add_probe(parser)
    group = parser.add_argument_group("what to measure")
    group.add_argument(
        "--top", type=Whole(0), default=5, metavar="K", help="number of eigenvalues [5]"
    )
    group.add_argument(
        "--ends",
        choices=("largest", "both"),
        default="largest",
        help="the largest eigenvalues, or also the smallest ones [largest]",
    )
    group.add_argument(
        "--tolerance",
        type=Number(above=0),
        default=1e-3,
        metavar="T",
        help="stop when the residual of each eigenvalue, relative to it, is below this [0.001]",
    )
    group.add_argument(
        "--checks",
        type=Whole(0),
        metavar="N",
        help="products at most to look for missed and repeated eigenvalues, each time "
        "[as many as the search took; none without a stored basis]",
    )
    group.add_argument(
        "--trace-samples",
        type=Whole(0),
        default=100,
        metavar="N",
        help="random vectors that estimate the trace; 0: no trace [100]",
    )
    group.add_argument(
        "--trace-method",
        choices=("hutchinson", "hutch++"),
        default="hutchinson",
        help="estimator of the trace; hutch++ has less spread where few eigenvalues are large "
        "[hutchinson]",
    )
    add_time_budget(group, "time for the eigenvalues; then the best so far are written [no limit]")
    group.add_argument(
        "--groups",
        choices=("layer", "block"),
        default="layer",
        help="the trace is split by layer or by repeated block [layer]",
    )
    group.add_argument(
        "--density",
        action="store_true",
        help="also estimate the density of all eigenvalues (400 products with the matrix)",
    )
    _add_which(group)
    add_running(
        parser,
        "parts (the eigenvalues; ten probes of the trace; a probe of the density)",
        jobs="1: this process, with all its threads",
    )
    group = parser.add_argument_group("common options")
    add_format(group)
    group.add_argument(
        "--out", metavar="DIR", help=("a folder for result.json and hessian.png [not written]")
    )
    add_device(group)
    add_seed(group)
    group.add_argument("--quiet", action="store_true", help="no notes, no progress")


def _add_which(group: argparse._ArgumentGroup) -> None:
    """Add what says of which matrix, and of which parameters."""
    group.add_argument(
        "--matrix",
        choices=("hessian", "ggn"),
        default="hessian",
        help="the Hessian, or the Gauss-Newton matrix (ggn), which has no negative eigenvalue "
        "[hessian]",
    )
    group.add_argument(
        "--include",
        action="append",
        metavar="GLOB",
        help="glob patterns of the parameters whose curvature is measured [all]",
    )
    group.add_argument(
        "--exclude",
        action="append",
        metavar="GLOB",
        help=("glob patterns of parameters that stay fixed [none]"),
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print; with ``--out`` write ``result.json`` and ``hessian.png`` too."""
    from eigenscape.landscape import hessian
    from eigenscape.models import load_objective
    from eigenscape.runs import Progress, progress_bar

    names = ("result.json", "hessian.png") if args.out else ()
    files = [own_file(args.out, name) for name in names]
    with redirect_stdout(sys.stderr), progress_bar("measuring", quiet=args.quiet) as progress:
        progress(Progress(0, 1, 0, 0, 0.0, None, ""))  # while the probe is read
        objective, _ = load_objective(args.probe, device=args.device, seed=args.seed)
        result = hessian(
            objective,
            n_eigenvalues=args.top,
            trace_probes=args.trace_samples,
            trace_method=args.trace_method,
            density=args.density,
            ends=args.ends,
            groups=args.groups,
            matrix=args.matrix,
            include=args.include,
            exclude=args.exclude,
            tolerance=args.tolerance,
            checks=args.checks,
            time_budget=args.time_budget,
            tell=lambda line: note(line, quiet=args.quiet),
            seed=args.seed,
            **_running(args),
            progress=progress,
        )
    if files:
        _write(result, *files, quiet=args.quiet)
    _print(result, args)
    return 0


def _running(args: argparse.Namespace) -> dict[str, Any]:
    how = running(args)
    alone = args.jobs is None and args.engine in ("local", "threads")
    return {**how, "jobs": 1 if alone else args.jobs}


def _write(result: HessianResult, target: Path, picture: Path, *, quiet: bool) -> None:
    result.save(target)
    save_picture(result, picture)
    for path in (target, picture):
        note(f"wrote {path}", quiet=quiet)


def _print(result: HessianResult, args: argparse.Namespace) -> None:
    from eigenscape.cli._tables import print_answer, print_frame, print_json

    if args.format == "json":
        print_json(result.to_dict())
        return
    if args.format == "table":
        print_answer(result)
    name = "Gauss-Newton matrix" if result.matrix == "ggn" else "Hessian"
    title = f"{name} of {result.model}, {result.parameters} parameters, {result.samples} samples"
    print_frame(result.frame(), args.format, title)
    for line in result.notes:
        note(f"note: {line}", quiet=args.quiet)
