"""``eigenscape diagnose MODEL-OR-PROBE``: one model, measured and diagnosed by a population."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigenscape.cli._values import Number, Whole
from eigenscape.cli._verb import add_format, add_search, add_verb, note, own_file, save_picture
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from eigenscape.cli._verb import Verbs
    from eigenscape.diagnosis import Measurement, Population, Prescription


def add(actions: Verbs) -> None:
    """Add the action; its name may be left out."""
    parser = add_verb(
        actions,
        "model",
        run,
        help="diagnose a model (the action of 'diagnose MODEL-OR-PROBE')",
        examples="  eigenscape diagnose probe.py:model --population population\n"
        "  eigenscape diagnose a.safetensors b.safetensors --population population \\\n"
        "      --probe family.py:build --width 64 --data 5000\n"
        "  eigenscape diagnose metrics.json --population population.csv\n",
    )
    parser.add_argument(
        "subject",
        nargs="+",
        metavar="MODEL-OR-PROBE",
        help="FILE.py:FUNCTION that returns (model, loss, batches) or (model, (inputs, labels)), "
        "with a list of two models of two seeds for the full tree; or one or two checkpoints, with "
        "--probe and --width; or the model's metrics as a JSON file",
    )
    parser.add_argument(
        "--population",
        metavar="POP",
        help="the trained networks to compare with: a folder that 'diagnose grow' wrote, or a "
        "table [needed]",
    )
    parser.add_argument(
        "--probe",
        metavar="FILE.py:FUNCTION",
        help=(
            "for checkpoints: your function that returns an eigenscape.models.Task, the "
            "family of networks and its data [none]"
        ),
    )
    parser.add_argument(
        "--width",
        type=Whole(1, "64"),
        metavar="W",
        help=("for checkpoints: the width of their network [none]"),
    )
    parser.add_argument(
        "--data",
        type=Whole(2, "5000"),
        metavar="N",
        help="they were trained on the first N samples of the family's training data [all]",
    )
    parser.add_argument(
        "--rate",
        type=Number(above=0),
        metavar="LR",
        help="learning rate that the model was trained with, if you know it: it is compared with "
        "the population's rates, and no advice goes beyond these [not known]",
    )
    parser.add_argument(
        "--batch-size",
        type=Whole(1, "64"),
        metavar="B",
        help="batch size that it was trained with; needed with --rate [not known]",
    )
    add_search(parser)
    parser.add_argument(
        "--on-mismatch",
        choices=("refuse", "warn"),
        default="refuse",
        help="what to do if metrics.json was measured in another way than the population [refuse]",
    )
    group = parser.add_argument_group("common options")
    add_format(group)
    group.add_argument(
        "--out", metavar="DIR", help=("a folder for prescription.json and .png [not written]")
    )
    group.add_argument("--quiet", action="store_true", help="no notes")


def run(args: argparse.Namespace) -> int:
    """Measure, diagnose, print; with ``--out`` write the result and its picture."""
    from eigenscape.diagnosis import prescribe, read_population

    if args.population is None:
        raise InputError(
            "a diagnosis needs a population, --population POP: networks of the same kind, trained "
            "on the same data at many settings. Try: eigenscape diagnose grow --probe "
            "FILE.py:FAMILY --out POP"
        )
    if (args.rate is None) != (args.batch_size is None):
        raise InputError(
            "--rate and --batch-size need each other: the temperature (learning rate / "
            "batch size) is their ratio"
        )
    inputs = [*args.subject, args.population]
    target = own_file(args.out, "prescription.json", *inputs) if args.out else None
    population = read_population(args.population)
    metrics, protocol, measured = _metrics(args, population)
    found = prescribe(
        population,
        metrics,
        protocol=protocol,
        search=args.search,
        on_mismatch=args.on_mismatch,
        sizes=_sizes(args, measured),
        fingerprint=None if measured is None else measured.fingerprint,
    )
    _print(found, measured, args)
    if target:
        note(f"wrote {found.save(target)}", quiet=args.quiet)
        note(f"wrote {save_picture(found, target.with_suffix('.png'))}", quiet=args.quiet)
    return 0


def _sizes(args: argparse.Namespace, measured: Measurement | None) -> dict[str, float]:
    found = {} if measured is None else dict(measured.sizes)
    if args.rate is not None:
        found["temperature"] = args.rate / args.batch_size
    return found


def _metrics(
    args: argparse.Namespace, population: Population
) -> tuple[dict[str, float], dict[str, Any] | None, Measurement | None]:
    """Return the metrics, their protocol, and the measurement where it was made here."""
    from eigenscape.diagnosis import MeasureOptions, measure

    if len(args.subject) == 1 and args.subject[0].endswith(".json"):
        return _from_json(args.subject[0])
    options = MeasureOptions.from_protocol(population.protocol)
    with redirect_stdout(sys.stderr):  # what the user's model prints is no part of the answer
        models, train, loss = _subject(args)
        measured = measure(models, train, options=options, loss=loss)
    return dict(measured.metrics), dict(measured.protocol), measured


def _from_json(path: str) -> tuple[dict[str, float], dict[str, Any] | None, Measurement | None]:
    from eigenscape.diagnosis import METRICS, Measurement
    from eigenscape.results import read_object

    data = read_object(path)
    if data.get("schema") == Measurement.schema:
        measured = Measurement.load(path)
        return dict(measured.metrics), dict(measured.protocol), measured
    known = {name: value for name, value in data.items() if name in METRICS}
    wrong = [
        name
        for name, value in known.items()
        if isinstance(value, bool) or not isinstance(value, int | float)
    ]
    if wrong or not known:
        said = f"no numbers: {', '.join(wrong)}" if wrong else f"it has {', '.join(data) or 'none'}"
        raise InputError(
            f"{path} has no metrics of a model ({said}); expected numbers by the names "
            f"{', '.join(METRICS)}"
        )
    return {name: float(value) for name, value in known.items()}, data.get("protocol"), None


def _subject(args: argparse.Namespace) -> tuple[list[nn.Module], tuple[Tensor, Tensor], Any]:
    """Return the models, what they were trained on, and by which loss; None where not known."""
    from eigenscape.diagnosis import loss_of, models_and_data
    from eigenscape.models import load_probe

    first = args.subject[0]
    if len(args.subject) == 1 and ".py:" in first:
        found = load_probe(first, option="diagnose")
        return (*models_and_data(found), loss_of(found))
    if args.probe is None or args.width is None:
        raise InputError(
            f"{first} alone cannot be measured: its network and its training data are needed. "
            "Try: --probe FILE.py:FUNCTION (the family) and --width W; or give "
            "FILE.py:FUNCTION that returns (model, loss, batches)"
        )
    return (*_checkpoints(args), None)


def _checkpoints(args: argparse.Namespace) -> tuple[list[nn.Module], tuple[Tensor, Tensor]]:
    from eigenscape.checkpoints import open_checkpoint
    from eigenscape.models import Task, load_probe

    task = load_probe(args.probe, expected=Task)
    inputs, labels = task.train.whole()
    count = len(labels) if args.data is None else args.data
    if not 2 <= count <= len(labels):
        raise InputError(f"--data is {count}; the task has {len(labels)} training samples")
    models = []
    for path in args.subject:
        model = task.build(0, args.width)
        checkpoint = open_checkpoint(path)
        own = model.state_dict()
        wrong = [
            f"{name} {tuple(tensor.shape)}: "
            f"{tuple(checkpoint.info(name).shape) if name in checkpoint else 'missing'}"
            for name, tensor in own.items()
            if name not in checkpoint or tuple(checkpoint.info(name).shape) != tuple(tensor.shape)
        ]
        if wrong:
            raise InputError(
                f"{Path(path).name} does not fit make({args.width}); expected and seen: "
                f"{'; '.join(wrong[:4])}. Try: check --width"
            )
        model.load_state_dict({name: checkpoint[name] for name in own})
        models.append(model)
    return models, (inputs[:count], labels[:count])


def _print(found: Prescription, measured: Measurement | None, args: argparse.Namespace) -> None:
    from eigenscape.cli._tables import print_frame, print_json

    for line in found.notes:
        note(f"note: {line}", quiet=args.quiet)
    if args.format == "json":
        print_json(found.to_dict())
        return
    if measured is not None and args.format == "table":
        title = f"measured ({measured.networks} network{'s' * (measured.networks > 1)})"
        print_frame(measured.frame(), args.format, title)
        print()
    if args.format == "csv" or not found.alien:
        print_frame(found.frame(), args.format, f"by {found.population} ({found.verdict})")
    if args.format != "csv":
        for number, sentence in enumerate(found.sentences, 1):
            print(f"{number}. {sentence}")
