"""``eigenscape landscape --probe FILE.py:FUNCTION``: the loss on a grid around a model."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigenscape.cli._flags import add_probe
from eigenscape.cli._topology import NEIGHBOR_WORDS, NEIGHBORHOODS
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
    from eigenscape.landscape import Landscape

#: Those of eigenscape.landscape, which needs torch.
UNITS = ("absolute", "relative", "direction")
NORMALIZATIONS = ("filter", "layer", "model", "none")
_FILES = ("landscape.json", "landscape.nc", "report.html")
_PICTURES = ("landscape", "surface")  # each as PNG, SVG and PDF


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "landscape",
        run,
        help="sample the loss on a grid around a model, count minima and saddles, draw it",
        examples="  eigenscape landscape --probe probe.py:build\n"
        "  eigenscape landscape --probe probe.py:build --directions hessian --out landscape\n"
        "  eigenscape landscape --probe probe.py:build --dim 3 --steps 21 --run landscape-run\n"
        "  eigenscape landscape --probe probe.py:build --engine dask --address tcp://host:8786\n"
        "  eigenscape landscape --probe probe.py:build --include 'head.*' --format json\n",
    )
    add_probe(parser)
    group = parser.add_argument_group("what to sample")
    group.add_argument(
        "--directions",
        choices=("random", "hessian"),
        default="random",
        help="random ones, or the eigenvectors of the Hessian's largest eigenvalues [random]",
    )
    group.add_argument(
        "--dim", type=Whole(), default=2, metavar="N", help="number of directions [2]"
    )
    group.add_argument(
        "--steps", type=Whole(2), default=41, metavar="N", help="points along each direction [41]"
    )
    group.add_argument(
        "--radius",
        type=Number(above=0, example="1"),
        metavar="R",
        help="from the model to the edge of the grid, in the unit [random: 1, hessian: 0.1]",
    )
    group.add_argument(
        "--unit",
        choices=UNITS,
        help="of the radius: absolute (of the parameters), relative (shares of the parameters' "
        "norm), direction (lengths of the direction) [random: direction, hessian: relative]",
    )
    group.add_argument(
        "--normalize",
        choices=NORMALIZATIONS,
        help="scale each direction to the parameters' norm: of each filter, each layer, the whole "
        "model, or not at all [random: filter, hessian: none]",
    )
    group.add_argument(
        "--include",
        action="append",
        metavar="GLOB",
        help=("glob patterns of the parameters that are moved [all]"),
    )
    group.add_argument(
        "--exclude",
        action="append",
        metavar="GLOB",
        help=("glob patterns of parameters that stay fixed [none]"),
    )
    group.add_argument(
        "--connectivity",
        choices=NEIGHBORHOODS,
        default="full",
        help=f"which points are neighbours: {NEIGHBOR_WORDS} [full]",
    )
    group = add_running(
        parser,
        "tasks of about ten seconds",
        jobs="one for each core, if the grid is costly",
        run=True,
    )
    add_time_budget(group, "stop with an error at the start if it would take longer [no limit]")
    group = parser.add_argument_group("common options")
    add_format(group)
    group.add_argument(
        "--out",
        metavar="DIR",
        help=f"a folder for {', '.join(_FILES)}, and for {' and '.join(_PICTURES)} as PNG, SVG and "
        "PDF [not written]",
    )
    add_device(group)
    add_seed(group)
    group.add_argument("--quiet", action="store_true", help="no notes, no progress")


def run(args: argparse.Namespace) -> int:
    """Sample, measure, print; with ``--out`` write the landscape, its page and its pictures."""
    pictures = _PICTURES[: 1 if args.dim == 1 else 2]
    files = [own_file(args.out, name) for name in _FILES] if args.out else []
    drawn = {name: _forms(args.out, name) for name in pictures} if args.out else {}
    landscape = _sampled(args)
    summary = _summary(landscape, args.connectivity)
    if files:
        files += _write(landscape, files, drawn)
    _print(landscape, summary, args)
    for path in files:
        note(f"wrote {path} ({path.stat().st_size / 1e3:.0f} kB)", quiet=args.quiet)
    return 0


def _forms(folder: str, name: str) -> list[Path]:
    return [own_file(folder, f"{name}.{form}") for form in ("png", "svg", "pdf")]


def _sampled(args: argparse.Namespace) -> Landscape:
    from eigenscape.landscape import sample
    from eigenscape.models import load_objective
    from eigenscape.runs import progress_bar

    probe = os.path.abspath(os.path.expanduser(args.probe))  # a worker may stand in another folder
    device, seed = args.device, args.seed
    objective, _ = load_objective(args.probe, device=device, seed=seed)
    # what the user's model prints must not mix with the answer
    with redirect_stdout(sys.stderr), progress_bar("sampling", quiet=args.quiet) as progress:
        return sample(
            objective,
            args.directions,
            dim=args.dim,
            steps=args.steps,
            radius=args.radius,
            unit=args.unit,
            normalize=args.normalize,
            include=args.include,
            exclude=args.exclude,
            seed=args.seed,
            folder=args.run,
            **running(args),
            rebuild=lambda: load_objective(probe, device=device, seed=seed)[0],
            time_budget=args.time_budget,
            on_estimate=lambda cost: note(f"to do: {cost}", quiet=args.quiet),
            progress=progress,
        )


def _summary(landscape: Landscape, connectivity: Any) -> dict[str, Any]:
    tree = landscape.merge_tree(connectivity)
    finite = landscape.values[landscape.values < float("inf")]
    metrics = tree.metrics()
    return {
        "loss_at_center": landscape.loss_at_center,
        "lowest_loss": float(finite.min()) if len(finite) else None,
        "highest_loss": float(finite.max()) if len(finite) else None,
        "not_finite": landscape.not_finite,
        "minima": tree.n_minima,
        "saddles": tree.n_saddles,
        "average_persistence": metrics.average_persistence,
        "noise": landscape.noise,
        "minima_above_noise": tree.simplify(8 * landscape.noise).n_minima,
        "connectivity": connectivity,
        "seconds": landscape.seconds,
    }


def _write(landscape: Landscape, files: list[Path], drawn: dict[str, list[Path]]) -> list[Path]:
    """Write all files; return those of the pictures, where anything is finite to be drawn."""
    from eigenscape.report import Page, write_page

    json_file, netcdf, page = files
    landscape.save(json_file)
    landscape.save(netcdf)
    if landscape.lowest is None:
        files.remove(page)
        return []
    write_page(Page(f"Landscape of {landscape.model}", {"landscape": landscape}), page)
    for name, paths in drawn.items():
        save_picture(landscape, *paths, surface=name == "surface")
    return [path for paths in drawn.values() for path in paths]


def _print(landscape: Landscape, summary: dict[str, Any], args: argparse.Namespace) -> None:
    import pandas as pd

    from eigenscape.cli._tables import cell, print_answer, print_frame, print_json

    curvature = landscape.curvature_check()
    if args.format == "json":
        whole = landscape.to_dict()
        del whole["values"]
        print_json({**whole, **summary, "curvature": curvature.to_dict("records")})
        return
    if args.format == "csv":
        print_frame(landscape.frame(), "csv")
    else:
        print_answer(landscape)
        shape = "×".join(map(str, landscape.values.shape))
        title = (
            f"{landscape.model}: {shape} points, {landscape.kind} directions, "
            f"{landscape.parameters} parameters, {landscape.samples} samples"
        )
        rows = [(name.replace("_", " "), cell(value)) for name, value in summary.items()]
        rows += [
            (f"curvature, {row.direction}", f"{cell(row.on_grid)} (Hessian: {cell(row.rayleigh)})")
            for row in curvature.itertuples()
        ]
        print_frame(pd.DataFrame(rows, columns=["quantity", "value"]), args.format, title)
    for line in landscape.notes:
        note(f"note: {line}", quiet=args.quiet)
