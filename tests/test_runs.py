"""Runs: keys, the folder, failures and progress. The engines have a file of their own."""

import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eigenscape.errors import InputError, MissingExtraError, OutputError, TaskError
from eigenscape.runs import (
    Progress,
    Task,
    _progress,
    execute,
    progress_bar,
    raise_failures,
    read_about,
    single_thread,
    unfinished,
)
from eigenscape.runs._parcel import Call, Desk
from eigenscape.runs._progress import Tracker, later, state
from eigenscape.runs._store import Record, Slot, read_record, write_record
from eigenscape.runs._worker import Order, work
from tests._properties import examples


class Color(Enum):
    RED = 1


@dataclass(frozen=True)
class Settings:
    rate: float
    widths: tuple[int, ...] = (8, 4)


def square(x):
    return x * x


def logged_square(x, log):
    """Leave one line for each execution."""
    with open(log, "a") as file:
        file.write(f"{x}\n")
    return {"x": x, "square": np.asarray(x * x)}


def divide_unless(x, marker):
    if Path(marker).exists():
        raise ZeroDivisionError(f"division by\n {x}")
    return 1 / x


def interrupt():
    raise KeyboardInterrupt


def nap(seconds):
    time.sleep(seconds)


def hand_back(value):
    return value


def awkward(kind):
    values = {
        "set": {1},
        "object": object(),
        "objects": np.array([None]),
        "date": np.datetime64("2020-01-01"),
        "masked": np.ma.masked_array([1.0, 2.0], [True, False]),
        "enum": Color.RED,
        "nested": [{"deep": (1, b"bytes")}],
    }
    return values[kind]


def remove_files(folder, pattern):
    for path in Path(folder).glob(pattern):
        path.unlink()


def bad_file_name():
    raise FileNotFoundError(os.fsdecode(b"weights-\xff.pt"))


def lines(path):
    return Path(path).read_text().split() if Path(path).exists() else []


def run_here(tasks, **options):
    return execute(tasks, engine="threads", jobs=1, **options)


def squares(log, count=4):
    return [Task(f"square {x}", logged_square, {"x": x, "log": str(log)}) for x in range(count)]


# --- answers and order -------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2, None])
def test_values_come_in_the_order_of_the_tasks(jobs):
    tasks = [Task(f"t{x}", square, {"x": x}) for x in (3, 1, 2)]
    outcomes = execute(tasks, engine="threads", jobs=jobs)
    assert [(o.name, o.value, o.ok, o.resumed) for o in outcomes] == [
        ("t3", 9, True, False),
        ("t1", 1, True, False),
        ("t2", 4, True, False),
    ]


def test_an_empty_list_is_a_run_too(tmp_path):
    assert execute([]) == []
    assert execute([], folder=tmp_path) == []


def test_memory_writes_nothing_and_takes_any_type(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = {"any": {1, 2}}
    [outcome] = run_here([Task("set", hand_back, {"value": value})])
    assert outcome.value is value
    assert outcome.file is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_holds_one_file_a_task_and_the_manifest(tmp_path):
    tasks = squares(tmp_path / "log", 2)
    outcomes = run_here(tasks, folder=tmp_path / "run")
    keys = [task.key for task in tasks]
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"run.json", *(f"{key}.npz" for key in keys)}
    assert [outcome.file for outcome in outcomes] == [tmp_path / "run" / f"{k}.npz" for k in keys]
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["schema"] == "eigenscape.run/1"
    assert manifest["environment"]["versions"]["numpy"] == np.__version__
    assert manifest["tasks"] == [
        {"name": task.name, "key": key} for task, key in zip(tasks, keys, strict=True)
    ]


def test_threads_leave_the_umask_as_found(tmp_path, monkeypatch):
    umask = os.umask

    def slow_umask(mask):  # gives way to another thread, as a busy machine may
        found = umask(mask)
        time.sleep(0.001)
        return found

    monkeypatch.setattr(os, "umask", slow_umask)
    before = umask(0o027)
    try:
        tasks = [Task(f"t{x}", square, {"x": x}) for x in range(20)]
        execute(tasks, engine="threads", jobs=4, folder=tmp_path)
        assert umask(0o027) == 0o027
    finally:
        umask(before)


# --- resuming ----------------------------------------------------------------------------------


def test_a_second_run_computes_nothing(tmp_path):
    log, tasks = tmp_path / "log", squares(tmp_path / "log")
    first = run_here(tasks, folder=tmp_path / "run")
    second = run_here(tasks, folder=tmp_path / "run")
    assert lines(log) == ["0", "1", "2", "3"]
    assert not any(outcome.resumed for outcome in first)
    assert all(outcome.resumed for outcome in second)
    assert [o.value["square"] for o in second] == [0, 1, 4, 9]
    assert [o.seconds for o in second] == [o.seconds for o in first]


def test_only_what_is_new_or_changed_is_computed(tmp_path):
    log = tmp_path / "log"
    run_here(squares(log, 3), folder=tmp_path / "run")
    changed = Task("square 1", logged_square, {"x": 7, "log": str(log)})
    outcomes = run_here([*squares(log, 1), changed], folder=tmp_path / "run")
    assert lines(log) == ["0", "1", "2", "7"]
    assert [(o.value["x"], o.resumed) for o in outcomes] == [(0, True), (7, False)]


def cut(fraction):
    return lambda data: data[: int(len(data) * fraction)]


def flip(data):
    middle = data.index(b'"square"')  # inside the JSON entry, where only the checksum can tell
    return data[:middle] + b"?" + data[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [cut(0), cut(0.1), cut(0.5), cut(0.99), flip, lambda data: b"not a zip", lambda data: b"PK"],
    ids=["empty", "tenth", "half", "tail", "flip", "text", "magic"],
)
def test_a_damaged_file_is_computed_again(tmp_path, damage):
    log, tasks = tmp_path / "log", squares(tmp_path / "log", 2)
    first = run_here(tasks, folder=tmp_path / "run")
    first[1].file.write_bytes(damage(first[1].file.read_bytes()))
    second = run_here(tasks, folder=tmp_path / "run")
    assert lines(log) == ["0", "1", "1"]
    assert [o.resumed for o in second] == [True, False]
    assert second[1].value["square"] == 1
    assert all(o.resumed for o in run_here(tasks, folder=tmp_path / "run"))


@pytest.mark.slow
def test_no_single_bit_can_change_a_value(tmp_path):
    value = {"loss": np.array([0.1, 0.2]), "n": 3}
    slot = Slot(tmp_path, "key")
    write_record(slot, Record(value, 1.5))
    content = slot.finished.read_bytes()
    found = 0
    for place in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            slot.finished.write_bytes(damaged)
            record = read_record(slot)
            if record is not None:  # a bit that says nothing, such as the time of a zip member
                assert same(record.value, value)
                assert record.seconds == 1.5
            found += record is None
    assert found > 4 * len(content)


def test_damage_is_told(tmp_path):
    tasks, seen = squares(tmp_path / "log", 3), []
    [first, *_] = run_here(tasks, folder=tmp_path / "run")
    first.file.write_bytes(b"PK")
    again = run_here(tasks, folder=tmp_path / "run", progress=seen.append)
    assert [outcome.damaged for outcome in again] == [True, False, False]
    assert {progress.damaged for progress in seen} == {1}


def test_a_folder_about_something_else_is_refused(tmp_path):
    tasks = squares(tmp_path / "log", 2)
    run_here(tasks, folder=tmp_path / "run", about={"data": "a", "loss": 0.5, "steps": 3})
    assert read_about(tmp_path / "run") == {"data": "a", "loss": 0.5, "steps": 3}
    assert read_about(tmp_path / "none") is None
    assert unfinished(tasks, tmp_path / "run") == []
    run_here(tasks, folder=tmp_path / "run", about={"data": "a", "loss": 0.5 + 1e-9, "steps": 3})
    with pytest.raises(InputError, match=r"changed: loss \(0.50.* there, 0.6 now\), steps"):
        run_here(tasks, folder=tmp_path / "run", about={"data": "a", "loss": 0.6})
    hashes = [{"weights": 16 * two} for two in ("ab", "cd")]
    run_here(tasks, folder=tmp_path / "hashed", about=hashes[0])
    with pytest.raises(InputError, match=r"changed: weights\. Try"):
        run_here(tasks, folder=tmp_path / "hashed", about=hashes[1])
    for manifest in ('{"schema": "other"}', '{"schema": "eigenscape.run/1", "about": [1]}'):
        (tmp_path / "run" / "run.json").write_text(manifest)
        with pytest.raises(InputError, match="not the manifest"):
            read_about(tmp_path / "run")


def test_another_tasks_file_is_not_taken_for_ones_own(tmp_path):
    tasks = squares(tmp_path / "log", 2)
    first = run_here(tasks, folder=tmp_path / "run")
    first[1].file.write_bytes(first[0].file.read_bytes())
    assert run_here(tasks, folder=tmp_path / "run")[1].value["square"] == 1


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("inside", [True, False], ids=["in the archive", "bare"])
def test_a_file_is_never_unpickled(tmp_path, inside):
    log, tasks = tmp_path / "log", squares(tmp_path / "log", 1)
    [outcome] = run_here(tasks, folder=tmp_path / "run")
    bomb, crater = Bomb(tmp_path / "crater"), tmp_path / "crater"
    if inside:
        with np.load(outcome.file) as archive:
            content = dict(archive)
        np.savez(outcome.file, **{**content, "a0": np.array(bomb, dtype=object)})
    else:
        outcome.file.write_bytes(pickle.dumps(bomb))
    [again] = run_here(tasks, folder=tmp_path / "run")
    assert not crater.exists()
    assert again.value["square"] == 0
    assert lines(log) == ["0", "0"]


def test_leftovers_of_a_killed_run_are_swept_up(tmp_path):
    tasks = squares(tmp_path / "log", 2)
    run = tmp_path / "run"
    spool = run / ".handed-over-abc"
    spool.mkdir(parents=True)
    (spool / "0.npy").write_bytes(b"half of an arr")
    for name in (f".{tasks[0].key}.npz.x1y2_.part", ".run.json.x1y2.part"):
        (run / name).write_bytes(b"half of a fi")
    for name in ("download.part", ".movie.part"):  # somebody else's
        (run / name).write_bytes(b"half of a fi")
    assert [o.value["square"] for o in run_here(tasks, folder=run)] == [0, 1]
    rest = {path.name for path in run.iterdir()} - {f"{task.key}.npz" for task in tasks}
    assert rest == {"run.json", "download.part", ".movie.part"}


def test_a_relative_folder_is_the_callers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tasks = [Task("change place", os.chdir, {"path": "/"}), Task("t", square, {"x": 3})]
    assert run_here(tasks, folder="run")[1].file == tmp_path / "run" / f"{tasks[1].key}.npz"


# --- failures ----------------------------------------------------------------------------------


def test_a_failure_is_recorded_the_others_kept_and_it_is_tried_again(tmp_path):
    marker = tmp_path / "marker"
    marker.touch()
    log = tmp_path / "log"
    bad = Task("bad one", divide_unless, {"x": 4, "marker": str(marker)})
    tasks = [squares(log, 2)[0], bad, squares(log, 2)[1]]
    outcomes = run_here(tasks, folder=tmp_path / "run")
    assert [o.ok for o in outcomes] == [True, False, True]
    assert outcomes[1].value is None
    assert outcomes[1].error == "ZeroDivisionError: division by 4"
    assert "in divide_unless" in outcomes[1].traceback
    assert "_worker.py" not in outcomes[1].traceback
    assert outcomes[1].file == tmp_path / "run" / f"{bad.key}.error.json"
    assert json.loads(outcomes[1].file.read_text()) == {
        "name": "bad one",
        "error": outcomes[1].error,
        "traceback": outcomes[1].traceback,
    }

    marker.unlink()
    again = run_here(tasks, folder=tmp_path / "run")
    assert [(o.ok, o.resumed) for o in again] == [(True, True), (True, False), (True, True)]
    assert again[1].value == 0.25
    assert not outcomes[1].file.exists()
    assert lines(log) == ["0", "1"]


def test_a_stale_error_is_taken_back_when_the_value_is_there(tmp_path):
    [outcome] = run_here([Task("t", square, {"x": 3})], folder=tmp_path)
    stale = outcome.file.with_name(outcome.file.name.replace(".npz", ".error.json"))
    stale.write_text("{}")  # as a run leaves it that is killed between its last two moves
    run_here([Task("t", square, {"x": 3})], folder=tmp_path)
    assert not stale.exists()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("set", "set (value)"),
        ("object", "object (value)"),
        ("objects", "ndarray of dtype object (value)"),
        ("date", "datetime64 of dtype datetime64[D] (value)"),
        ("masked", "MaskedArray of dtype float64 (value)"),
        ("enum", "Color (value)"),
        ("nested", "bytes (value[0]['deep'][1])"),
    ],
)
def test_a_value_of_another_type_fails_and_says_what_to_do(tmp_path, kind, said):
    [outcome] = run_here([Task(kind, awkward, {"kind": kind})], folder=tmp_path)
    assert outcome.error.startswith(f"InputError: the task returned the type {said}; ")
    assert "Try: return such values" in outcome.error
    assert list(tmp_path.glob("*.npz")) == []


def test_an_error_that_quotes_a_name_that_is_not_utf8_is_recorded(tmp_path):
    [outcome] = run_here([Task("t", bad_file_name)], folder=tmp_path)
    assert json.loads(outcome.file.read_text())["error"] == outcome.error
    assert outcome.error == "FileNotFoundError: weights-\udcff.pt"


def test_raise_failures_names_every_failed_task(tmp_path):
    marker = tmp_path / "marker"
    marker.touch()
    tasks = [
        Task(f"t{x}", divide_unless, {"x": x, "marker": str(marker if x < 2 else tmp_path / "no")})
        for x in range(5)
    ]
    outcomes = run_here(tasks, folder=tmp_path / "run")
    with pytest.raises(TaskError) as caught:
        raise_failures(outcomes)
    assert str(caught.value).splitlines() == [
        "2 of 5 tasks failed:",
        "  t0: ZeroDivisionError: division by 0",
        "  t1: ZeroDivisionError: division by 1",
        f"3 finished and are kept in {tmp_path / 'run'}. Try: remove the cause and run the same "
        "again, only the failed ones are computed",
    ]
    raise_failures(outcomes[2:])


def test_an_interrupt_goes_through_and_keeps_what_is_finished(tmp_path):
    log = tmp_path / "log"
    tasks = [*squares(log, 2), Task("ctrl-c", interrupt), Task("after", square, {"x": 2})]
    with pytest.raises(KeyboardInterrupt):
        run_here(tasks, folder=tmp_path / "run")
    assert len(list((tmp_path / "run").glob("*.npz"))) == 2
    run_here(tasks[:2], folder=tmp_path / "run")
    assert lines(log) == ["0", "1"]


def test_results_that_do_not_arrive_are_missed(tmp_path):
    # As on a cluster whose workers write to a disk of their own.
    remove = Task("remove", remove_files, {"folder": str(tmp_path), "pattern": "t*.npz"})
    tasks = [Task("t1", square, {"x": 1}), Task("t2", square, {"x": 2}), remove]
    with pytest.raises(OutputError, match=r"2 tasks finished.*t1, t2.*every worker shares"):
        run_here(tasks, folder=tmp_path)


def test_a_folder_that_cannot_be_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").touch()
    log = tmp_path / "log"
    with pytest.raises(OutputError, match="could not write"):
        run_here(squares(log), folder=tmp_path / "file")
    assert lines(log) == []


@pytest.mark.parametrize("folder", [True, False])
def test_names_that_occur_twice_are_all_listed(tmp_path, folder):
    tasks = [Task(name, square, {"x": i}) for i, name in enumerate("abcabbd")]
    with pytest.raises(InputError, match=r"'a' \(2 times\), 'b' \(3 times\)$"):
        execute(tasks, folder=tmp_path / "run" if folder else None)
    assert not (tmp_path / "run").exists()


def test_everything_wrong_is_said_at_once(tmp_path):
    tasks = [
        Task("f", lambda: 0),
        Task("g", partial(square, 3)),
        Task("h", square, {"x": object(), "y": np.array([None])}),
    ]
    with pytest.raises(InputError) as caught:
        execute(tasks, folder=tmp_path / "run", engine="spark", jobs=0)
    text = str(caught.value)
    assert "no engine 'spark'; expected one of threads, local, ray, dask" in text
    assert "jobs is 0" in text
    assert re.search(r"task 'f', function: \S*<lambda> cannot be imported", text)
    assert "task 'g', function: partial cannot be imported" in text
    assert "task 'h', argument 'x': the type object has no canonical form" in text
    assert "task 'h', argument 'y': the type ndarray of dtype object has no canonical form" in text
    assert not (tmp_path / "run").exists()


# --- keys --------------------------------------------------------------------------------------

RICH = {
    "none": None,
    "flags": {"b", "a", "c"},
    "nested": {"x": [1, 2.5, (True, "text")], 3: b"bytes"},
    "array": np.arange(6.0).reshape(2, 3),
    "scalar": np.float32(0.1),
    "settings": Settings(0.1),
    "color": Color.RED,
    "path": Path("data") / "digits",
    "function": square,
    "complex": 1 - 2j,
}


def test_a_key_is_the_same_in_another_process():
    code = f"import {__name__} as t; print(t.Task('a name', t.square, t.RICH).key)"
    path = os.pathsep.join(sys.path)
    environment = {**os.environ, "PYTHONHASHSEED": "17", "PYTHONPATH": path}
    there = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert there.strip() == Task("a name", square, RICH).key


def test_a_key_does_not_depend_on_what_does_not_matter():
    array = np.arange(6.0).reshape(2, 3)
    pairs = [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}),
        ({"a": array}, {"a": np.asfortranarray(array)}),
        ({"a": array[:, ::2]}, {"a": array[:, ::2].copy()}),
    ]
    for one, other in pairs:
        assert Task("t", square, one).key == Task("t", square, other).key


def test_a_key_changes_with_everything_that_matters():
    large = np.zeros(10_000)
    touched = large.copy()
    touched[5000] = 1e-300  # repr leaves this one out
    arguments = [
        *(1, 1.0, True, "1", b"1", np.int64(1), np.int32(1), np.array(1), np.array([1]), None, 1j),
        *([1], (1,), {1}, {1: None}, [[1], 2], [1, [2]], ["ab"], ["a", "b"], ["astrb"], [], [[]]),
        *(0.0, -0.0, float("nan"), float("inf"), 0.1, np.nextafter(0.1, 1)),
        *(large, touched, large.reshape(100, 100), large.astype("float32"), large.astype(">f8")),
        *(
            Settings(0.1),
            Settings(0.2),
            Settings(0.1, (8,)),
            Path("1"),
            Color.RED,
            square,
            Settings,
        ),
    ]
    keys = [Task("t", square, {"x": argument}).key for argument in arguments]
    keys += [
        Task("u", square, {"x": 1}).key,
        Task("t", hand_back, {"x": 1}).key,
        Task("t", square, {"y": 1}).key,
        Task("t", square, {"x": 1, "y": 1}).key,
        Task("t", square).key,
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", ".hidden", "-rf", "a/b\\c:d", "Größe = 3", "日本", "", "x" * 500]
)
def test_a_key_is_a_safe_file_name(tmp_path, name):
    key = Task(name, square, {"x": 1}).key
    assert re.fullmatch(r"[A-Za-z0-9_=+][A-Za-z0-9._=+-]{0,100}", key)
    [outcome] = run_here([Task(name, square, {"x": 3})], folder=tmp_path)
    assert outcome.file.parent == tmp_path
    assert outcome.value == 9


def test_names_that_look_alike_on_disk_are_kept_apart(tmp_path):
    outcomes = run_here([Task(n, square, {"x": 3}) for n in ("a/b", "a_b")], folder=tmp_path)
    assert len({outcome.file for outcome in outcomes}) == 2


def nested():
    def inner():
        return 0

    return inner


@pytest.mark.parametrize(
    "argument",
    [
        object(),
        nested(),
        partial(square, 1),
        iter([1]),
        np.ma.masked_array([1.0], [True]),
        np.array([None]),
        np.zeros(2, dtype=[("a", "f8")]),
        {"deep": [object()]},
        SimpleNamespace(a=1),
    ],
    ids=lambda argument: type(argument).__name__,
)
def test_an_argument_without_a_canonical_form_is_refused(argument):
    with pytest.raises(InputError, match=r"task 't', argument 'x': .*Try: "):
        _ = Task("t", square, {"x": argument}).key


# --- the store ---------------------------------------------------------------------------------

numbers = hnp.scalar_dtypes().filter(lambda dtype: dtype.kind in "biufc")
arrays = hnp.arrays(numbers, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | arrays
    | numbers.flatmap(hnp.from_dtype).filter(lambda value: isinstance(value, np.generic))
)
keys = st.text() | st.integers() | st.booleans() | st.none() | st.tuples(st.integers(), st.text())
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)


def same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray | np.generic):
        equal = one.dtype == other.dtype and one.shape == other.shape
        return equal and one.tobytes() == other.tobytes()
    return repr(one) == repr(other)  # tells -0.0 from 0.0, and nan is nan


@examples(150)
@given(values, st.floats(0, 1e6))
def test_a_value_comes_back_as_it_was(value, seconds):
    with tempfile.TemporaryDirectory() as folder:
        slot = Slot(Path(folder), "key")
        write_record(slot, Record(value, seconds))
        record = read_record(slot)
    assert same(record.value, value)
    assert record.seconds == seconds


def test_a_dictionary_is_not_taken_for_a_mark_of_the_store(tmp_path):
    value = {"array": "a0", "x": [{"tuple": [1]}, {"dict": []}, {"float": "nan"}], "": {}}
    write_record(Slot(tmp_path, "key"), Record(value, 0.0))
    assert read_record(Slot(tmp_path, "key")).value == value


def test_long_doubles_memory_maps_and_fortran_order_are_kept(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(3.0))
    value = [
        np.longdouble(1) / 3,
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.load(tmp_path / "x.npy", mmap_mode="r"),
    ]
    write_record(Slot(tmp_path, "key"), Record(value, 0.0))
    found = read_record(Slot(tmp_path, "key")).value
    assert found[0] == value[0]
    assert type(found[0]) is np.longdouble
    assert found[1].flags.f_contiguous
    assert found[2].tolist() == [0.0, 1.0, 2.0]


def test_the_files_are_plain_npz(tmp_path):
    [outcome] = run_here(squares(tmp_path / "log", 1), folder=tmp_path / "run")
    with np.load(outcome.file, allow_pickle=False) as archive:
        entry = json.loads(archive["__structure__"].tobytes())
        assert entry["value"] == {"dict": [["x", 0], ["square", {"array": "a0"}]]}
        assert archive["a0"] == 0


def test_a_folder_in_the_place_of_a_file_is_an_error(tmp_path):
    (tmp_path / f"{Task('t', square, {'x': 3}).key}.npz").mkdir()
    with pytest.raises(InputError, match="cannot read"):
        run_here([Task("t", square, {"x": 3})], folder=tmp_path)


# --- progress ----------------------------------------------------------------------------------


def told(seconds, costs=None, *, resumed=0, workers=1):
    """Return every state of a run whose tasks take so long, by a clock of its own."""
    names = [f"t{n}" for n in range(len(seconds))]
    costs = dict(zip(names, costs or [1.0] * len(seconds), strict=True))
    now, seen = [100.0], []
    tracker = Tracker(costs, resumed, seen.append, workers=workers, clock=lambda: now[0])
    tracker.start()
    free, ends = [100.0] * workers, []
    for name, took in zip(names, seconds, strict=True):
        free.sort()
        free[0] += took
        ends.append((free[0], name, took))
    for now[0], name, took in sorted(ends):
        tracker.step(name, failed=name == "t1", seconds=took)
    return seen


def test_the_estimate_is_made_from_this_runs_tasks_alone():
    assert told([10.0, 10.0, 10.0], resumed=7) == [
        Progress(7, 10, 7, 0, 0.0, None, ""),
        Progress(8, 10, 7, 0, 10.0, (5.0, 80.0), "t0"),
        Progress(9, 10, 7, 1, 20.0, (5.0, 20.0), "t1"),
        Progress(10, 10, 7, 1, 30.0, (0.0, 0.0), "t2"),
    ]


def right(states, most=1.5):
    """Whether each estimate is within a factor, or a range that holds what came."""
    whole = states[-1].elapsed_seconds
    for seen in states[1:-1]:
        low, high = seen.remaining_seconds
        left = whole - seen.elapsed_seconds
        assert low / most <= left <= high * most, (seen, left)


def test_equal_tasks_are_told_as_one_time_from_the_third_on():
    states = told([4.0] * 12)
    right(states, 1.0001)
    assert states[2].remaining_seconds == (20.0, 80.0)
    assert states[3].remaining_seconds == (36.0, 36.0)
    assert "about 0:00:36 left" in state(states[3])


def test_costs_are_what_counts_not_the_number_of_tasks():
    costs = [1.0] * 10 + [1000.0]  # ten that take 0.1 s, one that takes 100 s
    right(told([cost / 10 for cost in costs], costs), 1.0001)
    plain = told([cost / 10 for cost in costs])[10]  # the same without costs: not foreseen
    assert plain.remaining_seconds[1] < 1


def test_unequal_speeds_are_told_as_a_range_that_holds_the_time():
    seconds = [1.0, 6.0, 2.0, 8.0, 3.0, 1.0, 7.0, 2.0, 5.0, 4.0]
    states = told(seconds)
    right(states)
    assert " to " in state(states[4])


def test_tasks_side_by_side_are_counted_so_from_the_first_on():
    right(told([5.0] * 16, workers=4), 1.51)


def test_a_task_that_takes_longer_than_foreseen_has_no_estimate():
    at = told([1.0] * 5)[4]
    assert later(at, 0.5).remaining_seconds == (0.5, 0.5)
    assert later(at, 30.0).remaining_seconds is None
    assert state(later(at, 30.0)) == "4/5, 1 failed, 0:00:34 elapsed"


def rest(seconds):
    time.sleep(seconds)
    return seconds


@pytest.mark.parametrize("engine", ["local", "threads"])
def test_a_time_budget_ends_a_run_and_keeps_what_is_finished(engine, tmp_path):
    tasks = [Task(f"{n}", rest, {"seconds": 0.01 if n < 2 else 1.0}) for n in range(6)]
    outcomes = execute(tasks, engine=engine, jobs=1, time_budget=0.9, folder=tmp_path)
    late = [outcome.late for outcome in outcomes]
    assert late[:2] == [False, False]
    assert late[3:] == [True, True, True]
    assert outcomes[-1].error == "not finished within 0.9 s"
    again = execute(tasks[:2], engine=engine, jobs=1, folder=tmp_path)
    assert [outcome.resumed for outcome in again] == [True, True]


@pytest.mark.slow
def test_a_time_budget_ends_processes(tmp_path):
    started = time.monotonic()
    tasks = [Task(f"{n}", rest, {"seconds": seconds}) for n, seconds in enumerate((0.1, 60.0, 0.1))]
    outcomes = execute(tasks, engine="local", jobs=2, time_budget=20.0, folder=tmp_path)
    assert time.monotonic() - started < 30
    assert [outcome.late for outcome in outcomes] == [False, True, False]


def test_progress_counts_resumed_and_failed_tasks(tmp_path):
    tasks = squares(tmp_path / "log", 3)
    run_here(tasks[:2], folder=tmp_path / "run")
    marker = tmp_path / "log"  # it exists, so this task fails
    bad = Task("bad", divide_unless, {"x": 1, "marker": str(marker)})
    seen = []
    run_here([*tasks, bad], folder=tmp_path / "run", progress=seen.append)
    assert [(p.name, p.done, p.total, p.resumed, p.failed) for p in seen] == [
        ("", 2, 4, 2, 0),
        ("square 2", 3, 4, 2, 0),
        ("bad", 4, 4, 2, 1),
    ]
    assert seen[0].remaining_seconds is None
    assert 0 < seen[1].remaining_seconds[0] < seen[1].remaining_seconds[1]
    assert seen[1].elapsed_seconds <= seen[2].elapsed_seconds


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_lines_where_there_is_no_terminal(capsys, monkeypatch, term):
    monkeypatch.setattr(_progress, "_FIRST_LINE", 0.05)
    _terminal(monkeypatch, term == "dumb")  # one that cannot move its cursor gets lines too
    monkeypatch.setenv("TERM", term)
    with progress_bar("training") as progress:
        progress(Progress(0, 4, 0, 0, 0.0, None, ""))
        time.sleep(0.3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "training: 0/4, 0:00:00 elapsed\n"


@pytest.mark.parametrize(("quiet", "terminal"), [(True, True), (False, False), (True, False)])
def test_no_bar_when_quiet_or_not_on_a_terminal(capsys, monkeypatch, quiet, terminal):
    _terminal(monkeypatch, terminal)
    with progress_bar("training", quiet=quiet) as progress:
        run_here([Task("t", square, {"x": 1})], progress=progress)
    assert capsys.readouterr() == ("", "")


def test_the_bar_is_drawn_on_standard_error_and_taken_away(capsys, monkeypatch):
    _terminal(monkeypatch, True)
    with progress_bar("four [squares]") as progress:
        run_here([Task(f"t{x}", square, {"x": x}) for x in range(4)], progress=progress)
    out, err = capsys.readouterr()
    assert out == ""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err)
    for shown in ("four [squares]", "0/4", "4/4, 0:00:00 elapsed, about 0:00:00 left"):
        assert shown in text
    assert err.rstrip().endswith("\x1b[2K")  # the last thing is to clear the line


def _terminal(monkeypatch, terminal):
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")


# --- workers and imports -----------------------------------------------------------------------


def torch_threads(x):
    return torch.get_num_threads(), str(torch.get_default_dtype())


def test_workers_use_one_thread_and_the_drivers_dtype_and_leave_the_process_as_found():
    found = torch_threads(0)
    torch.set_num_threads(2)
    try:
        tasks = [Task(f"t{x}", torch_threads, {"x": x}) for x in range(2)]
        side_by_side = execute(tasks, engine="threads", jobs=2)
        assert [outcome.value[0] for outcome in side_by_side] == [1, 1]
        assert run_here(tasks)[0].value[0] == 2  # alone, a task has the driver's threads
        elsewhere = Order(0, "t", None, driver=("elsewhere", 1), dtype="float64")
        receipt = work(elsewhere, Call(torch_threads, {"x": 0}, here=True))
        assert receipt.value == (1, "torch.float64")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(found[0])
    assert torch_threads(0) == found


@pytest.mark.parametrize("small", [True, False])
def test_small_work_gets_a_single_thread_and_large_work_what_there_was(small):
    torch.set_num_threads(2)
    try:
        with single_thread(1e6 if small else 1e9):
            assert torch.get_num_threads() == (1 if small else 2)
        assert torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError), single_thread():
            assert 1 / (torch.get_num_threads() - 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_an_argument_may_have_any_name():
    [outcome] = run_here([Task("t", dict, {"order": 1, "function": 2, "self": 3})])
    assert outcome.value == {"order": 1, "function": 2, "self": 3}


def test_seconds_are_those_of_the_function():
    [outcome] = run_here([Task("nap", nap, {"seconds": 0.05})])
    assert 0.05 <= outcome.seconds < 5


@pytest.mark.parametrize(("engine", "package"), [("ray", "ray"), ("dask", "distributed")])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, engine, package):
    monkeypatch.setitem(sys.modules, package, None)  # imports as if it were not installed
    with pytest.raises(MissingExtraError, match=rf"'{package}'.*eigenscape\[{engine}\]"):
        execute([Task("t", square, {"x": 1})], engine=engine)


def test_importing_the_room_is_cheap():
    code = "import sys, eigenscape.runs; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["torch", "loky", "cloudpickle", "rich", "ray", "distributed", "pandas", "scipy"]
    assert subprocess.check_output([sys.executable, "-c", code, *heavy], text=True) == "[]\n"


KILLED = """
import os, signal, sys, tempfile
tempfile.tempdir = sys.argv[1]
from eigenscape.runs._parcel import Desk
import numpy as np
desk = Desk(None).__enter__()
desk.call(print, {"a": np.zeros(1 << 18)}, "processes")
print(*os.listdir(sys.argv[1]), flush=True)
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.read()
"""


def test_what_a_killed_driver_handed_over_is_swept_and_that_of_a_living_one_stays(
    tmp_path, monkeypatch
):
    arguments = {"stdout": subprocess.PIPE, "stdin": subprocess.PIPE, "text": True}
    start = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen([*start, "living"], **arguments) as living:
        kept = living.stdout.readline().strip()
        killed = subprocess.run([*start, "killed"], capture_output=True, text=True, check=False)
        left = set(killed.stdout.split())
        assert kept in left
        assert len(left) == 2
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with Desk(None) as desk:
            desk.call(print, {"a": np.zeros(1 << 18)}, "processes")
            found = {path.name for path in tmp_path.iterdir()}
            assert len(found) == 2
            assert found & left == {kept}
        assert {path.name for path in tmp_path.iterdir()} == {kept}
        living.stdin.close()
