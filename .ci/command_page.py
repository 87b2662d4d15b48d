"""The page of the command: every verb, every flag. `python .ci/command_page.py` writes it."""

import argparse
import sys
from pathlib import Path

from eigenscape.cli._main import make_parser

PAGE = Path(__file__).parents[1] / "docs" / "command.md"
_HEAD = """\
# The command

`eigenscape COMMAND ...`. JSON goes to standard output alone; progress and notes go to standard
error.
Exit status: 0 done, 1 a gate (`--fail-on`) was hit, 2 bad usage or bad input, 130 interrupted.
This page is written from the parsers themselves (`python .ci/command_page.py`); a test compares it.
"""


def page():
    """Return the text of the page."""
    parts = [_HEAD]
    for name, parser in verbs(make_parser()):
        parts += [
            f"## eigenscape {name}",
            parser.description or "",
            *_table(parser),
            *_examples(parser),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def verbs(parser, above=()):
    """Yield every verb, and every action of a verb, with its parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                inner.fill()
                yield " ".join((*above, name)), inner
                yield from verbs(inner, (*above, name))


def _table(parser):
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{_value(action)}`"
        value = f" `{_value(action)}`" if action.option_strings and action.nargs != 0 else ""
        text = (action.help or "") % {"default": action.default, "prog": "eigenscape"}
        rows.append(f"| {names}{value} | {' '.join(text.split())} |".replace("||", "|"))
    if not rows:
        return []
    return ["\n".join(["| argument | what it is |", "|---|---|", *rows])]


def _value(action):
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    name = action.metavar or action.dest
    return name if isinstance(name, str) else " ".join(name)


def _examples(parser):
    epilog = (parser.epilog or "").partition("examples:\n")[2].rstrip()
    return [f"```text\n{epilog}\n```"] if epilog else []


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE}", file=sys.stderr)
