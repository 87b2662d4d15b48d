"""The page of the command lists every flag of every verb, as the parsers have them."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / ".ci" / "command_page.py"


@pytest.fixture(scope="module")
def command_page():
    spec = importlib.util.spec_from_file_location("command_page", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_parsers_say(command_page):
    assert command_page.PAGE.read_text() == command_page.page(), (
        "docs/command.md is not up to date. Try: python .ci/command_page.py"
    )


def test_every_flag_has_a_description(command_page):
    bare = [
        f"{name}: {action.option_strings or action.dest}"
        for name, parser in command_page.verbs(command_page.make_parser())
        for action in parser._actions
        if not action.help and not hasattr(action, "_name_parser_map")
    ]
    assert bare == []
