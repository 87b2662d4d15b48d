"""``eigenscape checkup [PATH]``: the whole report."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from eigenscape.cli._flags import add_probe
from eigenscape.cli._values import Whole
from eigenscape.cli._verb import (
    FAIL_ON,
    add_all,
    add_common,
    add_spectra_options,
    add_time_budget,
    add_verb,
    check_examined,
    failing,
    gate_labels,
    not_seen,
    note,
    own_file,
    spectra_options,
)
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from eigenscape.checkup import CheckupResult
    from eigenscape.cli._verb import Verbs
    from eigenscape.models import Objective

_FOLDER = "eigenscape-out"
#: Those of eigenscape.zoo.PLANTED_FAULTS, which needs torch.
FAULTS = ("tiny_learning_rate", "too_large_learning_rate", "label_noise")


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "checkup",
        run,
        help="examine a checkpoint and write a page; without one, two demonstration networks",
        examples="  eigenscape checkup\n"
        "  eigenscape checkup model.safetensors --out report\n"
        "  eigenscape checkup folder/ --fail-on not-finite,random-like\n"
        "  eigenscape checkup --probe probe.py:build      # and the loss around the model\n"
        "  eigenscape checkup --probe probe.py:build --population population\n"
        "  eigenscape checkup folder/ --text corpus.txt   # what a language model's layers do\n",
    )
    parser.add_argument("path", nargs="?", help="a file, a Hugging Face folder, or a hub id")
    parser.add_argument(
        "--fault",
        choices=FAULTS,
        default=FAULTS[0],
        help=f"of the second demonstration network [{FAULTS[0]}]",
    )
    add_probe(parser, required=False)
    parser.add_argument(
        "--population",
        metavar="POP",
        help="with --probe: also diagnose the model by comparison with this population of trained "
        "networks, a folder that 'eigenscape diagnose grow' wrote [no diagnosis]",
    )
    _add_use(parser)
    parser.add_argument("--fail-on", metavar="LABELS", help=FAIL_ON)
    add_all(parser)
    add_spectra_options(parser)
    add_common(parser, out=f"a folder for the page and the result [{_FOLDER}]")


def _add_use(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what layers contribute, with --text or --probe")
    group.add_argument(
        "--text",
        metavar="FILE",
        help="a text for a language model to predict: a text file, a .jsonl file, or a .npy file "
        "of token ids [none]",
    )
    group.add_argument(
        "--tokenizer", metavar="PATH", help="tokenizer.json or its folder [the model's folder]"
    )
    group.add_argument(
        "--tokens",
        type=Whole(2),
        default=384,
        metavar="N",
        help="how many tokens of the text are taken [384]",
    )
    add_time_budget(
        group,
        "time for this part; where it is too short for all layers, some of every kind and depth "
        "are measured, and with --run a second time measures further ones [60s]",
        60.0,
    )


def run(args: argparse.Namespace) -> int:
    """Examine, print, write the page."""
    from eigenscape.checkup import checkup_page
    from eigenscape.report import write_page

    _check_use(args)
    gate_labels(args.fail_on)
    folder = args.out or _FOLDER
    inputs = [args.path] if args.path else []
    targets = {name: own_file(folder, name, *inputs) for name in ("result.json", "report.html")}
    given = args.path or args.probe
    result = _of_given(args) if given else _of_twins(args, folder)
    if not result.around:
        also = [text for text in result.sentences if text.startswith("Not examined: ")]
        for examined in result.examined.values():
            check_examined(examined, " ".join(also))
    result.save(targets["result.json"])
    write_page(checkup_page(result), targets["report.html"])
    _print(result, args.format, every=args.all)
    for path in targets.values():
        note(f"wrote {path} ({path.stat().st_size / 1e3:.0f} kB)", quiet=args.quiet)
    counts: dict[str, int] = {}
    for examined in result.examined.values():
        for label, number in examined.summary["labels"].items():
            counts[label] = counts.get(label, 0) + number
    hit = failing(counts, args.fail_on)
    for examined in result.examined.values():
        hit += not_seen(examined, args.fail_on)
    if hit:
        note(f"gate: {', '.join(hit)}")
    return 1 if hit else 0


def _check_use(args: argparse.Namespace) -> None:
    """Refuse a text without a language model.

    Raises:
        InputError: it has none.
    """
    if args.text and not args.path:
        raise InputError(
            "--text needs a language model. Try: eigenscape checkup FOLDER --text FILE"
        )


def _of_given(args: argparse.Namespace) -> CheckupResult:
    """Examine a checkpoint, or a probe's model, and with a probe the loss around it."""
    from eigenscape.checkup import checkup
    from eigenscape.diagnosis import read_population
    from eigenscape.models import RefusedObjectiveError, load_objective
    from eigenscape.runs import progress_bar

    population = read_population(args.population) if args.population else None
    objective: Objective | None = None
    models: list[nn.Module] = []
    refused = ""
    if args.probe:
        try:
            objective, models = load_objective(args.probe, device=args.device, seed=args.seed)
        except RefusedObjectiveError as error:  # its weights can be examined all the same
            models, refused = [error.model], str(error)
    # what the model prints is no part of the answer
    with redirect_stdout(sys.stderr), progress_bar("examining", quiet=args.quiet) as progress:
        return checkup(
            args.path or models[0],
            objective=objective,
            population=population if not refused else None,
            models=models,
            text=args.text,
            tokenizer=args.tokenizer,
            tokens=args.tokens,
            time_budget=args.time_budget,
            not_examined=refused,
            on_estimate=lambda cost: note(f"layers to change: {cost}", quiet=args.quiet),
            progress=progress,
            **spectra_options(args),
        )


def _of_twins(args: argparse.Namespace, folder: str) -> CheckupResult:
    from eigenscape.checkpoints import save_checkpoint
    from eigenscape.checkup import checkup_twins
    from eigenscape.zoo import healthy_and_sick

    options = _in_process(spectra_options(args))
    names = {"healthy": "healthy.safetensors", "sick": "sick.safetensors"}
    places = {key: own_file(folder, name) for key, name in names.items()}
    note("training two small networks on real digits; a few seconds ...", quiet=args.quiet)
    healthy, sick = healthy_and_sick(args.seed, planted_fault=args.fault)
    for twin, place in zip((healthy, sick), places.values(), strict=True):
        save_checkpoint(twin.model.state_dict(), place, overwrite=True)
        note(f"wrote {place}", quiet=args.quiet)
    return checkup_twins(healthy, sick, **options)


def _in_process(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "engine": "threads", "address": None, "run": None}


def _print(result: CheckupResult, form: str, *, every: bool) -> None:
    from eigenscape.cli._layer_tables import print_layers
    from eigenscape.cli._tables import print_answer, print_frame, print_json, print_statements

    if form == "json":
        print_json(result.to_dict())
        return
    if form == "csv":
        print_frame(result.frame(), form)
        return
    print_answer(result)
    for label, examined in result.examined.items():
        title = label if len(result.examined) > 1 else ""
        print_layers(examined, form, title=title, every=every)
        print()
    print_statements([one for one in result.statements if one.text != result.answer])
