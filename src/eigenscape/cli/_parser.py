"""The parser of every verb: wrong usage is answered in one sentence, with what to type instead."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from eigenscape.errors import InputError

_ALIKE = 0.6


class UsageError(InputError):
    """The words of a command line do not fit together."""


class VerbParser(argparse.ArgumentParser):
    """A parser that raises what argparse would print, and adds some options only when it is used.

    Wrong usage raises :class:`UsageError`, so that it takes the way of every other error. Flags are
    written in full: an abbreviation would change its meaning with every new flag. Options whose
    defaults need torch are added by :meth:`fill_later`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})
        self._later: list[Callable[[], None]] = []

    def fill_later(self, fill: Callable[[], None]) -> None:
        """Call a function once, before words are parsed or the help is written."""
        self._later.append(fill)

    def fill(self) -> None:
        """Add the deferred options."""
        later, self._later = self._later, []
        for fill in later:
            fill()

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, with every option; nothing is left over."""
        words = list(sys.argv[1:] if args is None else args)
        self.fill()
        self._check_flags(words)
        found, left = super().parse_known_args(words, namespace)
        if not hasattr(found, "spelled"):  # the parser of the innermost command is the first
            found.spelled = {one.dest: _flag_of(one) for one in self._get_optional_actions()}
        if left:
            self._refuse(f"{left[0]!r} is one word too many. Try: {self._takes()}")
        return found, left

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print after its usage.

        Raises:
            UsageError: always.
        """
        where = re.fullmatch(r"(?s)argument (.+?): (.+)", message)
        missing = re.fullmatch(r"the following arguments are required: (.+)", message)
        if missing:
            self._refuse_missing(missing[1].split(", "))
        if where is None:
            self._refuse(message)
        flag, said = where[1].split("/")[0], where[2]
        if said.startswith("expected ") and "argument" in said:
            action = self._action(flag)
            value = _value_of(action) if action else "VALUE"
            self._refuse(f"{flag} needs a value. Try: {flag} {value}")
        if said.startswith("ignored explicit argument"):
            self._refuse(f"{flag} takes no value. Try: {flag} alone")
        if said.startswith("not allowed with argument"):
            other = said.rsplit(" ", 1)[-1]
            self._refuse(f"{flag} and {other} exclude each other. Try: one of them")
        self._refuse(f"{flag} {said}")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Convert one word; what the type refuses is said with the word and the flag."""
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as error:
            example = action.default
            if example in (None, argparse.SUPPRESS):
                example = getattr(action.type, "example", None)
            flag = f"{action.option_strings[0]} " if action.option_strings else ""
            tip = "" if example is None else f". Try: {flag}{_plain(example)}"
            said = f"is {arg_string!r}; {error.message}{tip}"
            raise argparse.ArgumentError(action, said) from error

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a word that is no choice, naming those that are near it."""
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        close = near(str(value), known)
        if isinstance(action, argparse._SubParsersAction):
            self._refuse(
                f"there is no command {value!r}"
                + (f"; the commands of {self.prog} are {', '.join(known)}" if not close else "")
                + f". Try: {f'{self.prog} {close[0]}' if close else f'{self.prog} --help'}"
            )
        name = _flag_of(action)
        flag = f"{action.option_strings[0]} " if action.option_strings else ""
        tip = f". Try: {flag}{close[0]}" if close else ""
        self._refuse(f"{name} is {value!r}; expected {_or(known)}{tip}")

    def _check_flags(self, words: Sequence[str]) -> None:
        """Say what an unknown flag is near to, before anything else that may be missing."""
        below: set[str] = set()
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                below |= set(action.choices)
        for word in words:
            if word == "--" or word in below:
                return
            flag = word.partition("=")[0]
            if not re.match(r"--?[A-Za-z]", flag) or flag in self._option_string_actions:
                continue
            close = near(flag, self._option_string_actions)
            if close:
                tip = f"Try: {close[0]}"
            elif below:
                tip = f"Try: options after the command: {self.prog} COMMAND {flag}"
            else:
                tip = f"Try: {self.prog} --help"
            self._refuse(f"{self._name()} has no option {flag}. {tip}")

    def _refuse_missing(self, names: Sequence[str]) -> NoReturn:
        wanted = []
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and action.required:
                known = _or(list(action.choices))
                self._refuse(f"{self._name()} needs {known}. Try: {self.prog} --help")
            if _flag_of(action) in names or (action.metavar or action.dest) in names:
                flag = f"{action.option_strings[0]} " if action.option_strings else ""
                wanted.append(f"{flag}{_value_of(action)}")
        words = " ".join(wanted or names)
        are = "is" if len(names) == 1 else "are"
        self._refuse(f"{' and '.join(names)} {are} missing. Try: {self.prog} {words}")

    def _name(self) -> str:
        return self.prog.partition(" ")[2] or self.prog

    def _takes(self) -> str:
        """Return the words that this parser takes beside its options."""
        words = [_value_of(action) for action in self._get_positional_actions()]
        return " ".join((self.prog, *words)) + ("" if words else " and options alone")

    def _action(self, flag: str) -> argparse.Action | None:
        return next((one for one in self._actions if _flag_of(one) == flag), None)

    def _refuse(self, said: str) -> NoReturn:
        raise UsageError(said)


def near(word: str, known: Iterable[str]) -> list[str]:
    """Return the names that a word may have been meant for, the nearest first.

    >>> near("spectre", ["spectra", "compare"]), near("--budget", ["--time-budget", "--seed"])
    (['spectra'], ['--time-budget'])
    >>> near("--sede", ["--seed", "--seeds"]), near("x", ["spectra"])
    (['--seed', '--seeds'], [])
    """
    names = list(known)
    found = get_close_matches(word, names, n=3, cutoff=_ALIKE)
    plain = word.lstrip("-")
    if len(plain) > 2:
        found += [name for name in names if plain in name.lstrip("-").split("-")]
        found += [name for name in names if name.lstrip("-").startswith(plain)]
    return list(dict.fromkeys(found))


def in_flags(message: str, spelled: Mapping[str, str]) -> str:
    """Return an error's text with the names of arguments as they are typed on a command line.

    Args:
        message: of a function of this package.
        spelled: argument to flag.

    >>> in_flags("xmin must be 'median'; k is 0. Try: k=2", {"xmin": "--xmin", "k": "--top"})
    "--xmin must be 'median'; --top is 0. Try: --top 2"
    """

    def flag(found: re.Match[str]) -> str:
        return f"{found[1]}{spelled.get(found[2], found[2])}"

    said, sign, tip = message.partition("Try: ")
    said = re.sub(r"(^|; )([a-z_]+)(?= (?:is|must|needs|expects) )", flag, said)
    names = "|".join(map(re.escape, spelled)) or "(?!)"
    tip = re.sub(rf"\b({names})=(?=[\w'\"./])", lambda found: f"{spelled[found[1]]} ", tip)
    return said + sign + tip


def _flag_of(action: argparse.Action) -> str:
    """Return how an error names an argument: its first flag, or its place."""
    if action.option_strings:
        return action.option_strings[0]
    return str(action.metavar or action.dest)


def _value_of(action: argparse.Action) -> str:
    if action.metavar:
        return action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    if action.choices is not None:
        return next(iter(map(str, action.choices)))
    return action.dest.upper()


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _or(words: Sequence[str]) -> str:
    """Return words as a choice.

    >>> _or(["a", "b", "c"]), _or(["a"])
    ('a, b or c', 'a')
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
