"""A finding: one statement, what it rests on, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from eigenscape.errors import InputError
from eigenscape.stats import Precision

#: What a statement may rest on; of advices, the better founded first.
BASES = ("measurement", "diagnosis", "guess", "description")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One statement to the user.

    Args:
        text: the statement, in whole sentences.
        basis: ``measurement`` (of this network), ``diagnosis`` (a rule whose precision was
            measured), ``description`` (what a number is, not what it means) or ``guess``.
        precision: of a diagnosis: how often its rule was right on networks of known state.
        knob: of an advice: what to change, as in ``learning rate``; empty where nothing is advised.
        direction: of an advice: where to, as in ``raise``.
        todo: what to do now, as a short order without a full stop; empty: nothing is to be done.
        command: the command of a shell that does it or looks closer; empty: there is none.
        layers: the names of the layers that it points at; the page links to them.

    Raises:
        InputError: an unknown basis, a diagnosis without its precision or a precision without a
            diagnosis, a knob without a direction or the reverse, a description that advises, or a
            command that nothing says the use of.

    >>> found = Finding(text="fc: every weight is zero.", basis="measurement", layers=("fc",))
    >>> found.is_advice, found.action
    (False, 'Nothing to do.')
    """

    text: str
    basis: str
    precision: Precision | None = None
    knob: str = ""
    direction: str = ""
    todo: str = ""
    command: str = ""
    layers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        if not self.text:
            problems.append("no text")
        if self.basis not in BASES:
            problems.append(f"basis is {self.basis!r}; expected one of {', '.join(BASES)}")
        if (self.basis == "diagnosis") != (self.precision is not None):
            problems.append("a precision and the basis 'diagnosis' need each other")
        if bool(self.knob) != bool(self.direction):
            problems.append("a knob and a direction need each other")
        if self.knob and self.basis == "description":
            problems.append("a description gives no advice; expected another basis")
        if self.command and not self.todo:
            problems.append("a command without a todo that says what it is for")
        if problems:
            raise InputError(f"a finding with {'; '.join(problems)}")

    @property
    def is_advice(self) -> bool:
        """Whether it says what to change."""
        return bool(self.knob)

    @property
    def grounds(self) -> str:
        """The basis, and of a diagnosis how often its rule was right."""
        return f"{self.basis}: {self.precision.words()}" if self.precision else self.basis

    @property
    def action(self) -> str:
        """What to do, as a sentence; of one with a command, what stands before it.

        >>> Finding(text="It is so.", basis="guess", todo="Look closer", command="ls").action
        'Look closer:'
        """
        if not self.todo:
            return "Nothing to do."
        return self.todo.rstrip(".:") + (":" if self.command else ".")
