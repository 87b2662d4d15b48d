"""``eigenscape diagnose grow``: a reference population on the user's own data and models."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from eigenscape.cli._values import Number, Whole
from eigenscape.cli._verb import (
    add_format,
    add_running,
    add_seeds,
    add_time_budget,
    add_verb,
    note,
    own_file,
    running,
    save_picture,
)

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs
    from eigenscape.diagnosis import GrowPlan, Population
    from eigenscape.models import Task


#: The columns that fit a terminal.
_SHOWN = (
    "width",
    "data",
    "lr",
    "test_acc",
    "test_acc_sd",
    "train_error",
    "mode_connectivity_peak",
    "hessian_t",
    "CKA",
    "label_temperature",
    "label_width",
    "label_data",
)


def add(actions: Verbs) -> None:
    """Add the action."""
    parser = add_verb(
        actions,
        "grow",
        run,
        help="train a population of small networks to diagnose by, on your data",
        examples="  eigenscape diagnose grow --probe family.py:build --out population --estimate\n"
        "  eigenscape diagnose grow --probe family.py:build --out population --budget 10m\n"
        "  eigenscape diagnose grow --probe family.py:build --out population \\\n"
        "      --widths 4 8 16 --data 500 1000 --rates 0.01 0.03 0.1 0.3 1\n",
    )
    parser.add_argument(
        "--probe",
        required=True,
        metavar="FILE.py:FUNCTION",
        help="your function, called without arguments; it returns an eigenscape.models.Task. "
        "Your file is run, with all that it does: name only files you trust",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="POP",
        help="the population's folder; finished cells are kept there, and an interrupted run "
        "resumes from them",
    )
    group = parser.add_argument_group("the population")
    group.add_argument(
        "--widths",
        type=Whole(1, "8 16"),
        nargs="+",
        metavar="W",
        help="widths of the networks [the task's]",
    )
    group.add_argument(
        "--data",
        type=Whole(2, "500 1000"),
        nargs="+",
        metavar="N",
        help="numbers of training samples [1/8, 1/4, 1/2 of all]",
    )
    group.add_argument(
        "--rates",
        type=Number(above=0, example="0.1 1"),
        nargs="+",
        metavar="LR",
        help="learning rates [1/9, 1/3, 1, 3, 9 times the task's]",
    )
    add_seeds(group, "networks of each configuration, with seeds from --seed on [2]")
    group.add_argument(
        "--epochs", type=Whole(), metavar="N", help="epochs of each training [the task's]"
    )
    group.add_argument(
        "--batch-size", type=Whole(), metavar="N", help="samples in a batch [the task's]"
    )
    group.add_argument(
        "--label-noise",
        type=Number(least=0, most=1),
        default=0.0,
        metavar="SHARE",
        help="share of the training labels that are made wrong, from 0 to 1 [0]",
    )
    group.add_argument(
        "--seed", type=Whole(0), default=0, metavar="N", help="the first of --seeds [0]"
    )
    group = add_running(parser, "cells (a width and an amount of data)")
    group.add_argument(
        "--estimate",
        action="store_true",
        help="print the cost (with --time-budget: of the grid that fits it), and exit",
    )
    add_time_budget(
        group,
        "reduce the grid so that it fits this time, and stop when it is over; what is finished is "
        "kept [no limit]",
    )
    group = parser.add_argument_group("common options")
    add_format(group)
    group.add_argument("--quiet", action="store_true", help="no notes, no progress")


def run(args: argparse.Namespace) -> int:
    """Print the cost, train and write the population, and print its held-out scores."""
    from eigenscape.diagnosis import resolve_plan, train_population
    from eigenscape.models import Task, load_probe
    from eigenscape.runs import progress_bar, usable_cores

    how = running(args)
    jobs = 1 if args.engine == "threads" else args.jobs or usable_cores()
    with redirect_stdout(sys.stderr):
        task = load_probe(args.probe, expected=Task)
        asked = _plan(args, task)
        limit, budget = args.time_budget, None
        if limit is not None:  # a worker takes as long to start as this process did
            spent = time.monotonic() - args.started
            budget = max(jobs * (limit - spent * (1 if jobs == 1 else 2)), 1e-3)
        if args.estimate:
            return _estimate(task, asked, jobs, budget)
        target = own_file(args.out, "population.json")
        plan, cost = resolve_plan(args.out, task, asked, budget=budget)
        if plan != asked:
            note(f"trimmed to the budget: {_grid(plan)}", quiet=args.quiet)
        elif budget is not None and cost.longest > budget:
            note(
                "note: this folder was started without such a budget; its plan stays",
                quiet=args.quiet,
            )
        note(f"to do: {cost.words(jobs)}", quiet=args.quiet)
        with progress_bar("growing", quiet=args.quiet) as progress:
            population = train_population(
                task,
                plan,
                name=f"population of {args.probe}",
                folder=args.out,
                time_budget=None if limit is None else args.started + limit - time.monotonic(),
                progress=progress,
                **how,
            )
    note(f"wrote {population.save(target)}", quiet=args.quiet)
    note(f"wrote {save_picture(population, target.with_suffix('.png'))}", quiet=args.quiet)
    _print(population, args)
    return 0


def _plan(args: argparse.Namespace, task: Task) -> GrowPlan:
    from eigenscape.diagnosis import GrowPlan

    given = {"epochs": args.epochs, "batch_size": args.batch_size}
    recipe = {name: value for name, value in given.items() if value is not None}
    return GrowPlan.of(
        task,
        widths=args.widths,
        data=args.data,
        rates=args.rates,
        seeds=_seeds(args),
        label_noise=args.label_noise,
        **recipe,
    )


def _seeds(args: argparse.Namespace) -> tuple[int, ...]:
    count = 2 if args.seeds is None else args.seeds
    return args.seed_list or tuple(range(args.seed, args.seed + count))


def _estimate(task: Task, plan: GrowPlan, jobs: int, budget: float | None) -> int:
    from eigenscape.diagnosis import estimate_cost, fit_budget

    if budget is None:
        cost = estimate_cost(task, plan)
    else:
        plan, cost = fit_budget(task, plan, budget)
    note(
        f"{_grid(plan)}: {cost.words(jobs)}; {cost.work:.2g} times the arithmetic of one training "
        "of the largest width on all data"
    )
    return 0


def _grid(plan: GrowPlan) -> str:
    rates = ", ".join(f"{rate:g}" for rate in plan.rates)
    return (
        f"widths {', '.join(map(str, plan.widths))}; data {', '.join(map(str, plan.data))}; "
        f"learning rates {rates}; {len(plan.seeds)} seeds"
    )


def _print(population: Population, args: argparse.Namespace) -> None:
    from eigenscape.cli._tables import print_frame, print_json
    from eigenscape.diagnosis import asked_questions, check_health, cv_score
    from eigenscape.errors import EigenscapeError

    if args.format == "json":
        print_json(population.to_dict())
    else:
        table = population.frame()
        shown = [name for name in _SHOWN if name in table] if args.format == "table" else None
        print_frame(table if shown is None else table[shown], args.format, population.name)
    for question in asked_questions(population):
        try:
            words = cv_score(population, question).words()
        except EigenscapeError as error:
            words = str(error)
        note(f"{question}: {words}", quiet=args.quiet)
        for problem in check_health(population, question).problems:
            note(f"note: {question}: {problem}", quiet=args.quiet)
    for line in population.notes:
        note(f"note: {line}", quiet=args.quiet)
