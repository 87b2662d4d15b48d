"""Findings: refused ones, what to do in words, and how a terminal shows them."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from eigenscape.cli._tables import finding_lines, print_answer
from eigenscape.errors import InputError
from eigenscape.results import Environment, Finding, Result


@dataclass(frozen=True, kw_only=True)
class Said(Result):
    """A result that has an answer."""

    schema: ClassVar[str] = "tests.said/1"
    says: str

    @property
    def answer(self):
        return self.says

    @property
    def findings(self):
        return tuple(
            Finding(text=f"Layer {n} is so.", basis="guess", todo="Look", command=f"ls {n}")
            for n in range(5)
        )

    def frame(self):
        raise NotImplementedError


def said(text):
    return Said(environment=Environment.capture(), says=text)


def test_a_command_needs_words_for_what_it_is():
    with pytest.raises(InputError, match="a command without a todo"):
        Finding(text="It is so.", basis="guess", command="ls")


def test_the_answer_and_three_findings_are_printed_within_the_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    print_answer(said("All five layers are described here, and nothing is said of training."))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "All five layers are described here, and",
        "nothing is said of training.",
        "1. Layer 0 is so. -> Look: ls 0",
    ]
    assert [line[:2] for line in lines if line[:1].isdigit()] == ["1.", "2.", "3."]
    assert max(map(len, lines)) <= 40


def test_a_long_command_is_never_broken():
    command = "eigenscape checkup folder/of/a/model --text a/text/of/some/length.txt"
    found = Finding(text="fc reads so.", basis="measurement", todo="Measure", command=command)
    assert finding_lines(found, 1, 40) == ["1. fc reads so. -> Measure:", f"      {command}"]


def test_what_needs_nothing_says_so():
    found = Finding(text="It is as it was.", basis="measurement")
    assert finding_lines(found, 2, 80) == ["2. It is as it was. -> Nothing to do."]


def test_a_file_holds_what_is_said_for_its_readers_and_no_word_where_nothing_is(tmp_path):
    result = said("So it is.")
    data = result.to_dict()
    assert list(data)[:4] == ["schema", "environment", "answer", "findings"]
    assert data["findings"][0]["command"] == "ls 0"
    assert Said.load(result.save(tmp_path / "said.json")) == result
    assert "answer" not in said("").to_dict()
