"""The codec: every result comes back as itself; a file that is none is refused in a sentence."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, TypedDict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.results import Environment, Result, decode, encode, find_row, load, picture_of
from tests._results import EXAMPLES, all_results

STAMP = Environment(versions={"python": "3"}, created="2026-01-01T00:00:00+00:00")


@dataclass(frozen=True)
class Base:
    a: float
    b: int = 3


@dataclass(frozen=True)
class Derived(Base):
    c: str = "x"


@dataclass(frozen=True)
class Other:
    word: Literal["u", "v", 1]


class Row(TypedDict):
    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Everything(Result):
    schema: ClassVar[str] = "tests.everything/3"
    also_written: ClassVar[tuple[str, ...]] = ("count",)
    flag: bool = True
    whole: int = 1
    number: float = 1.0
    text: str = "ü"
    maybe: float | None = None
    mixed: str | float | int | bool | None = None
    choice: Literal["a", "b", 2] = "a"
    complex_: complex = 1j
    path: Path | None = None
    pair: tuple[int, str] = (1, "a")
    empty: tuple[()] = ()
    many: tuple[float, ...] = ()
    nested: tuple[tuple[float, ...], ...] = ()
    listed: list[int] = field(default_factory=list)
    group: frozenset[str] = frozenset()
    by_name: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    by_step: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    one: Base = field(default_factory=lambda: Base(1.0))
    either: Base | Other = field(default_factory=lambda: Other("u"))
    rows: tuple[Row, ...] = ()
    anything: dict[str, Any] = field(default_factory=dict)
    doubles: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    bytes_: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(2, np.uint8))
    flags: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(2, bool))
    complexes: NDArray[np.complex128] = field(default_factory=lambda: np.zeros(2, complex))
    inner: Result | None = None
    hidden: Any = field(default=None, metadata={"saved": False}, compare=False)
    large: NDArray[np.float64] | None = field(default=None, metadata={"largest": 3})

    @property
    def count(self) -> int:
        return len(self.many)

    def frame(self):
        import pandas as pd

        return pd.DataFrame({"many": self.many})


def everything(**values: Any) -> Everything:
    return Everything(environment=STAMP, **values)


def through(result: Result) -> Result:
    text = json.dumps(result.to_dict(), allow_nan=False)
    return decode(json.loads(text), type(result))


# ------------------------------------------------------------------ what comes back

NAN, INF = math.nan, math.inf
VALUES = [
    {"number": NAN},
    {"number": -INF},
    {"number": np.float32(0.1)},
    {"whole": np.int64(7)},
    {"flag": np.bool_(False)},
    {"whole": 10**30},
    {"text": 'a"\n\\\u2028'},
    {"maybe": NAN},
    {"maybe": INF},
    {"maybe": 2.0},
    {"mixed": "NaN"},
    {"mixed": NAN},
    {"mixed": -INF},
    {"mixed": 1},
    {"mixed": 1.0},
    {"mixed": True},
    {"choice": 2},
    {"complex_": complex(NAN, -INF)},
    {"path": Path("/a/b.json")},
    {"many": (1.0, NAN, INF)},
    {"nested": ((), (1.0,), (NAN, 2.0))},
    {"listed": [1, 2]},
    {"group": frozenset("abc")},
    {"by_name": {"": (NAN, INF)}},
    {"by_step": {-3: np.array([1.0, NAN]), 0: np.array([])}},
    {"one": Derived(2.0, c="d")},
    {"either": Base(NAN)},
    {"either": Other(1)},
    {"rows": ({"name": "a", "value": NAN},)},
    {"anything": {"a": [1, 1.0, NAN, None, {"float": "other"}], "b": {"c": "NaN"}}},
    {"doubles": np.array([[NAN, INF], [-INF, 0.1]])},
    {"doubles": np.empty((0, 3))},
    {"doubles": np.array(2.5)},
    {"bytes_": np.array([255], np.uint8)},
    {"flags": np.array([[True], [False]])},
    {"complexes": np.array([1 + NAN * 1j, -2j])},
    {"inner": everything(many=(3.0,), number=NAN)},
    {"large": np.arange(3.0)},
]


@pytest.mark.parametrize("values", VALUES, ids=lambda values: next(iter(values)))
def test_it_comes_back_as_itself(values, tmp_path):
    result = everything(**values)
    assert through(result) == result
    assert load(result.save(tmp_path / "r.json")) == result
    (name,) = values
    assert type(getattr(through(result), name)) is type(getattr(result, name)) or isinstance(
        values[name], np.generic
    )


@given(st.tuples(st.floats(), st.floats()), hnp.arrays(float, hnp.array_shapes(min_side=0)))
def test_numbers_come_back_to_the_bit(numbers, array):
    result = everything(many=numbers, doubles=array, by_name={"x": numbers}, maybe=numbers[0])
    back = through(result)
    assert back == result
    assert np.array(back.many).tobytes() == np.where(np.isnan(numbers), NAN, numbers).tobytes()
    assert back.doubles.shape == array.shape


def test_equality_sees_every_field():
    result = everything(many=(NAN,), doubles=np.array([NAN]))
    assert result == everything(many=(NAN,), doubles=np.array([NAN]))
    changes = [{"whole": 2}, {"many": (1.0,)}, {"doubles": np.zeros(1)}, {"one": Derived(1.0)}]
    for change in (*changes, {"by_name": {"a": (1.0, 2.0)}}, {"doubles": np.zeros(1, np.float32)}):
        assert everything(many=(NAN,), doubles=np.array([NAN])) != everything(
            **{"many": (NAN,), "doubles": np.array([NAN]), **change}
        )
    assert result != "another thing"
    with pytest.raises(TypeError, match="unhashable"):
        hash(result)


def test_what_is_not_saved():
    result = everything(hidden=object(), large=np.arange(4.0), many=(1.0, 2.0))
    plain = result.to_dict()
    assert "hidden" not in plain
    assert plain["large"] is None
    assert list(plain)[:3] == ["schema", "environment", "count"]
    assert plain["count"] == 2
    back = through(result)
    assert back.hidden is None
    assert back.count == 2


@pytest.mark.parametrize(
    "values",
    [
        {"whole": 1.0},
        {"whole": True},
        {"flag": 1},
        {"text": None},
        {"number": "1"},
        {"choice": "c"},
        {"pair": (1, "a", 2)},
        {"pair": [1, "a"]},
        {"many": [1.0]},
        {"maybe": "x"},
        {"by_name": {1: (1.0, 2.0)}},
        {"by_step": {"1": np.zeros(1)}},
        {"one": Other("u")},
        {"either": 3},
        {"anything": {"a": (1, 2)}},
        {"anything": {"a": object()}},
        {"doubles": [1.0]},
        {"doubles": np.array(["a"])},
        {"bytes_": np.array([1.5])},
        {"path": "/a"},
        {"listed": (1.0,)},
    ],
    ids=lambda values: next(iter(values)),
)
def test_a_field_that_holds_something_else_is_not_written(values):
    with pytest.raises(TypeError, match="declared"):
        everything(**values).to_dict()


# ------------------------------------------------------------------ what is refused

BAD = [
    ("whole", 1.0, "whole: expected a whole number, found 1.0"),
    ("whole", True, "expected a whole number"),
    ("whole", "1", "expected a whole number"),
    ("flag", "false", "flag: expected true or false, found 'false'"),
    ("flag", 0, "expected true or false"),
    ("text", None, "text: expected a text, found null"),
    ("number", "1.0", "number: expected a number"),
    ("number", True, "number: expected a number"),
    ("number", 10**400, "a number of at most 1.8e308"),
    ("maybe", "much", "maybe: expected a number or null"),
    ("mixed", [], "mixed: expected a text or a number"),
    ("choice", 2.0, "choice: expected one of 'a', 'b', 2"),
    ("complex_", [1, 2], "complex number"),
    ("pair", [1], "pair: expected a list of 2, found a list of 1"),
    ("pair", {"0": 1}, "pair: expected a list of 2, found an object"),
    ("many", "12", "many: expected a list"),
    ("many", [1.0, "x"], r"many\[1\]: expected a number, found 'x'"),
    ("nested", [[1.0], 2.0], r"nested\[1\]: expected a list"),
    ("by_name", [], "by_name: expected an object"),
    ("by_name", {"k": [1.0]}, r"by_name\['k'\]: expected a list of 2"),
    ("by_step", {"1.0": []}, "by_step: expected a whole number as the key"),
    ("by_step", {"01": []}, "by_step: expected a whole number as the key"),
    ("one", {"a": 1.0}, "one: b is missing"),
    ("one", {"a": 1.0, "b": 2, "x": 3}, "one: x is unknown"),
    ("one", {"type": "Other", "word": "u"}, "one of Base, Derived"),
    ("either", {"a": 1.0, "b": 2}, "either: expected an object"),
    ("either", {"type": "Row"}, "either: expected an object"),
    ("rows", [{"name": "a"}], r"rows\[0\]: value is missing"),
    ("rows", [{"name": "a", "value": 1.0, "x": 1}], r"rows\[0\]: x is unknown"),
    ("rows", ["a"], r"rows\[0\]: expected an object"),
    ("doubles", [[1.0], [2.0, 3.0]], "doubles: expected nested lists of equal lengths"),
    ("doubles", [[1.0], 2.0], "doubles: expected nested lists"),
    ("doubles", [1.0, [2.0]], "doubles: expected a number"),
    ("doubles", [1.0, True], "doubles: expected a number"),
    ("doubles", {"shape": [2, 3]}, "shape of an array without entries"),
    ("bytes_", [256], "bytes_: expected numbers that fit into uint8"),
    ("bytes_", [-1], "bytes_: expected numbers that fit into uint8"),
    ("flags", [0, 1], "flags: expected entries of type bool"),
    ("complexes", [1.0], "complexes: expected complex numbers"),
    ("inner", {"a": 1}, "inner: .*states the schema None"),
    ("environment", None, "environment: expected an object"),
    ("environment", {}, "environment: versions, platform"),
]


@pytest.mark.parametrize(("name", "value", "words"), BAD, ids=[f"{n}-{w}" for n, _, w in BAD])
def test_what_is_wrong_is_said_with_its_place(tmp_path, name, value, words):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**everything().to_dict(), name: value}))
    with pytest.raises(InputError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "Try: " in str(caught.value)


@pytest.mark.parametrize("name", [f.name for f in fields(Everything) if f.name != "hidden"])
def test_every_field_has_to_be_there(tmp_path, name):
    data = everything().to_dict()
    del data[name]
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=f"{name} is missing"):
        load(path)


def test_several_faults_are_told_together(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**everything().to_dict(), "whole": "x", "flag": 3, "extra": 1}))
    with pytest.raises(InputError) as caught:
        load(path)
    assert all(word in str(caught.value) for word in ("whole: ", "flag: ", "extra is unknown"))
    path.write_text(json.dumps({**everything().to_dict(), "many": ["x"] * 100}))
    with pytest.raises(InputError, match="and 95 more"):
        load(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON"),
        ('{"schema": "tests.everything/3", "whole"', "is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"schema": "tests.everything/3", "anything": ' + '{"a":' * 100_000, "nested too deeply"),
        ('{"number": NaN}', "NaN is not a JSON number"),
        ('{"number": -Infinity}', "-Infinity is not a JSON number"),
        ('{"whole": ' + "9" * 5000 + "}", "is not JSON"),
        ('{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        ("[]", "holds a JSON list"),
        ("3", "holds a JSON int"),
        ("{}", "states the schema None"),
        ('{"schema": 3}', "states the schema 3"),
        ('{"schema": "tests.everything"}', "expected a result file"),
        ('{"schema": "tests.unheard/1"}', "unknown schema 'tests.unheard'"),
        ('{"schema": "tests.everything/2"}', "version 2 of tests.everything; .* reads"),
        ('{"schema": "eigenscape.hessian/99"}', "version 99 of eigenscape.hessian"),
        ('{"schema": "tests.everything/3"}', "environment, flag, whole"),
    ],
)
def test_files_that_are_no_results(tmp_path, text, words):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_deep_nesting_within_a_field(tmp_path):
    depth = sys.getrecursionlimit() - 100
    data = everything().to_dict()
    text = json.dumps({**data, "anything": {}}).replace(
        '"anything": {}', '"anything": {"a": ' + "[" * depth + "]" * depth + "}"
    )
    path = tmp_path / "deep.json"
    path.write_text(text)
    with pytest.raises(InputError, match="nested too deeply"):
        load(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00" * 100, b"\x89PNG\r\n"])
def test_bytes_that_are_no_text(tmp_path, content):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not JSON"):
        load(path)


def test_no_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="cannot read"):
            load(path)


def test_a_name_that_is_not_utf8(tmp_path):
    result = everything(text="\udcff.npy")
    assert load(result.save(tmp_path / "r.json")) == result


def test_a_result_of_another_class(tmp_path):
    path = everything().save(tmp_path / "r.json")
    with pytest.raises(InputError, match=r"holds tests.everything/3; expected"):
        type(EXAMPLES["HessianResult"]()).load(path)


# ------------------------------------------------------------------ registries


def test_a_schema_belongs_to_one_class():
    with pytest.raises(TypeError, match=r"both have the schema tests.everything"):
        type("Second", (Result,), {"schema": "tests.everything/4", "__module__": __name__})
    with pytest.raises(TypeError, match="is not 'name/version'"):
        type("Third", (Result,), {"schema": "tests.third", "__module__": __name__})


def test_a_picture_has_one_function():
    with pytest.raises(InputError, match="no picture of a Everything"):
        everything().plot()

    @picture_of(Everything)
    def draw(result, *, title=""):
        from eigenscape.results import new_figure

        figure = new_figure()
        figure.suptitle(title)
        return figure

    assert everything().plot(title="hello").get_suptitle() == "hello"
    with pytest.raises(TypeError, match="both draw"):
        picture_of(Everything)(lambda result: None)
    from eigenscape.results import _pictures

    del _pictures._PICTURES[Everything]


def test_it_is_short_on_a_prompt():
    text = repr(everything(many=(1.0,) * 100, whole=5))
    assert len(text) < 200
    assert text.startswith("Everything(flag=True, whole=5, number=1,")
    assert "<table" in everything()._repr_html_()


def test_fields_without_a_type_or_a_default_are_faults_of_the_class():
    @dataclass(frozen=True)
    class Bare:
        x: NDArray[Any]

    @dataclass(frozen=True)
    class Unsaved:
        x: int = field(metadata={"saved": False})

    globals().update(Bare=Bare, Unsaved=Unsaved)
    with pytest.raises(TypeError, match="states no type of numbers"):
        encode(Bare(np.zeros(1)))
    with pytest.raises(TypeError, match="are not saved and have no default"):
        encode(Unsaved(1))


# ------------------------------------------------------------------ every result of the library


def test_every_result_class_has_an_example():
    assert {kind.__name__ for kind in all_results()} == set(EXAMPLES)


def test_every_schema_is_in_one_table():
    from eigenscape.results._schemas import _offered

    offered = _offered()
    for kind in all_results():
        name = kind.schema.rpartition("/")[0]
        assert kind.__module__.startswith(offered[name]), name


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_result_makes_a_round_trip(tmp_path, name):
    result = EXAMPLES[name]()
    path = result.save(tmp_path / "result.json")
    for back in (load(path), type(result).load(path)):
        assert type(back) is type(result)
        assert back == result
        assert back.to_dict() == result.to_dict()
        assert back.frame().equals(result.frame())
    assert len(repr(result)) < 300
    assert "<table" in result._repr_html_()


_FRESH = """
import sys
from pathlib import Path
from eigenscape.results import load
assert "matplotlib" not in sys.modules
for path in sorted(Path(sys.argv[1]).glob("*.json")):
    result = load(path)
    assert "matplotlib.pyplot" not in sys.modules
    result.plot().draw_without_rendering()
    print(path.stem)
"""


def test_a_row_by_its_place_or_its_name():
    rows = [Path("fc1"), Path("fc2"), Path("head")]
    assert [find_row(rows, key).name for key in (0, -1, "fc2")] == ["fc1", "head", "fc2"]
    with pytest.raises(KeyError, match=r"no row 'fc3' among 3. Try: fc2, fc1"):
        find_row(rows, "fc3")
    with pytest.raises(IndexError, match="row 3 of 3; expected 0 to 2"):
        find_row(rows, 3)


def test_a_short_text_leaves_out_what_is_empty_and_counts_rows():
    made = EXAMPLES["ComparisonResult"]()
    text = "ComparisonResult(before='state dict', after='state dict', changes="
    assert repr(made) == f"{text}[{len(made.changes)}])"
    assert made[0] is made[made[0].name] is made.changes[0]


@pytest.mark.slow
def test_plot_after_load_in_a_fresh_process(tmp_path):
    for name, make in EXAMPLES.items():
        make().save(tmp_path / f"{name}.json")
    done = subprocess.run(
        [sys.executable, "-c", _FRESH, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == sorted(EXAMPLES)


# ------------------------------------------------------------------ fuzz

_plain: dict[str, Any] = {}
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
leaves |= st.text(max_size=5) | st.sampled_from(["NaN", "Infinity", {}, [], {"float": "NaN"}])


@st.composite
def damaged(draw, data):
    """Change one place of a JSON value: another value, a lost or a doubled entry, a new key."""
    if isinstance(data, dict) and data and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(data)))
        return {**data, key: draw(damaged(data[key]))}
    if isinstance(data, list) and data and draw(st.integers(0, 4)):
        place = draw(st.integers(0, min(len(data), 50) - 1))
        return [*data[:place], draw(damaged(data[place])), *data[place + 1 :]]
    if isinstance(data, dict) and data:
        lost = draw(st.sampled_from([*sorted(data), None]))
        kept = {key: value for key, value in data.items() if key != lost}
        return kept if lost else {**data, draw(st.text(max_size=3)): draw(leaves)}
    if isinstance(data, list) and data:
        return draw(st.sampled_from([data[1:], [*data, data[-1]], data[::-1]]))
    return draw(leaves)


@pytest.mark.parametrize("name", EXAMPLES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_read(name, data):
    if name not in _plain:
        result = EXAMPLES[name]()
        _plain[name] = type(result), json.loads(json.dumps(result.to_dict()))
    kind, plain = _plain[name]
    changed = data.draw(damaged(plain))
    try:
        result = decode(changed, kind)
    except InputError:
        return
    again = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert decode(again, kind) == result
    result.frame()


@pytest.mark.parametrize(
    ("name", "place", "bad", "said"),
    [
        ("SpectraResult", ("layers", 0, "n_eigenvalues"), -1, "n_eigenvalues is -1; expected 0"),
        ("SpectraResult", ("layers", 0, "layer", "shape", 0), -4, "shape is -4"),
        ("SpectraResult", ("layers", 0, "alpha_hill"), -2.0, "alpha_hill is -2.0"),
        ("ComparisonResult", ("changes", 0, "sparsity_after"), 1.5, "expected from 0 to 1"),
        ("HessianResult", ("samples",), -3, "samples is -3"),
        ("HessianResult", ("trace_stderr",), -0.1, "trace_stderr is -0.1"),
        ("AblationResult", ("units",), -1, "units is -1"),
        ("EvaluationResult", ("majority",), 130.0, "majority is 130.0; expected from 0 to 100"),
        ("MDTree", ("leaves", 0, "counts", "small"), -1, "counts is -1"),
    ],
)
def test_numbers_out_of_their_range_are_refused_when_read(tmp_path, name, place, bad, said):
    result = EXAMPLES[name]()
    path = result.save(tmp_path / "result.json")
    data = json.loads(path.read_text())
    inner = data
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = bad
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=re.escape(said)):
        type(result).load(path)
