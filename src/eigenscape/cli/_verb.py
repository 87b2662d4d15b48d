"""What the verbs of the command share: options, output folders, notes on standard error."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigenscape.cli._flags import add_flags, read_flags
from eigenscape.cli._parser import VerbParser, near
from eigenscape.cli._values import Listed, Whole, duration
from eigenscape.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eigenscape.results import Result
    from eigenscape.spectra import SpectraResult

    Verbs = argparse._SubParsersAction[VerbParser]

_REASONS = 3
#: The help of a gate on labels.
FAIL_ON = (
    "exit with status 1 if a layer has one of these labels, separated by commas, such as "
    "not-finite,dead [no gate]"
)
FORMATS = ("table", "json", "csv", "md")


def add_verb(
    verbs: Verbs, name: str, run: Callable[[argparse.Namespace], int], *, help: str, examples: str
) -> VerbParser:
    """Add one verb with its examples."""
    parser = verbs.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        epilog="examples:\n" + examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(verb=run)
    return parser


def add_common(
    parser: argparse.ArgumentParser,
    *,
    engine: bool = True,
    out: str = "a folder for the files that are written [none are written]",
) -> None:
    """Add the options that every verb that examines layers has.

    Args:
        parser: of the verb.
        engine: its tasks can be done by several processes or machines.
        out: the help of ``--out``.
    """
    group = parser.add_argument_group("common options")
    add_format(group)
    group.add_argument("--out", metavar="DIR", help=out)
    add_device(group)
    add_seed(group)
    if engine:
        add_running(parser, "layers", engine="threads", run=True)
    else:
        known = "layers at a time [one for each core]"
        group.add_argument("--jobs", type=Whole(), metavar="N", help=known)
    group.add_argument("--quiet", action="store_true", help="no notes, no progress")


def add_all(parser: argparse.ArgumentParser) -> None:
    """Add ``--all`` to a verb that prints layers."""
    parser.add_argument(
        "--all",
        action="store_true",
        help="print a row for each layer [above 40 layers, one for each group of the same name]",
    )


def add_format(group: argparse._ActionsContainer, choices: Sequence[str] = FORMATS) -> None:
    """Add ``--format``."""
    words = "how the answer is printed on standard output [table]"
    group.add_argument("--format", choices=choices, default="table", help=words)


def add_device(group: argparse._ActionsContainer, default: str = "auto") -> None:
    """Add ``--device``."""
    words = "auto (the first GPU, or the CPU), cpu, cuda, cuda:1 ..."
    group.add_argument("--device", default=default, metavar="DEVICE", help=f"{words} [{default}]")


def add_seed(group: argparse._ActionsContainer) -> None:
    """Add ``--seed``."""
    words = "start of the random numbers [0]"
    group.add_argument("--seed", type=Whole(0), default=0, metavar="N", help=words)


def add_time_budget(
    group: argparse._ActionsContainer, help: str, default: float | None = None
) -> None:
    """Add ``--time-budget``, which is also spelled ``--budget``: 60s, 2m, 1h, or seconds."""
    group.add_argument(
        "--time-budget",
        "--budget",
        type=duration,
        default=default,
        metavar="TIME",
        help=f"{help}; such as 90s, 10m, 2h, or a number of seconds",
    )


def add_running(
    parser: argparse.ArgumentParser,
    what: str,
    *,
    engine: str = "local",
    jobs: str = "one for each core",
    run: bool = False,
) -> argparse._ArgumentGroup:
    """Add the options of a verb whose work is done in tasks, side by side.

    Args:
        parser: of the verb.
        what: a task is about.
        engine: by default.
        jobs: the default number, in words.
        run: add ``--run``, the folder that keeps finished tasks; for verbs without one of theirs.

    Returns:
        The group of options, for more of them.
    """
    group = parser.add_argument_group("how to run")
    group.add_argument("--jobs", type=Whole(), metavar="N", help=f"{what} at a time [{jobs}]")
    group.add_argument(
        "--engine",
        choices=("threads", "local", "dask", "ray"),
        default=engine,
        help="threads of this process, processes of this machine (local), or a Dask or Ray "
        f"cluster, where the work is done [{engine}]",
    )
    group.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="address of the cluster to join [that of the environment variable "
        "DASK_SCHEDULER_ADDRESS or RAY_ADDRESS; if there is none, a cluster on this machine]",
    )
    if run:
        kept = f"keep finished {what} here; an interrupted run continues from them [not kept]"
        group.add_argument("--run", metavar="DIR", help=kept)
    return group


def running(args: argparse.Namespace) -> dict[str, Any]:
    """Return how the tasks of a verb are to run.

    Raises:
        InputError: an address for an engine without a cluster.
    """
    if args.address and args.engine not in ("dask", "ray"):
        raise InputError(
            f"--address is for clusters; --engine is {args.engine}. Try: --engine dask or ray"
        )
    return {"jobs": args.jobs, "engine": args.engine, "address": args.address}


#: Fields of SpectraOptions by the question that they answer, in the order of the help.
_WHAT = (
    *("include", "exclude", "kinds", "embeddings", "min_eigenvalues"),
    *("split_qkv", "split_experts", "lora_scale"),
)
_HOW = ("conv", "xmin", "hill", "fit", "precision", "windows", "window_steps")


#: What the empty defaults of SpectraOptions mean.
_UNSET = {
    "include": "all",
    "exclude": "none",
    "kinds": "as recognised",
    "lora_scale": "alpha / rank, of the adapter's file",
    "windows": "whole matrices",
}


def add_spectra_options(parser: VerbParser) -> None:
    """Add the options of a spectral examination: the fields of SpectraOptions."""
    what = parser.add_argument_group("what to examine")
    how = parser.add_argument_group("how to measure")

    def fill() -> None:
        from eigenscape.spectra import SpectraOptions

        values = {"include": "GLOB", "exclude": "GLOB", "kinds": "GLOB=KIND"}
        add_flags(what, SpectraOptions, _WHAT, {"kinds": "--kind"}, values, _UNSET)
        add_flags(how, SpectraOptions, _HOW, unset=_UNSET)
        known = (
            "further metrics, which take longer, separated by commas: shuffle (alpha of the same "
            "entries in random places), tpl (a power law with a cutoff), bottom (the smallest "
            "eigenvalues), or all [none]"
        )
        how.add_argument("--metrics", default="", metavar="LIST", help=known)

    parser.fill_later(fill)


def spectra_options(args: argparse.Namespace, *, engine: bool = True) -> dict[str, Any]:
    """Return the arguments of ``analyze`` from the command line."""
    from eigenscape.models import usable_device
    from eigenscape.spectra import SpectraOptions, costly_metrics

    usable_device(args.device)  # a wrong one costs no work
    metrics = tuple(name.strip() for name in args.metrics.split(",") if name.strip())
    given = argparse.Namespace(**{**vars(args), "metrics": metrics})
    if metrics == ("all",):
        given.metrics = costly_metrics()
    how = {**running(args), "run": args.run} if engine else {"jobs": args.jobs}
    return {**read_flags(given, SpectraOptions), **how}


def note(text: str, *, quiet: bool = False) -> None:
    """Print one line on standard error."""
    if not quiet:
        from eigenscape.results import printable

        print(printable(text), file=sys.stderr)


def own_file(folder: str | Path, name: str, *inputs: str | Path) -> Path:
    """Return a path to write to, refusing files that eigenscape did not write.

    Raises:
        OutputError: the path is one of the inputs, or holds something else.
    """
    try:  # now, not after an hour of work
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"--out {folder} cannot be made a folder: {error.strerror}. Try: choose another --out"
        ) from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"--out {folder} cannot be written. Try: choose another --out")
    path = Path(folder) / name
    if any(path.resolve() == Path(item).resolve() for item in inputs):
        raise OutputError(f"{path} is an input; it is not overwritten. Try: choose another --out")
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Try: choose another --out")
    if path.exists() and path.stat().st_size and not _written_here(path):
        raise OutputError(
            f"{path} exists and was not written by eigenscape; it is not overwritten. "
            "Try: choose another --out"
        )
    return path


#: What a picture's file says of its origin; without a date, so that the same picture is the same.
_MARKS: dict[str, dict[str, str | None]] = {
    ".png": {"Software": "eigenscape"},
    ".svg": {"Creator": "eigenscape", "Date": None},
    ".pdf": {"Creator": "eigenscape", "CreationDate": None},
}


def save_picture(result: Result, *paths: Path, **options: Any) -> Path:
    """Draw a result once, into PNG, SVG or PDF files by their ends, each written atomically.

    Args:
        result: what to draw.
        *paths: the files.
        **options: of the drawing.

    Returns:
        The first file.
    """
    import matplotlib as mpl

    from eigenscape.results import replacing

    figure = result.plot(**options)
    # text of a PDF as text (type 42), as journals ask for; names of an SVG the same every time
    with mpl.rc_context({"pdf.fonttype": 42, "svg.hashsalt": "eigenscape"}):
        for path in paths:
            with replacing(path) as temporary:
                form, marks = path.suffix[1:], _MARKS[path.suffix]
                figure.savefig(temporary, format=form, dpi=150, metadata=marks)
    return paths[0]


def _written_here(path: Path) -> bool:
    if path.suffix == ".safetensors":  # the demonstration's networks, beside its result
        path = path.parent / "result.json"
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        head = handle.read(20_000)
        handle.seek(max(0, path.stat().st_size - 2_000))
        ends = head + handle.read()
    return any(
        mark in ends
        for mark in (
            b'"schema": "eigenscape.',
            b'content="eigenscape"',
            b"name,kind,block,shape,",
            b"Software\x00eigenscape",  # in a PNG picture
            b"<dc:title>eigenscape</dc:title>",  # SVG
            b"/Creator (eigenscape)",  # PDF, at its end
        )
    )


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add ``--search``: how the thresholds of an MD tree are found."""
    parser.add_argument(
        "--search",
        choices=("paper", "exact"),
        help="how the tree's thresholds are found: over the paper's grid, or over all values that "
        "occur [exact; paper for the question data]",
    )


def add_seeds(parser: argparse._ActionsContainer, number: str) -> None:
    """Add ``--seeds N``, the number of seeds, and ``--seed-list``, the seeds themselves."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--seeds", type=Whole(), metavar="N", help=number)
    group.add_argument(
        "--seed-list",
        type=Listed(Whole(0), "whole numbers", "3,5,8"),
        metavar="LIST",
        help="the seeds themselves, such as 3,5,8 [those of --seeds]",
    )


def gate_labels(fail_on: str | None) -> set[str]:
    """Read the labels of ``--fail-on``.

    Raises:
        InputError: naming every word that is not a label, and those that are near it.
    """
    from eigenscape.spectra import LABELS

    wanted = {name.strip() for name in (fail_on or "").split(",") if name.strip()}
    unknown = sorted(wanted - set(LABELS))
    if unknown:
        close = dict.fromkeys(one for name in unknown for one in near(name, LABELS))
        raise InputError(
            f"--fail-on cannot read {', '.join(unknown)}; labels are {', '.join(LABELS)}"
            + (f". Try: {', '.join(close)}" if close else "")
        )
    return wanted


def check_examined(result: SpectraResult, also: str = "") -> None:
    """Refuse a source without one layer that could be examined.

    Args:
        result: its examination.
        also: what else could not be examined, in a sentence.

    Raises:
        InputError: with the reasons.
    """
    if result.layers:
        return
    reasons = Counter(item.reason for item in result.skipped).most_common(_REASONS)
    words = "; ".join(f"{count} × {reason}" for reason, count in reasons)
    raise InputError(
        f"{result.source} has no layer that can be examined: {words}. {also} ".rstrip()
        + " Try: the file that holds the weights"
    )


def not_seen(result: SpectraResult, fail_on: str | None) -> list[str]:
    """Return why a gate cannot be passed that did not see all weights: some are empty."""
    empty = sum(0 in item.shape for item in result.skipped)
    return [f"{empty} empty"] * (empty > 0) if fail_on else []


def failing(labels: dict[str, int], fail_on: str | None) -> list[str]:
    """Return the labels among ``labels`` that ``--fail-on`` forbids."""
    wanted = gate_labels(fail_on)
    return [f"{count} {name}" for name, count in labels.items() if name in wanted]
