"""``eigenscape spectra PATH``: the layer table."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from eigenscape.cli._verb import (
    add_common,
    add_spectra_options,
    add_verb,
    failing,
    gate_labels,
    not_seen,
    note,
    own_file,
    spectra_options,
)

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs
    from eigenscape.spectra import SpectraResult


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
        "  eigenscape spectra folder/ --engine local --run spectra-run\n",
    )
    parser.add_argument("path", help="a file, a Hugging Face folder, or a hub id")
    parser.add_argument("--fail-on", metavar="LABELS", help="exit with status 1 on these labels")
    parser.add_argument("--save-eigenvalues", metavar="FILE.npz", help="write every spectrum")
    add_spectra_options(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Examine and print; with ``--out`` write ``result.json`` and ``layers.csv`` too."""
    from eigenscape.runs import progress_bar
    from eigenscape.spectra import analyze

    files = _files(args)
    with progress_bar("examining", quiet=args.quiet) as progress:
        result = analyze(args.path, progress=progress, **spectra_options(args))
    _write(result, args, files)
    _print(result, args)
    hit = failing(result.summary["labels"], args.fail_on) + not_seen(result, args.fail_on)
    if hit:
        note(f"gate: {', '.join(hit)}")
    return 1 if hit else 0


def _files(args: argparse.Namespace) -> dict[str, Path]:
    """Decide the places to write before the work begins: a bad one costs no time."""
    names = ("result.json", "layers.csv") if args.out else ()
    gate_labels(args.fail_on)
    if args.save_eigenvalues:
        own_file(".", args.save_eigenvalues, args.path)
    return {name: own_file(args.out, name, args.path) for name in names}


def _write(result: SpectraResult, args: argparse.Namespace, files: dict[str, Path]) -> None:
    from eigenscape.results import write_text

    if args.out:
        result.save(files["result.json"])
        write_text(files["layers.csv"], result.frame(full=True).to_csv(index=False))
        for path in files.values():
            note(f"wrote {path}", quiet=args.quiet)
    if args.save_eigenvalues:
        target = own_file(".", args.save_eigenvalues, args.path)
        note(f"wrote {result.save_eigenvalues(target)}", quiet=args.quiet)


def _print(result: SpectraResult, args: argparse.Namespace) -> None:
    from eigenscape.cli._tables import layer_table, print_frame, print_json

    if args.format == "json":
        print_json(result.to_dict())
        return
    table = result.frame(full=True) if args.format == "csv" else layer_table(result)
    print_frame(table, args.format)
    reasons = Counter(item.reason for item in result.skipped)
    if reasons and not args.quiet:
        note(f"not examined ({len(result.skipped)}; names with --format json):")
        for reason, count in reasons.most_common():
            note(f"  {count} × {reason}")
    for line in result.notes:
        note(f"note: {line}", quiet=args.quiet)
