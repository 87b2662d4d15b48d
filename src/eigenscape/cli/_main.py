"""The command: parse, call a verb, turn every error into one sentence."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from eigenscape.cli import (
    _adapt,
    _allocate,
    _check_grid,
    _checkup,
    _compare,
    _completion,
    _diagnose,
    _diagnose_grow,
    _doctor,
    _hessian,
    _landscape,
    _patch,
    _perplexity,
    _prune,
    _reference,
    _report,
    _spectra,
    _study,
    _topology,
)
from eigenscape.cli._parser import VerbParser, in_flags
from eigenscape.errors import EigenscapeError, TaskError

#: What a user wants to do -> the verbs that do it, in the order of the help.
_GROUPS = {
    "look at the weights of a checkpoint": (_checkup, _spectra, _compare, _reference),
    "measure with your model and data": (_landscape, _hessian, _diagnose, _perplexity),
    "examine a grid of losses": (_topology, _check_grid),
    "change the network": (_allocate, _prune, _adapt, _patch),
    "results, studies, and this installation": (_report, _study, _doctor, _completion),
}
_EXAMPLES = """\
examples:
  eigenscape checkup                        train a healthy and a faulty network, examine both
  eigenscape checkup model.safetensors      examine a checkpoint, write a page
  eigenscape compare before.pt after.pt     what moved, layer by layer
  eigenscape landscape --probe FILE.py:F    the loss around a model, with its topology
  eigenscape help landscape                 what a command does, and all its options
"""


_QUIET_START = 3.0  # seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    0: done. 1: a gate (``--fail-on``) was hit. 2: bad usage or bad input, said in one sentence.
    130: interrupted. Without arguments the help is printed.

    Args:
        arguments: the words after ``eigenscape``; by default those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    started, args = time.monotonic(), argparse.Namespace()
    waiting = _announce(words)
    try:
        args = make_parser().parse_args(_spelled_out(words))
        args.started = started
        code: int = args.verb(args)
        sys.stdout.flush()
    except EigenscapeError as error:
        from eigenscape.results import printable

        said = in_flags(str(error), getattr(args, "spelled", {}))
        lines = said.split("\n") if isinstance(error, TaskError) else [said]
        print("eigenscape: " + "\n".join(map(printable, lines)), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        keeps = getattr(args, "verb", None) in (_study.run, _diagnose_grow.run)
        kept = getattr(args, "run", None) or (keeps and args.out)
        tail = f"; finished pieces are kept in {kept}" if isinstance(kept, str) else ""
        print(f"eigenscape: stopped{tail}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        waiting.cancel()
    return code


def _announce(words: Sequence[str]) -> threading.Timer:
    """Say after three seconds that the command is running: before its work torch is imported."""

    def say() -> None:
        sys.stderr.write(f"eigenscape: {words[0]} is running\n")
        sys.stderr.flush()

    timer = threading.Timer(_QUIET_START, say)
    timer.daemon = True
    if not {"--quiet", "--help", "-h"}.intersection(words) and words[:1] not in ([], ["help"]):
        timer.start()
    return timer


def _spelled_out(words: list[str]) -> list[str]:
    """Return the arguments with what was left out or said in another order.

    >>> _spelled_out([]), _spelled_out(["help"]), _spelled_out(["help", "diagnose", "grow"])
    (['--help'], ['--help'], ['diagnose', 'grow', '--help'])
    """
    if words[:1] == ["help"]:
        words = [*(word for word in words[1:] if word != "help"), "--help"]
    return _diagnose.with_action(words or ["--help"])


class _Parser(VerbParser):
    """The parser of the whole command; its help lists the verbs by what they are for."""

    def format_help(self) -> str:
        """Return the help."""
        verbs = next(one for one in self._actions if isinstance(one, argparse._SubParsersAction))
        about = {item.dest: item.help or "" for item in verbs._choices_actions}
        formatter = self._get_formatter()
        formatter.add_usage("%(prog)s COMMAND ...", [], [])
        formatter.add_text(self.description)
        lines = []
        for title, modules in _GROUPS.items():
            lines.append(f"{title}:")
            lines += [f"  {name:<12}{about[name]}" for name in map(_name, modules)]
            lines.append("")
        formatter.add_text("\n".join(lines))
        formatter.add_text(self.epilog)
        return formatter.format_help()


def _name(module: Any) -> str:
    return str(module.__name__.rpartition("._")[2].replace("_", "-"))


def make_parser() -> VerbParser:
    """Return the parser of the whole command."""
    parser = _Parser(
        prog="eigenscape",
        description="Says what state a trained neural network is in, from its weights and,\n"
        "where you give them, your model and data.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(whole=parser)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    verbs = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=VerbParser)
    for modules in _GROUPS.values():
        for module in modules:
            module.add(verbs)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from eigenscape import __version__

        print(f"eigenscape {__version__}")
        parser.exit()
