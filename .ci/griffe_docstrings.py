"""Docstrings as Markdown, for the API reference: doctests become code blocks, roles become code."""

import re

import griffe

_ROLE = re.compile(r":(?:class|func|meth|data|attr|mod|exc):`~?([^`]+)`")
_MATH = re.compile(r":math:`([^`]+)`")


class MarkdownDocstrings(griffe.Extension):
    """Rewrites the text of every docstring before it is parsed."""

    def on_instance(self, *, obj, **_kwargs):
        """Called for every object once it is loaded."""
        if not obj.is_alias and obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text):
    """Return a docstring with fenced doctests, and with names and formulas as code."""
    text = _MATH.sub(r"`\1`", _ROLE.sub(r"`\1`", text))
    lines, inside, margin = [], False, ""
    for line in text.split("\n"):
        if not inside and line.lstrip().startswith(">>> "):
            margin = line[: len(line) - len(line.lstrip())]
            lines += ["", f"{margin}```pycon"]
            inside = True
        elif inside and not line.strip():
            lines.append(f"{margin}```")
            inside = False
        lines.append(line)
    if inside:
        lines.append(f"{margin}```")
    return "\n".join(lines)
