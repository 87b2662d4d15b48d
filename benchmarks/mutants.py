"""Mutation run: do the tests notice when one point of the numerical code is changed?

    pip install coverage
    python benchmarks/mutants.py FOLDER           # some two hours on one core; resumes in FOLDER
    python benchmarks/mutants.py FOLDER --again tests/test_x.py::test_y ...  # what survived
    python benchmarks/mutants.py FOLDER --table   # print what is known

200 mutants of the files that compute, drawn with a seed that was fixed before anything was run,
from each package in proportion to its places that can be changed (_mutants_places.py). A mutant is
changed at one place by one of five operators:

    comparison   < and <=, > and >=, == and != are exchanged
    sign         + and -, * and / are exchanged; the minus of -x is dropped
    integer      an integer constant plus or minus one
    term         one side of a sum or a difference, of `and` or of `or`, is dropped
    constant     a decimal constant is doubled; 0.0 becomes 1.0

Nothing is changed in docstrings, annotations, messages (f-strings, `raise`, warnings), and where
text or lists are joined.

The quick tests run once under coverage, which says the tests of every line. The caches of the
library are emptied before each test, and lines that run in a shared fixture count for every test
that uses it. Then each mutant is given to the tests of its own lines, the shortest first, until one
fails; where no test executes them (constants of a module, code that only other processes run), to
all tests of its file, or to those of its package. Five times the usual processor time and a minute
is a hang, which counts as caught. A mutant runs in a fork of a process that has imported pytest,
torch and scipy, on a clone of the repository at one commit.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from _mutants_places import COUNT, OPERATORS, ROOMS, SEED, Mutant, draw

EQUIVALENT = Path(__file__).with_name("mutants_equivalent.json")
#: Tests are given to a mutant in batches that grow, because collecting all of them takes a while.
BATCHES = (20, 100, 500)
IMPORTED = (
    *("torch", "torch.func", "numpy", "scipy.stats", "scipy.optimize", "scipy.sparse.linalg"),
    *("scipy.ndimage", "scipy.integrate", "pandas", "matplotlib.figure", "xarray", "h5py"),
    *("rich.console", "jinja2", "cattrs", "loky", "sklearn.tree", "safetensors.torch"),
)

# ---------------------------------------------------------------- which tests execute a line


class _Tracer:
    """A pytest plugin: the lines of every test and of every shared fixture, and what tests cost."""

    def __init__(self, root: Path) -> None:
        import coverage

        sources = [str(root / "src" / "eigenscape" / room) for room in ROOMS]
        self.coverage = coverage.Coverage(data_file=None, source=sources, config_file=False)
        self.tests: dict[str, dict[str, Any]] = {}
        self.stack = [""]

    @contextmanager
    def context(self, name: str) -> Iterator[None]:
        self.stack.append(name)
        self.coverage.switch_context(name)
        yield
        self.stack.pop()
        self.coverage.switch_context(self.stack[-1])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        _empty_caches()
        names = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
        shared = [_fixture(each[-1]) for each in names.values() if _is_shared(each[-1])]
        start = _seconds()
        self.tests[item.nodeid] = test = {"shared": shared, "passed": False}
        with self.context(item.nodeid):
            answer = yield
        test["seconds"] = round(_seconds() - start, 3)
        return answer

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        shared = _is_shared(fixturedef)
        with self.context(_fixture(fixturedef) if shared else self.stack[-1]):
            return (yield)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call":
            self.tests[report.nodeid]["passed"] = report.passed

    def traced(self) -> dict[str, Any]:
        """The tests; the contexts by name; and of every file the lines with contexts by number."""
        data, numbers = self.coverage.get_data(), {}
        lines = {
            file: {
                n: [numbers.setdefault(c, len(numbers)) for c in contexts if c]
                for n, contexts in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        return {"tests": self.tests, "contexts": list(numbers), "lines": lines}


def _is_shared(definition: Any) -> bool:
    return bool(definition.scope != "function" and definition.baseid)


def _fixture(definition: Any) -> str:
    return f"fixture {definition.baseid}::{definition.argname}"


def _empty_caches() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith(("eigenscape.", "tests.")):
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()


def _seconds() -> float:
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def trace(root: Path) -> dict[str, Any]:
    """Run the quick tests once; return their cost and the tests of every line."""
    tracer = _Tracer(root)
    tracer.coverage.start()
    pytest.main(["-q", "-n", "0", "-p", "no:cacheprovider"], plugins=[tracer])
    tracer.coverage.stop()
    return tracer.traced()


def tests_of(mutant: Mutant, traced: dict[str, Any], root: Path) -> list[str]:
    """The tests that execute its lines, else those of its file, else those of its package."""
    tests, lines = traced["tests"], traced["lines"].get(str(root / mutant.file), {})
    users: dict[str, list[str]] = {}
    for name, test in tests.items():
        for fixture in test["shared"]:
            users.setdefault(fixture, []).append(name)

    def named(contexts: Iterable[str]) -> set[str]:
        found = {name for c in contexts for name in ([c] if c in tests else users.get(c, []))}
        return {name for name in found if tests[name]["passed"]}

    def within(first: int, last: float) -> set[str]:
        numbers = {i for n, each in lines.items() if first <= int(n) <= last for i in each}
        return named(traced["contexts"][i] for i in numbers)

    room = mutant.file.split("/")[2]
    package = {n for n in tests if n.startswith((f"tests/test_{room}", f"src/eigenscape/{room}/"))}
    chosen = within(mutant.first, mutant.last) or within(0, math.inf) or named(package)
    return _ordered(chosen, tests)


def _ordered(names: set[str], tests: dict[str, Any]) -> list[str]:
    """The shortest first; those that share a costly fixture after them, file by file."""
    files: Counter[str] = Counter()
    for name in names:
        files[name.split("::")[0]] += tests[name]["seconds"]

    def key(name: str) -> tuple[float, str, float]:
        file, seconds = name.split("::")[0], tests[name]["seconds"]
        return (files[file], file, seconds) if tests[name]["shared"] else (0.0, "", seconds)

    return sorted(names, key=key)


# ---------------------------------------------------------------- one mutant


class _Chosen:
    """A pytest plugin: only these tests, in this order, or all but some; those that failed."""

    def __init__(self, names: list[str] | None, without: Iterable[str]) -> None:
        self.place = None if names is None else {name: i for i, name in enumerate(names)}
        self.without, self.failed = set(without), []

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if item.nodeid not in self.without]
        if self.place is not None:
            items[:] = [item for item in items if item.nodeid in self.place]
            items.sort(key=lambda item: self.place[item.nodeid])

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(f"import of {report.nodeid}")


def failing(
    files: list[str], names: list[str] | None = None, without: Iterable[str] = (), most: int = 1
) -> list[str]:
    """Run the tests of some files until so many have failed; return the names of those."""
    plugin = _Chosen(names, without)
    options = ["-q", f"--maxfail={most}", "-n", "0", "-p", "no:cacheprovider"]
    code = pytest.main([*options, *files], plugins=[plugin])
    empty = code == pytest.ExitCode.NO_TESTS_COLLECTED
    ended = [] if code == 0 or empty else [f"pytest ended with {code}"]
    return plugin.failed or ended


def in_batches(names: list[str]) -> str:
    """Run tests in growing batches until one fails."""
    start = 0
    for size in (*BATCHES, len(names)):
        batch = names[start : start + size]
        start += size
        files = list(dict.fromkeys(name.split("::")[0] for name in batch))
        if batch and (failed := failing(files, batch)):
            return failed[0]
    return ""


def forked(work: Callable[[], Any], root: Path, log: Path, seconds: float) -> Any:
    """The answer of `work` in a fork of this process; "hang" after so much processor time."""
    answer = log.with_suffix(".answer")
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        output = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(root)
        sys.path[:0] = [str(root / "src"), str(root)]
        os.environ |= {"PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        sys.dont_write_bytecode = True
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        try:
            answer.write_text(json.dumps(work()))
        except BaseException as error:
            answer.write_text(json.dumps(f"the tests ended with {error!r}"))
        os._exit(0)
    end = time.monotonic() + 5 * seconds + 120
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # workers that it left
    return json.loads(answer.read_text()) if answer.exists() else "hang"


def attempt(mutant: Mutant, work: Callable[[], str], root: Path, log: Path, limit: float) -> Any:
    """What the tests say of the clone with one change in it; the clone is left as it was."""
    path = root / mutant.file
    source, times = path.read_bytes(), path.stat()
    try:
        path.write_bytes(mutant.applied(source))
        return forked(work, root, log, limit)
    finally:
        path.write_bytes(source)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # so that its bytecode is valid


# ---------------------------------------------------------------- the run


def clone(folder: Path, commit: str) -> Path:
    """A clone of this repository, whole or not at all."""
    root = folder / "clone"
    if not (folder / "commit").exists():
        here = Path(__file__).resolve().parents[1]
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "-q", str(here), str(root)], check=True)
        subprocess.run(["git", "-C", str(root), "checkout", "-q", "--detach", commit], check=True)
        collect = ["pytest", "-q", "-n", "0", "--collect-only"]  # writes the bytecode of all tests
        env = {**os.environ, "PYTHONPATH": str(root / "src")}
        subprocess.run([sys.executable, "-m", *collect], cwd=root, env=env, check=True)
        (folder / "commit").write_text(commit)
    subprocess.run(["git", "-C", str(root), "checkout", "-q", "."], check=True)
    return root.resolve()


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def first_run(folder: Path, root: Path, drawn: list[Mutant]) -> None:
    """Every mutant against the tests of its lines; a finished one is a line of first.jsonl."""
    tracing = folder / "tests.json"
    if not tracing.exists():
        traced = forked(lambda: trace(root), root, folder / "tests.log", 7200)
        tracing.write_text(json.dumps(traced))
    traced = json.loads(tracing.read_text())
    done = len(records(folder / "first.jsonl"))
    for number, mutant in enumerate(drawn):
        if number < done:
            continue
        names = tests_of(mutant, traced, root)
        usual = sum(traced["tests"][name]["seconds"] for name in names)
        start = time.monotonic()
        failed = attempt(
            mutant,
            lambda names=names: in_batches(names),
            root,
            folder / f"{number:03}.log",
            5 * usual + 60,
        )
        _record(folder / "first.jsonl", root, mutant, number, failed, len(names), start)


def again(folder: Path, root: Path, drawn: list[Mutant], tests: list[str]) -> None:
    """What survived, against tests of the working tree; lines of again.jsonl.

    A test that fails on the clone without any change does not count: it holds what was corrected.
    """
    here = Path(__file__).resolve().parents[1]
    for file in {test.split("::")[0] for test in tests}:
        (root / file).write_bytes((here / file).read_bytes())
    log = folder / "again.log"
    without = forked(lambda: failing(tests, most=100), root, log, 600)
    print("do not count, because they fail without a change:", without)
    if any("::" not in name or name.startswith("import of") for name in without):
        raise SystemExit(f"these tests do not run on the clone (see {log})")
    caught = {r["number"] for r in records(folder / "again.jsonl") if r["by"]}
    for record in records(folder / "first.jsonl"):
        number = record["number"]
        if record["by"] or number in caught:
            continue
        start = time.monotonic()

        def work() -> str:
            return "".join(failing(tests, without=without))

        failed = attempt(drawn[number], work, root, log, 600)
        _record(folder / "again.jsonl", root, drawn[number], number, failed, len(tests), start)


def _record(path, root, mutant, number, failed, tests, start) -> None:
    before, after = mutant.lines((root / mutant.file).read_bytes())
    row = {"number": number, **asdict(mutant), "before": before, "after": after}
    row |= {"tests": tests, "by": failed, "seconds": round(time.monotonic() - start, 1)}
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(number, mutant.file, mutant.operator, row["seconds"], "s:", failed or "SURVIVED")
    if not failed:
        print("    ", before, "\n   ->", after, flush=True)


# ---------------------------------------------------------------- what came out


def table(folder: Path) -> None:
    """Caught, survived, equivalent, by package and by operator; rates with Wilson's intervals."""
    known = json.loads(EQUIVALENT.read_text())
    equivalent = {(each["file"], each["before"], each["after"]) for each in known}
    later = {row["number"] for row in records(folder / "again.jsonl") if row["by"]}
    for title, caught in (("first run", set()), ("with the tests written since", later)):
        groups: dict[str, Counter[str]] = {name: Counter() for name in ("all", *ROOMS, *OPERATORS)}
        for row in records(folder / "first.jsonl"):
            same = (row["file"], row["before"], row["after"]) in equivalent
            left = "equivalent" if same else "survived"
            state = "caught" if row["by"] or row["number"] in caught else left
            for name in ("all", row["file"].split("/")[2], row["operator"]):
                groups[name][state] += 1
        print(f"\n| {title} | mutants | caught | survived | equivalent | rate |")
        print("|---|---|---|---|---|---|")
        for name, counts in groups.items():
            print(f"| {name} | {counts.total()} | {_cells(counts)} |")


def _cells(counts: Counter[str]) -> str:
    from eigenscape.stats import share

    hits, misses = counts["caught"], counts["survived"]
    rate = "" if not hits + misses else share(hits, hits + misses).words(3)
    return f"{hits} | {misses} | {counts['equivalent']} | {rate}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--commit", default="HEAD", help="what is cloned when the folder is new")
    parser.add_argument("--seed", type=int, default=SEED, help="of another sample, in a new folder")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--again", nargs="+", metavar="TEST")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if not args.table:
        root = clone(args.folder.resolve(), args.commit)
        for name in IMPORTED:
            importlib.import_module(name)
        drawn = draw(root, args.seed, args.count)
        if args.again:
            again(args.folder.resolve(), root, drawn, args.again)
        else:
            first_run(args.folder.resolve(), root, drawn)
    table(args.folder)


if __name__ == "__main__":
    main()
