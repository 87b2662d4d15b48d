"""Run a page's examples and paste what they print: ``python .ci/paste_examples.py PAGE``.

Only outputs change; an example whose output stands with ``...`` for a varying part keeps it where
it still matches.
"""

import contextlib
import doctest
import io
import sys
from pathlib import Path

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def pasted(text, name):
    """Return the page with what its examples print now."""
    lines, names = text.split("\n"), {"__name__": "__main__"}
    examples = doctest.DocTestParser().get_examples(text, name)
    written, done = [], 0
    for example in examples:
        start = example.lineno + example.source.count("\n")
        stop = start + example.want.count("\n")
        found = _output(example.source, names)
        kept = doctest.OutputChecker().check_output(example.want, found, FLAGS)
        written += lines[done:start]
        written += lines[start:stop] if kept else found.rstrip("\n").split("\n") if found else []
        done = stop
    return "\n".join([*written, *lines[done:]])


def _output(source, names):
    """What the interpreter prints for one example."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(source, "<example>", "single"), names)
    return shown.getvalue()


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        page = Path(argument)
        page.write_text(pasted(page.read_text(), argument))
