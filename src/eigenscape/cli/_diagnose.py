"""``eigenscape diagnose``: fit a tree to a population, and test it on another."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eigenscape.cli import _diagnose_grow, _diagnose_model
from eigenscape.cli._parser import near
from eigenscape.cli._values import Number, Whole
from eigenscape.cli._verb import (
    add_format,
    add_search,
    add_seeds,
    add_verb,
    note,
    own_file,
    save_picture,
)
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs
    from eigenscape.diagnosis import MDTree, Population
    from eigenscape.results import Result

_QUESTIONS = ("temperature", "width", "data")
#: Those of eigenscape.diagnosis, which needs torch.
VARIANTS = ("peak", "cka", "barrier", "one-checkpoint")
_BASELINES = ("validation", "hyperparameters", "free landscape", "one checkpoint")


_ACTIONS = ("model", "grow", "evaluate", "fit")


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "diagnose",
        lambda _: 2,
        help="find the hyperparameter to change, from a population of trained networks",
        examples="  eigenscape diagnose grow --probe family.py:build --out population\n"
        "  eigenscape diagnose probe.py:model --population population\n"
        "  eigenscape diagnose fit population.csv --out tree\n"
        "  eigenscape diagnose evaluate --train small.csv --test large.csv --question temperature\n"
        "  eigenscape diagnose evaluate --train F.csv --test G.csv --cells 8 --format json\n",
    )
    actions = parser.add_subparsers(
        title="what to do", metavar="MODEL-OR-PROBE | ACTION", required=True
    )
    _diagnose_model.add(actions)
    _diagnose_grow.add(actions)
    _add_evaluate(actions)
    _add_fit(actions)


def with_action(words: Sequence[str]) -> list[str]:
    """Return the arguments with the action that ``diagnose MODEL`` omits.

    >>> with_action(["diagnose", "probe.py:model", "--population", "folder"])[:3]
    ['diagnose', 'model', 'probe.py:model']
    >>> with_action(["diagnose", "fit", "population.csv"])
    ['diagnose', 'fit', 'population.csv']
    >>> with_action(["diagnose", "evalute"])  # a slip: the parser says what is near it
    ['diagnose', 'evalute']
    """
    if len(words) < 2 or words[0] != "diagnose" or words[1] in (*_ACTIONS, "-h", "--help"):
        return list(words)
    meant = words[1].isalpha() and near(words[1], _ACTIONS) and not Path(words[1]).exists()
    return list(words) if meant else [words[0], "model", *words[1:]]


def _add_evaluate(actions: Verbs) -> None:
    parser = add_verb(
        actions,
        "evaluate",
        run_evaluate,
        help="fit to one population, diagnose another, and print the score beside its controls",
        examples="  eigenscape diagnose evaluate --train F.csv --test G.csv --search paper\n"
        "  eigenscape diagnose evaluate --train F.csv --test G.csv --max-width 8\n",
    )
    parser.add_argument("--train", required=True, metavar="FILE", help="population to fit to")
    parser.add_argument("--test", required=True, metavar="FILE", help="population to diagnose")
    _add_tree_options(parser)
    parser.add_argument(
        "--cells", type=Whole(), metavar="N", help="fit to N random cells of the grid [all]"
    )
    add_seeds(parser, "draws of cells, with the seeds 0 to N - 1 [42,90,38,18,72, the paper's]")
    size = Number(above=0, example="16")
    parser.add_argument(
        "--max-data", type=size, metavar="N", help="fit only up to this many samples [all]"
    )
    parser.add_argument(
        "--max-width", type=size, metavar="W", help="fit only up to this width [all]"
    )
    parser.add_argument(
        "--min-width",
        type=size,
        metavar="W",
        help="leave out narrower networks (the paper: 32 for the question data) [none left out]",
    )
    parser.add_argument("--no-baselines", action="store_true", help="without the baselines")
    _add_output(parser, "a folder for evaluation.json and evaluation.png [not written]")


def _add_fit(actions: Verbs) -> None:
    parser = add_verb(
        actions,
        "fit",
        run_fit,
        help="fit a tree to a population, and print what each of its leaves says",
        examples="  eigenscape diagnose fit population.csv --question width --out tree\n",
    )
    parser.add_argument("population", help="what 'diagnose grow' made, or a CSV table")
    _add_tree_options(parser)
    _add_output(parser, "a folder for tree.json and tree.png [not written]")


def _add_tree_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--question",
        choices=_QUESTIONS,
        default="temperature",
        help="what to decide: whether the temperature (learning rate / batch size) is too small, "
        "the network too narrow, or the data too few [temperature]",
    )
    add_search(parser)
    parser.add_argument(
        "--variant",
        choices=VARIANTS,
        default="peak",
        help="which metrics the tree uses; those besides peak are for the question temperature "
        "[peak]",
    )


def _add_output(parser: argparse.ArgumentParser, out: str) -> None:
    group = parser.add_argument_group("common options")
    add_format(group)
    group.add_argument("--out", metavar="DIR", help=out)
    group.add_argument("--quiet", action="store_true", help="no notes")


def run_evaluate(args: argparse.Namespace) -> int:
    """Evaluate, print, and with ``--out`` write the result and its picture."""
    from eigenscape.cli._tables import print_frame, print_json
    from eigenscape.diagnosis import PUBLISHED_PROTOCOL, evaluate

    target = own_file(args.out, "evaluation.json", args.train, args.test) if args.out else None
    train, test = _read(args.train, args), _read(args.test, args)
    if args.question == "data" and args.min_width is None and train.protocol == PUBLISHED_PROTOCOL:
        note("note: the paper asks this of width 32 and more: --min-width 32", quiet=args.quiet)
    baselines = [] if args.no_baselines else [name for name in _BASELINES if _has(name, train)]
    result = evaluate(
        train,
        test,
        args.question,
        search=args.search,
        variant=args.variant,
        cells=args.cells,
        seeds=_seeds(args),
        max_data=args.max_data,
        max_width=args.max_width,
        min_width=args.min_width,
        baselines=baselines,
    )
    if args.format == "json":
        print_json(result.to_dict())
    else:
        print_frame(result.frame(), args.format, f"question: {args.question}, % right")
        note(f"thresholds: {_words(result.thresholds)}", quiet=args.quiet)
    if target:
        _write(result, target, args)
    return 0


def _seeds(args: argparse.Namespace) -> tuple[int, ...]:
    from eigenscape.diagnosis import SEEDS

    if args.seeds is not None:
        return tuple(range(args.seeds))
    return args.seed_list or SEEDS


def run_fit(args: argparse.Namespace) -> int:
    """Fit, print the leaves, and with ``--out`` write the tree and its picture."""
    from eigenscape.cli._tables import print_frame, print_json
    from eigenscape.diagnosis import MDTree

    target = own_file(args.out, "tree.json", args.population) if args.out else None
    tree = MDTree.fit(
        _read(args.population, args),
        question=args.question,
        variant=args.variant,
        search=args.search,
    )
    if args.format == "json":
        print_json(tree.to_dict())
    else:
        print_frame(tree.frame(), args.format, f"question: {args.question}")
        note(_thresholds(tree), quiet=args.quiet)
    if target:
        _write(tree, target, args)
    return 0


def _write(result: Result, target: Path, args: argparse.Namespace) -> None:
    note(f"wrote {result.save(target)}", quiet=args.quiet)
    note(f"wrote {save_picture(result, target.with_suffix('.png'))}", quiet=args.quiet)


def _read(path: str, args: argparse.Namespace) -> Population:
    from eigenscape.diagnosis import check_health, read_population

    population = read_population(path)
    for problem in check_health(population, args.question).problems:
        note(f"note: {population.name}: {problem}", quiet=args.quiet)
    if not population.protocol:
        note(
            f"note: {population.name} does not state how its metrics were measured; "
            "that is not checked",
            quiet=args.quiet,
        )
    return population


def _has(baseline: str, population: Population) -> bool:
    """Tell whether a population has the columns of a baseline."""
    from eigenscape.diagnosis import BASELINES

    try:
        BASELINES[baseline](population, "temperature")
    except InputError:
        return False
    return True


def _thresholds(tree: MDTree) -> str:
    pairs = zip(tree.shape.features, tree.thresholds, strict=True)
    words = ", ".join(f"{name} {value:.4g}" for name, value in pairs)
    return f"thresholds ({tree.search} search): {words}; train accuracy {tree.train_accuracy:.2f} %"


def _words(thresholds: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in thresholds)
