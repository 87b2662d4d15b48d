"""Flags from option dataclasses."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from eigenscape.cli._flags import add_flags, read_flags
from eigenscape.errors import InputError


@dataclass(frozen=True)
class Options:
    """Options.

    Args:
        steps: along each axis, 100 % of them. More take longer.
        rate: of the training.
        unit: of the radius.
        embeddings: examine embeddings too.
        repeat: evaluate twice.
        include: globs to take.
        kinds: tensor glob to kind.
        xmin: a word or a fraction.
        scale: a factor.
    """

    steps: int = 41
    rate: float = 0.05
    unit: Literal["absolute", "relative"] = "absolute"
    embeddings: bool = False
    repeat: bool = True
    include: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    xmin: str | float = "median"
    scale: float | None = None


NAMES = tuple(Options.__dataclass_fields__)


def parser():
    made = argparse.ArgumentParser(prog="eigenscape")
    spelled = {"kinds": "--kind", "repeat": "--no-repeat"}
    add_flags(made, Options, NAMES, spelled, {"include": "GLOB"})
    return made


def test_nothing_given_leaves_the_defaults_to_the_dataclass():
    assert read_flags(parser().parse_args([]), Options) == {}


def test_every_type_comes_back_as_its_field_has_it():
    words = (
        "--steps 7 --rate 0.5 --unit relative --embeddings --no-repeat --include a --include b* "
        "--kind head=linear --xmin third --scale 2"
    )
    found = Options(**read_flags(parser().parse_args(words.split()), Options))
    assert found == Options(
        steps=7,
        rate=0.5,
        unit="relative",
        embeddings=True,
        repeat=False,
        include=("a", "b*"),
        kinds={"head": "linear"},
        xmin="third",
        scale=2.0,
    )


def test_the_help_is_the_documentation_with_the_default():
    text = " ".join(parser().format_help().split())
    assert "--steps N along each axis, 100 % of them [41]" in text
    assert "{absolute,relative}" in text
    assert "--include GLOB globs to take" in text
    assert "[()]" not in text
    assert "[None]" not in text


@pytest.mark.parametrize("value", ["head", "=linear", "head="])
def test_a_pair_without_its_parts_is_refused(value):
    with pytest.raises(InputError, match="KEY=VALUE"):
        read_flags(parser().parse_args(["--kind", value]), Options)
