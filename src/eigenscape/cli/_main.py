"""The command: parse, call a verb, turn every error into one sentence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from eigenscape.cli import (
    _allocate,
    _check_grid,
    _checkup,
    _compare,
    _diagnose,
    _diagnose_grow,
    _doctor,
    _hessian,
    _landscape,
    _patch,
    _perplexity,
    _reference,
    _report,
    _spectra,
    _study,
    _topology,
)
from eigenscape.cli._verb import VerbParser
from eigenscape.errors import EigenscapeError, TaskError

_EXAMPLES = """\
examples:
  eigenscape checkup                        train a healthy and a faulty network, examine both
  eigenscape checkup model.safetensors      examine a checkpoint, write a page
  eigenscape spectra folder/ --format json  the layer table, for a script
  eigenscape compare before.pt after.pt     what moved, layer by layer
  eigenscape landscape --probe FILE.py:F    the loss around a model, with its topology
  eigenscape hessian --probe FILE.py:F      its curvature
  eigenscape topology GRID.npy              merge tree, persistence, profile of any grid
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0: done. 1: a gate (``--fail-on``) was hit. 2: bad usage or bad input, said in one sentence.

    Args:
        arguments: the words after ``eigenscape``; by default those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser()
    if not words:
        parser.print_help(sys.stderr)
        return 2
    args = parser.parse_args(_diagnose.with_action(words))
    try:
        code: int = args.verb(args)
        sys.stdout.flush()
    except EigenscapeError as error:
        from eigenscape.results import printable

        lines = str(error).split("\n") if isinstance(error, TaskError) else [str(error)]
        print("eigenscape: " + "\n".join(map(printable, lines)), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        keeps = args.verb in (_study.run, _diagnose_grow.run)
        kept = getattr(args, "run", None) or (keeps and args.out)
        tail = f"; finished pieces are kept in {kept}" if isinstance(kept, str) else ""
        print(f"eigenscape: stopped{tail}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def make_parser() -> VerbParser:
    """Return the parser of the whole command."""
    parser = VerbParser(
        prog="eigenscape",
        description="What state is a trained neural network in, why, and what to do about it?",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in (
        _checkup,
        _spectra,
        _compare,
        _landscape,
        _hessian,
        _topology,
        _check_grid,
        _diagnose,
        _allocate,
        _patch,
        _perplexity,
        _reference,
        _study,
        _report,
        _doctor,
    ):
        verb.add(verbs)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from eigenscape import __version__

        print(f"eigenscape {__version__}")
        parser.exit()
