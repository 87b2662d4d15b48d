"""``eigenscape spectra PATH``: the layer table."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from eigenscape.cli._verb import (
    FAIL_ON,
    add_all,
    add_common,
    add_spectra_options,
    add_verb,
    check_examined,
    failing,
    gate_labels,
    not_seen,
    note,
    own_file,
    spectra_options,
)
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs
    from eigenscape.spectra import Placement, Reference, SpectraResult


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "spectra",
        run,
        help="print the layer table of a checkpoint",
        examples="  eigenscape spectra model.safetensors\n"
        "  eigenscape spectra folder/ --format json --metrics shuffle,tpl\n"
        "  eigenscape spectra model.pt --include '*attn*' --split-qkv --out spectra\n"
        "  eigenscape spectra folder/ --engine local --run spectra-run\n"
        "  eigenscape spectra folder/ --reference\n",
    )
    parser.add_argument("path", help="a file, a Hugging Face folder, or a hub id")
    parser.add_argument("--fail-on", metavar="LABELS", help=FAIL_ON)
    parser.add_argument(
        "--save-eigenvalues",
        metavar="FILE.npz",
        help=("write all eigenvalues of each layer to this file [not written]"),
    )
    parser.add_argument(
        "--reference",
        action="store_true",
        help="also say where each layer lies among the layers of real, trained networks (see "
        "'eigenscape reference')",
    )
    add_all(parser)
    add_spectra_options(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Examine and print; with ``--out`` write ``result.json`` and ``layers.csv`` too."""
    from eigenscape.runs import progress_bar
    from eigenscape.spectra import analyze

    files = _files(args)
    table = _reference(args)
    with progress_bar("examining", quiet=args.quiet) as progress:
        result = analyze(args.path, progress=progress, **spectra_options(args))
    check_examined(result)
    placement = table.compare(result) if table else None
    _write(result, placement, args, files)
    _print(result, placement, args)
    hit = failing(result.summary["labels"], args.fail_on) + not_seen(result, args.fail_on)
    if hit:
        note(f"gate: {', '.join(hit)}")
    return 1 if hit else 0


def _files(args: argparse.Namespace) -> dict[str, Path]:
    """Decide the places to write before the work begins: a bad one costs no time."""
    names = ("result.json", "layers.csv") if args.out else ()
    names = (*names, "reference.json") if args.out and args.reference else names
    gate_labels(args.fail_on)
    if args.save_eigenvalues:
        own_file(".", args.save_eigenvalues, args.path)
    return {name: own_file(args.out, name, args.path) for name in names}


def _reference(args: argparse.Namespace) -> Reference | None:
    """Return what layers are compared with, before the work begins."""
    if not args.reference:
        return None
    from eigenscape.spectra import SpectraOptions, reference

    if args.format == "json" and not args.out:
        raise InputError(
            "--format json prints the layer table alone. Try: --out DIR, which has reference.json"
        )
    given, how = spectra_options(args), ("jobs", "engine", "address", "run")
    table = reference()
    options = {name: value for name, value in given.items() if name not in how}
    table.options.check(SpectraOptions(**options), args.path)
    return table


def _write(
    result: SpectraResult,
    placement: Placement | None,
    args: argparse.Namespace,
    files: dict[str, Path],
) -> None:
    from eigenscape.results import write_text

    if args.out:
        if placement:
            placement.save(files["reference.json"])
        result.save(files["result.json"])
        write_text(files["layers.csv"], result.frame(full=True).to_csv(index=False))
        for path in files.values():
            note(f"wrote {path}", quiet=args.quiet)
    if args.save_eigenvalues:
        target = own_file(".", args.save_eigenvalues, args.path)
        note(f"wrote {result.save_eigenvalues(target)}", quiet=args.quiet)


def _print(result: SpectraResult, placement: Placement | None, args: argparse.Namespace) -> None:
    from eigenscape.cli._layer_tables import print_layers, with_places
    from eigenscape.cli._tables import print_answer, print_frame, print_json

    if args.format == "json":
        print_json(result.to_dict())
    elif args.format == "csv":
        table = result.frame(full=True)
        print_frame(with_places(table, placement, short=False) if placement else table, "csv")
    else:
        print_answer(result)
        print_layers(result, args.format, every=args.all, placement=placement)
    _remarks(result, placement, args)


def _remarks(result: SpectraResult, placement: Placement | None, args: argparse.Namespace) -> None:
    """Note what was left out, and how the checkpoint was read."""
    if args.format == "json":
        return
    for line in (placement.sentence(), *placement.notes) if placement else ():
        note(line, quiet=args.quiet)
    reasons = Counter(item.reason for item in result.skipped)
    if reasons and not args.quiet:
        note(f"not examined ({len(result.skipped)}; names with --format json):")
        for reason, count in reasons.most_common():
            note(f"  {count} × {reason}")
    for line in result.notes:
        note(f"note: {line}", quiet=args.quiet)
