"""``eigenscape allocate KIND PATH``: a budget for each layer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigenscape.cli._values import Number
from eigenscape.cli._verb import (
    add_common,
    add_spectra_options,
    add_verb,
    note,
    own_file,
    save_picture,
    spectra_options,
)
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.allocation import Allocation
    from eigenscape.cli._verb import Verbs
    from eigenscape.spectra import SpectraResult

_FILES = ("allocation.json", "allocation.svg", "report.html")
_KINDS = ("lr", "sparsity", "experts", "ranks", "bits")
_SETTINGS = {
    "s1": "of tb_linear and tb_step: the smallest factor [0.5]",
    "s2": "of tb_linear and tb_step: the largest factor [1.5]",
    "tau": "of tb_sigmoid: how steep it is at the mean [10]",
    "epsilon": "of alphapruning, owl, multiplicative and additive: half of the range [0.3; of owl "
    "and additive 0.08]",
    "beta": "of alphalora and power: the exponent [2.5]",
}


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "allocate",
        run,
        help="give each layer a budget by its spectrum: learning rate, sparsity, experts ...",
        examples="  eigenscape allocate lr model.safetensors --rule tb_sigmoid --s 1\n"
        "  eigenscape allocate sparsity folder/ --sparsity 0.7 --epsilon 0.2 --exclude lm_head\n"
        "  eigenscape allocate experts metric.json --total 160 --beta 2.5 --format json\n"
        "  eigenscape allocate lr model.pt --rule shuffled --of tb_linear --seed 1\n",
    )
    parser.add_argument("budget", choices=_KINDS, metavar="KIND", help=", ".join(_KINDS))
    parser.add_argument(
        "path",
        help="a checkpoint (file, folder, hub id), a saved layer table, or a JSON file of layer "
        'names: {"fc1": {"alpha": 2.4, "parameters": 4096, "block": "blocks.0"}, ...}',
    )
    _add_options(parser)
    add_spectra_options(parser)
    add_common(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the budget")
    group.add_argument(
        "--total",
        "--target",
        "--sparsity",
        dest="total",
        type=Number(),
        metavar="X",
        help="the sparsity of all parameters (from 0 to 1), the sum of experts or ranks, the mean "
        "of bits, or the mean of learning-rate factors [needed, but for lr]",
    )
    group.add_argument(
        "--rule",
        help="alphapruning, alphalora, owl, tb_linear, tb_sqrt, tb_log2, tb_step, tb_sigmoid, "
        "multiplicative, additive, power ...; or a control: uniform, reversed, shuffled, "
        "depth_ramp [the method made for the kind]",
    )
    group.add_argument(
        "--of",
        metavar="RULE",
        help=(
            "the rule whose values the controls reversed and shuffled rearrange [that of "
            "the method]"
        ),
    )
    group.add_argument(
        "--column",
        metavar="NAME",
        help="the metric [alpha_excess, or alpha_hill with --no-noise-aware; alpha in JSON]",
    )
    group.add_argument(
        "--group",
        choices=("matrix", "block", "kind"),
        help="what shares a budget: each matrix alone, all of a block, or all of a kind [the "
        "method's]",
    )
    group.add_argument(
        "--weights",
        choices=("parameters", "plain"),
        help="in the total each layer counts by its parameters, or as one [the kind's]",
    )
    group.add_argument(
        "--floor", type=Number(), metavar="X", help="the smallest budget [the kind's]"
    )
    group.add_argument("--cap", type=Number(), metavar="X", help="the largest budget [the kind's]")
    group.add_argument(
        "--noise-aware",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="narrow the range by the share that can be noise [where errors are known]",
    )
    group.add_argument(
        "--reference", action="store_true", help="as the published code: no cap, its own rounding"
    )
    group = parser.add_argument_group("the rule's settings")
    group.add_argument("--s", metavar="S", help="of tb_sigmoid: a number, or BELOW,ABOVE [1]")
    for name, text in _SETTINGS.items():
        group.add_argument(f"--{name}", type=Number(), metavar="X", help=text)


def run(args: argparse.Namespace) -> int:
    """Allocate and print; with ``--out`` write the allocation, its page and its picture."""
    files = [own_file(args.out, name, args.path) for name in _FILES] if args.out else []
    allocation = _allocate_table(args) if _is_table(args.path) else _allocate_checkpoint(args)
    if files:
        _write(allocation, *files)
    _print(allocation, args)
    for path in files:
        note(f"wrote {path} ({path.stat().st_size / 1e3:.0f} kB)", quiet=args.quiet)
    return 0


def _write(allocation: Allocation, json_file: Path, picture: Path, page: Path) -> None:
    from eigenscape.report import Page, write_page

    allocation.save(json_file)
    save_picture(allocation, picture)
    title = f"Allocation of {allocation.kind} for {allocation.source}"
    write_page(Page(title, {"allocation": allocation}), page)


def _is_table(path: str) -> bool:
    return path.endswith(".json") and not path.endswith(".index.json") and not Path(path).is_dir()


def _allocate_table(args: argparse.Namespace) -> Allocation:
    from eigenscape.allocation import allocate, read_metric

    return allocate(read_metric(args.path), **_request(args))


def _allocate_checkpoint(args: argparse.Namespace) -> Allocation:
    from eigenscape.allocation import allocate
    from eigenscape.runs import progress_bar
    from eigenscape.spectra import analyze

    def examined() -> SpectraResult:  # when the options have been found right
        with progress_bar("examining", quiet=args.quiet) as progress:
            return analyze(args.path, progress=progress, **spectra_options(args))

    return allocate(examined, checkpoint=args.path, **_request(args))


def _request(args: argparse.Namespace) -> dict[str, Any]:
    names = (
        "total",
        "rule",
        "of",
        "column",
        "group",
        "weights",
        "floor",
        "cap",
        "noise_aware",
        "reference",
        "seed",
    )
    given = {name: getattr(args, name) for name in _SETTINGS if getattr(args, name) is not None}
    if args.s is not None:
        given["s"] = _strength(args.s)
    return {"kind": args.budget, **{name: getattr(args, name) for name in names}, **given}


def _strength(text: str) -> float | tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--s expects a number, or BELOW,ABOVE; got {text!r}") from error
    return numbers[0] if len(numbers) == 1 else numbers


def _print(allocation: Allocation, args: argparse.Namespace) -> None:
    from eigenscape.cli._tables import print_answer, print_frame, print_json

    if args.format == "json":
        print_json(allocation.to_dict())
        return
    if args.format != "csv":
        print_answer(allocation)
    table = allocation.frame()
    if args.format != "csv":
        idle = ["block"] if table["clipped"].any() else ["block", "clipped"]
        table = table.drop(columns=idle).dropna(axis="columns", how="all")
    print_frame(table, args.format)
    for line in allocation.notes:
        note(f"note: {line}", quiet=args.quiet)
