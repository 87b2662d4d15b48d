"""``eigenscape adapt MODEL --rank-budget R | --experts T``: LoRA ranks or experts by layer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from eigenscape.cli._values import Number, Whole
from eigenscape.cli._verb import add_format, add_seed, add_verb, note, own_file
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.adapters import RankPattern
    from eigenscape.cli._verb import Verbs

_RULES = ("power", "uniform", "reversed", "shuffled")


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "adapt",
        run,
        help="give each layer a LoRA rank, or each block a number of LoRA experts, by its weights",
        examples="  eigenscape adapt folder/ --rank-budget 8 --out ranks.json\n"
        "  eigenscape adapt folder/ --experts 160 --out experts.json --format json\n"
        "  eigenscape adapt folder/ --mola 2468\n",
    )
    parser.add_argument("model", help="a checkpoint: a file, a Hugging Face folder or a hub id")
    what = parser.add_argument_group("what to allocate").add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--rank-budget",
        type=Number(above=0),
        metavar="R",
        help="ranks that take the parameters of a uniform rank R [this, --experts or --mola]",
    )
    what.add_argument(
        "--experts", type=Whole(1), metavar="T", help="experts of all blocks [see above]"
    )
    what.add_argument(
        "--mola", metavar="PATTERN", help="experts as 2468, 8642, 5555 or 3578 [see above]"
    )
    group = parser.add_argument_group("how")
    group.add_argument(
        "--rule",
        choices=_RULES,
        default="power",
        help="by alpha to the power beta, or a control [power]",
    )
    group.add_argument("--beta", type=float, default=2.5, metavar="B", help="the power [2.5]")
    group.add_argument(
        "--scaling", type=float, default=2.0, metavar="S", help="LoRA's alpha over rank [2]"
    )
    group.add_argument("--include", action="append", metavar="GLOB", help="layers to adapt [all]")
    group.add_argument("--exclude", action="append", metavar="GLOB", help="layers to leave [none]")
    common = parser.add_argument_group("common options")
    add_format(common)
    common.add_argument("--out", metavar="FILE", help="write the JSON here [not written]")
    add_seed(common)
    common.add_argument("--quiet", action="store_true", help="no notes, no progress")


def run(args: argparse.Namespace) -> int:
    """Examine, allocate, print; with ``--out`` write the JSON."""
    from eigenscape.adapters import expert_counts, rank_pattern
    from eigenscape.runs import progress_bar
    from eigenscape.spectra import analyze

    if args.out:
        own_file(Path(args.out).parent, Path(args.out).name, args.model)
    with progress_bar("examining", quiet=args.quiet) as progress:
        spectra = analyze(args.model, progress=progress)
    if args.rank_budget is not None:
        pattern = rank_pattern(
            spectra,
            args.rank_budget,
            rule=args.rule,
            beta=args.beta,
            scaling=args.scaling,
            include=tuple(args.include or ()),
            exclude=tuple(args.exclude or ()),
            seed=args.seed,
        )
        _ranks(pattern, args)
        return 0
    if args.include or args.exclude:
        raise InputError("--include and --exclude are for --rank-budget: experts are of blocks")
    rule = args.mola or {"power": "alphalora"}.get(args.rule, args.rule)
    counts = expert_counts(spectra, args.experts, rule=rule, beta=args.beta, seed=args.seed)
    _experts(counts, rule, args)
    return 0


def _ranks(pattern: RankPattern, args: argparse.Namespace) -> None:
    from eigenscape.cli._tables import print_answer, print_frame, print_json

    if args.out:
        note(f"wrote {pattern.save(args.out)}", quiet=args.quiet)
    if args.format == "json":
        print_json(pattern.to_dict())
        return
    if args.format == "table":
        print_answer(pattern)
    print_frame(pattern.frame(), args.format)


def _experts(counts: dict[str, int], rule: str, args: argparse.Namespace) -> None:
    import pandas as pd

    from eigenscape.cli._tables import print_frame, print_json
    from eigenscape.results import dumps, write_text

    found = {
        "schema": "eigenscape.expert_counts/1",
        "rule": rule,
        "experts": counts,
        "total": sum(counts.values()),
    }
    if args.out:
        note(f"wrote {write_text(args.out, dumps(found, indent=1))}", quiet=args.quiet)
    if args.format == "json":
        print_json(found)
        return
    print_frame(pd.DataFrame({"block": counts.keys(), "experts": counts.values()}), args.format)
    note(f"{found['total']} experts in {len(counts)} blocks by {rule}", quiet=args.quiet)
