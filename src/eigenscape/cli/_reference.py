"""``eigenscape reference [add|remove]``: the distributions that layers are compared with."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from eigenscape.cli._verb import add_format, add_running, add_verb, note, running

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs
    from eigenscape.spectra import Reference

_FILE = "your own file [EIGENSCAPE_REFERENCE]; the package's table is never written"


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "reference",
        run,
        help="show what the layers of real, trained networks measured; add networks of your own",
        examples="  eigenscape reference\n"
        "  eigenscape reference --metric stable_rank --format csv\n"
        "  eigenscape reference add folder/ --name base-7b --file mine.json\n"
        "  eigenscape reference remove base-7b --file mine.json\n"
        "  eigenscape spectra model.safetensors --reference\n",
    )
    parser.add_argument(
        "--metric",
        default="alpha_excess",
        help="alpha_excess, stable_rank, spikes, log_norm, alpha_hill, alpha_ks, row_dispersion "
        "or column_dispersion [alpha_excess]",
    )
    add_format(parser)
    parser.add_argument("--file", metavar="FILE.json", help=_FILE)
    parser.add_argument("--quiet", action="store_true", help="no notes, no progress")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action")
    new = actions.add_parser("add", help="examine a network and add what its layers measure")
    new.add_argument("path", help="a file, a Hugging Face folder, or a hub id")
    new.add_argument("--name", required=True, help="how sentences name the network")
    new.add_argument("--licence", default="not given", help="of the weights [not given]")
    new.add_argument(
        "--read",
        default="original",
        help="how the weights were read, such as 'dequantized from Q4_1'; only networks that were "
        "read alike are pooled [original]",
    )
    new.add_argument(
        "--note", default="", metavar="TEXT", help=("a remark that is kept with it [none]")
    )
    add_running(new, "layers", engine="threads")
    old = actions.add_parser("remove", help="remove a network that you added")
    old.add_argument("name", help="as it was added")
    for action in (new, old):
        action.add_argument("--file", metavar="FILE.json", default=argparse.SUPPRESS, help=_FILE)
        action.add_argument(
            "--quiet", action="store_true", default=argparse.SUPPRESS, help="no notes, no progress"
        )


def run(args: argparse.Namespace) -> int:
    """Show the table, or change the user's own file."""
    from eigenscape.spectra import reference, remove_from_reference

    if args.action == "add":
        _add(args)
    elif args.action == "remove":
        path = remove_from_reference(args.name, file=args.file)
        note(f"removed {args.name} from {path}", quiet=args.quiet)
    else:
        _show(reference(args.file), args)
    return 0


def _add(args: argparse.Namespace) -> None:
    from eigenscape.runs import progress_bar
    from eigenscape.spectra import add_to_reference

    with progress_bar("examining", quiet=args.quiet) as progress:
        path = add_to_reference(
            args.path,
            name=args.name,
            licence=args.licence,
            read=args.read,
            note=args.note,
            file=args.file,
            progress=progress,
            **running(args),
        )
    note(f"added {args.name} to {path}", quiet=args.quiet)


def _show(table: Reference, args: argparse.Namespace) -> None:
    from eigenscape.cli._tables import print_frame, print_json

    frame = table.frame(metric=args.metric)
    if args.format == "json":
        print_json(table.to_dict())
        return
    narrow = frame.drop(columns=["names", "metric"])
    print_frame(frame if args.format == "csv" else narrow, args.format, args.metric)
    for model in table:
        parts = (model.source, f"licence {model.licence}", model.read, model.note)
        remarks = "; ".join(part for part in parts if part)
        whose = "your own " if model.own else ""
        layers = f"{len(model.layers)} layer{'s' * (len(model.layers) != 1)}"
        note(f"{whose}{model.name}: {layers}; {remarks}", quiet=args.quiet)
