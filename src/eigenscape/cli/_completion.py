"""``eigenscape completion SHELL``: the script that completes commands at the press of TAB."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from eigenscape.cli._verb import add_verb

if TYPE_CHECKING:
    from eigenscape.cli._parser import VerbParser
    from eigenscape.cli._verb import Verbs

#: Flags and words whose values are files or folders, by what the help calls the value.
_FILES = ("FILE", "DIR", "PATH", "POP", "MODEL", "RESULT.json")


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "completion",
        run,
        help="print a script that completes commands, options and choices in your shell",
        examples="  eigenscape completion bash > ~/.local/share/bash-completion/completions/"
        "eigenscape\n"
        '  eval "$(eigenscape completion bash)"                  # this shell alone\n'
        '  eigenscape completion zsh > "${fpath[1]}/_eigenscape"\n',
    )
    parser.add_argument(
        "shell", choices=("bash", "zsh"), metavar="SHELL", help="of this kind: bash or zsh"
    )


def run(args: argparse.Namespace) -> int:
    """Print the script; it holds all options, so that completing starts no Python."""
    import shtab

    for one in _parsers(args.whole):
        one.fill()
        for action in one._actions:
            if str(action.metavar).startswith(_FILES) or action.dest in ("path", "before", "after"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab reads it
    print(shtab.complete(args.whole, args.shell))
    return 0


def _parsers(parser: VerbParser) -> Iterator[VerbParser]:
    """Yield a parser and all below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _parsers(inner)
