"""``eigenscape topology GRID``: minima, saddles, persistence and the profile of a landscape."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from eigenscape.cli._verb import add_format, add_verb, note, own_file, save_picture
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from eigenscape.cli._verb import Verbs
    from eigenscape.topology import TopologyResult

_SHOWN = 10
#: Those of eigenscape.topology, which need not be imported to show the help.
NEIGHBORHOODS = ("full", "freudenthal", "cross")
NEIGHBOR_WORDS = "full (diagonals too), freudenthal (as in TTK), cross (along the axes)"


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "topology",
        run,
        help="count minima and saddles of a landscape grid, and draw its profile",
        examples="  eigenscape topology landscape.json\n"
        "  eigenscape topology surface.h5 --value test_loss --out topology\n"
        "  eigenscape topology cube.npy --connectivity freudenthal --simplify 0.1%\n"
        "  eigenscape topology samples.csv --format json > topology.json\n",
    )
    parser.add_argument("grid", help="landscape.json, or .npy, .npz, .csv, .h5, .nc")
    parser.add_argument(
        "--value",
        metavar="NAME",
        help="the array or column that holds the loss [loss, or the only one]",
    )
    parser.add_argument(
        "--connectivity",
        choices=NEIGHBORHOODS,
        default="full",
        help=f"which samples are neighbours: {NEIGHBOR_WORDS} [full]",
    )
    parser.add_argument(
        "--simplify",
        metavar="EPS",
        default="0",
        help="cancel pairs that persist less: a loss, or P%% of the range [0]",
    )
    parser.add_argument("--superlevel", action="store_true", help="maxima instead of minima")
    parser.add_argument(
        "--sensitivity",
        action="store_true",
        help="count under all connectivities also on a grid of more than 200,000 samples",
    )
    group = parser.add_argument_group("common options")
    add_format(group)
    group.add_argument(
        "--out", metavar="DIR", help=("a folder for topology.json and topology.png [not written]")
    )
    group.add_argument("--quiet", action="store_true", help="no notes")


def run(args: argparse.Namespace) -> int:
    """Read, measure, print; with ``--out`` write the result and its picture."""
    from eigenscape.topology import examine_topology, read_grid

    threshold, relative = parse_threshold(args.simplify)
    names = ("topology.json", "topology.png") if args.out else ()
    files = {name: own_file(args.out, name, args.grid) for name in names}
    result = examine_topology(
        read_grid(args.grid, value=args.value),
        args.connectivity,
        superlevel=args.superlevel,
        simplify=threshold,
        relative=relative,
        sensitivity=args.sensitivity or None,
    )
    if files:
        _write(result, files, quiet=args.quiet)
    _print(result, args.format)
    for line in result.notes:
        note(f"note: {line}", quiet=args.quiet)
    return 0


def parse_threshold(text: str) -> tuple[float, bool]:
    """Read ``0.01`` or ``1%``: the threshold, and whether it is a fraction of the range.

    Raises:
        InputError: not a number, negative, or above 100 %.

    >>> parse_threshold("2%"), parse_threshold("1e-3")
    ((0.02, True), (0.001, False))
    """
    relative = text.strip().endswith("%")
    try:
        number = float(text.strip().removesuffix("%")) / (100 if relative else 1)
    except ValueError:
        number = float("nan")
    if not 0 <= number < float("inf") or (relative and number > 1):
        raise InputError(f"--simplify expects a loss such as 0.01, or 0% to 100%; got {text!r}")
    return number, relative


def _write(result: TopologyResult, files: dict[str, Path], *, quiet: bool) -> None:
    result.save(files["topology.json"])
    save_picture(result, files["topology.png"])
    for path in files.values():
        note(f"wrote {path} ({path.stat().st_size / 1e3:.0f} kB)", quiet=quiet)


def _print(result: TopologyResult, form: str) -> None:
    from eigenscape.cli._tables import print_answer, print_frame, print_json

    if form == "json":
        print_json(result.to_dict())
    elif form == "csv":
        print_frame(result.frame(), form)
    else:
        print_answer(result)
        print_frame(_summary(result), form)
        print()
        if len(result.frame()):
            print_frame(result.frame().head(_SHOWN), form, _pairs_title(result))
            print()
        if result.sensitivity:
            print(sensitivity_line(result))


def _summary(result: TopologyResult) -> Any:
    import pandas as pd

    rows = [
        ("grid", f"{'×'.join(map(str, result.shape))} samples, {result.connectivity}"),
        ("maxima" if result.superlevel else "minima", result.n_minima),
        ("saddles", result.n_saddles),
        ("pairs", result.n_pairs),
        ("average persistence", result.average_persistence),
        ("... with the essential pair", result.average_persistence_with_essential),
        ("total persistence", result.total_persistence),
        ("entropy", result.entropy),
    ]
    if result.simplified > 0:
        told = f"pairs below {result.simplified:.4g} cancelled; {result.unsimplified_minima} before"
        rows.append(("simplified", told))
    return pd.DataFrame(rows, columns=["what", "value"])


def _pairs_title(result: TopologyResult) -> str:
    count = len(result.frame())
    return f"the {_SHOWN} most persistent of {count} pairs" if count > _SHOWN else "pairs"


def sensitivity_line(result: TopologyResult) -> str:
    """Return the counts of minima under each connectivity as one line."""
    word = "maxima" if result.superlevel else "minima"
    counts = ", ".join(
        f"{row.n_minima} {row.connectivity}"
        + (f" ({row.n_minima_simplified} simplified)" if result.simplified > 0 else "")
        for row in result.sensitivity
    )
    return f"{word} by connectivity: {counts}"
