"""What the verbs of the command share: options, output folders, notes on standard error."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigenscape.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eigenscape.results import Result

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

FORMATS = ("table", "json", "csv", "md")


def add_verb(
    verbs: Verbs, name: str, run: Callable[[argparse.Namespace], int], *, help: str, examples: str
) -> argparse.ArgumentParser:
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


def add_common(parser: argparse.ArgumentParser, *, engine: bool = True) -> None:
    """Add the options that every verb that examines layers has."""
    group = parser.add_argument_group("common options")
    group.add_argument("--format", choices=FORMATS, default="table", help="what goes to stdout")
    group.add_argument("--out", metavar="DIR", help="a folder for the files that are written")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... [auto]")
    group.add_argument("--seed", type=int, default=0, help="of everything random [0]")
    if engine:
        add_running(parser, "layers", engine="threads", run=True)
    else:
        group.add_argument("--jobs", type=int, help="layers at a time [one for each core]")
    group.add_argument("--quiet", action="store_true", help="no notes, no progress")


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
        jobs: what the default number is, in words.
        run: add ``--run``, the folder that keeps finished tasks; for verbs without one of theirs.

    Returns:
        The group of options, for more of them.
    """
    group = parser.add_argument_group("how to run")
    group.add_argument("--jobs", type=int, metavar="N", help=f"{what} at a time [{jobs}]")
    group.add_argument(
        "--engine",
        choices=("threads", "local", "dask", "ray"),
        default=engine,
        help="threads of this process, processes of this machine (local), or a Dask or Ray "
        f"cluster [{engine}]",
    )
    group.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of the cluster to join [DASK_SCHEDULER_ADDRESS or RAY_ADDRESS; else one is started "
        "on this machine]",
    )
    if run:
        kept = f"keep finished {what} here; a killed run goes on from them"
        group.add_argument("--run", metavar="DIR", help=kept)
    return group


def running(args: argparse.Namespace) -> dict[str, Any]:
    """Return how the tasks of a verb are to run.

    Raises:
        InputError: fewer than one job, or an address for an engine without a cluster.
    """
    if args.jobs is not None and args.jobs < 1:
        raise InputError(f"--jobs is {args.jobs}; expected 1 or more")
    if args.address and args.engine not in ("dask", "ray"):
        raise InputError(
            f"--address is for clusters; --engine is {args.engine}. Try: --engine dask or ray"
        )
    return {"jobs": args.jobs, "engine": args.engine, "address": args.address}


def add_spectra_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spectral examination; they are checked by SpectraOptions itself."""
    group = parser.add_argument_group("what to examine")
    group.add_argument("--include", action="append", default=[], metavar="GLOB")
    group.add_argument("--exclude", action="append", default=[], metavar="GLOB")
    group.add_argument("--embeddings", action="store_true", help="examine embeddings too")
    group.add_argument("--min-eigenvalues", type=int, default=16, metavar="N", help="[16]")
    group.add_argument("--split-qkv", action="store_true", help="fused q, k, v as three matrices")
    group.add_argument("--split-experts", action="store_true", help="one row for each expert")
    group.add_argument(
        "--kind", action="append", default=[], metavar="GLOB=KIND",
        help="read a tensor as: linear, conv, conv_transpose, experts, skip",
    )  # fmt: skip
    group.add_argument("--lora-scale", type=float, metavar="S", help="the factor on B A")
    group = parser.add_argument_group("how to measure")
    group.add_argument("--xmin", default="median", help="median, third or a fraction [median]")
    group.add_argument("--hill", default="code", help="code or paper [code]")
    group.add_argument("--fit", default="ks", help="ks, peak, peak-reference or small [ks]")
    group.add_argument("--conv", default="slices", help="slices, flatten or fft [slices]")
    group.add_argument("--precision", default="float64", help="float64, or float32 with a check")
    group.add_argument("--windows", type=int, metavar="N", help="pool N-wide square windows")
    group.add_argument("--window-steps", type=int, default=9, metavar="N", help="[9]")
    group.add_argument(
        "--metrics", default="", metavar="LIST",
        help="costly additions, by commas: shuffle, tpl, bottom, or all",
    )  # fmt: skip


def spectra_options(args: argparse.Namespace, *, engine: bool = True) -> dict[str, Any]:
    """Return the arguments of ``analyze`` from the command line."""
    from eigenscape.spectra import costly_metrics

    kinds = dict(_pair(item, "--kind", "GLOB=KIND") for item in args.kind)
    metrics = tuple(name.strip() for name in args.metrics.split(",") if name.strip())
    names = (
        "embeddings", "min_eigenvalues", "split_qkv", "split_experts", "lora_scale", "xmin", "hill",
        "fit", "conv", "precision", "windows", "window_steps", "device", "seed",
    )  # fmt: skip
    how = {**running(args), "run": args.run} if engine else {"jobs": args.jobs}
    return {
        **{name: getattr(args, name) for name in names},
        "include": tuple(args.include),
        "exclude": tuple(args.exclude),
        "kinds": kinds,
        "metrics": costly_metrics() if metrics == ("all",) else metrics,
        **how,
    }


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    left, sign, right = text.rpartition("=")
    if not (sign and left and right):
        raise InputError(f"{option} expects {form}; got {text!r}")
    return left, right


def note(text: str, *, quiet: bool = False) -> None:
    """Say something on standard error."""
    if not quiet:
        print(text, file=sys.stderr)


def own_file(folder: str | Path, name: str, *inputs: str | Path) -> Path:
    """Return a path to write to, refusing what this command did not write itself.

    Raises:
        OutputError: the path is one of the inputs, or holds something else.
    """
    try:  # now, not after an hour of work
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"--out {folder} cannot be made a folder: {error.strerror}. Mend: choose another --out"
        ) from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"--out {folder} cannot be written. Mend: choose another --out")
    path = Path(folder) / name
    if any(path.resolve() == Path(item).resolve() for item in inputs):
        raise OutputError(f"{path} is an input; it is not overwritten. Mend: choose another --out")
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Mend: choose another --out")
    if path.exists() and path.stat().st_size and not _written_here(path):
        raise OutputError(
            f"{path} exists and was not written by eigenscape; it is not overwritten. "
            "Mend: choose another --out"
        )
    return path


def save_picture(result: Result, path: Path) -> Path:
    """Draw a result into a PNG file, in one move."""
    from eigenscape.results import replacing

    with replacing(path) as temporary:
        result.plot().savefig(temporary, format="png", dpi=150, metadata={"Software": "eigenscape"})
    return path


def _written_here(path: Path) -> bool:
    if path.suffix == ".safetensors":  # the demonstration's networks, beside its result
        path = path.parent / "result.json"
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        head = handle.read(20_000)
    return any(
        mark in head
        for mark in (
            b'"schema": "eigenscape.',
            b'content="eigenscape"',
            b"name,kind,block,shape,",
            b"Software\x00eigenscape",  # in a picture
        )
    )


def gate_labels(fail_on: str | None) -> set[str]:
    """Read the verdicts of ``--fail-on``.

    Raises:
        InputError: naming every word that is no verdict: a mistyped gate would never fire.
    """
    from eigenscape.spectra import LABELS

    wanted = {name.strip() for name in (fail_on or "").split(",") if name.strip()}
    unknown = sorted(wanted - set(LABELS))
    if unknown:
        raise InputError(
            f"--fail-on cannot read {', '.join(unknown)}; verdicts are {', '.join(LABELS)}"
        )
    return wanted


def failing(labels: dict[str, int], fail_on: str | None) -> list[str]:
    """Return the verdicts among ``labels`` that the gate forbids."""
    wanted = gate_labels(fail_on)
    return [f"{count} {name}" for name, count in labels.items() if name in wanted]
