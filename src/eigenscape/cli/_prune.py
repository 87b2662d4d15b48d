"""``eigenscape prune MODEL --sparsity 0.6 --out DIR``: a pruned copy of a language model."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigenscape.cli._flags import add_flags, read_flags
from eigenscape.cli._values import Whole
from eigenscape.cli._verb import add_device, add_format, add_seed, add_verb, note
from eigenscape.errors import InputError

if TYPE_CHECKING:
    import torch

    from eigenscape.cli._verb import Verbs
    from eigenscape.models import Tokens
    from eigenscape.pruning import Pruning

_OPTIONS = (
    *("sparsity", "criterion", "allocation", "pattern", "epsilon", "floor", "cap"),
    *("include", "exclude", "windows"),
)
_UNSET = {
    "sparsity": "N / M of the pattern; else needed",
    "pattern": "none",
    "epsilon": "0.3; 0.08 of owl and dlp",
    "include": "all",
    "exclude": "none",
    "windows": "whole matrices",
}
_TYPES = ("float32", "bfloat16", "float16")


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "prune",
        run,
        help="set weights of a language model to zero, one block in memory at a time",
        examples="  eigenscape prune folder/ --sparsity 0.6 --calibration text.txt --out pruned/\n"
        "  eigenscape prune folder/ --sparsity 0.6 --criterion sparsegpt --allocation owl \\\n"
        "      --calibration text.jsonl --evaluate held_out.txt --out pruned/\n"
        "  eigenscape prune folder/ --pattern 2:4 --criterion magnitude --out pruned/\n",
    )
    parser.add_argument("model", help="a Hugging Face folder with .safetensors files")
    parser.add_argument("--out", required=True, metavar="DIR", help="the new folder")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the new folder where it is there already"
    )
    what = parser.add_argument_group("what goes")

    def fill() -> None:
        from eigenscape.pruning import PruneOptions

        values = {"include": "GLOB", "exclude": "GLOB", "pattern": "N:M"}
        add_flags(what, PruneOptions, _OPTIONS, metavars=values, unset=_UNSET)

    parser.fill_later(fill)
    _add_texts(parser)
    group = parser.add_argument_group("common options")
    add_format(group)
    add_device(group, "cpu")
    group.add_argument(
        "--dtype", choices=_TYPES, default="float32", help="what it is computed in [float32]"
    )
    add_seed(group)
    group.add_argument("--quiet", action="store_true", help="no notes, no progress")


def _add_texts(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("texts")
    data.add_argument(
        "--calibration",
        metavar="FILE",
        help="the text whose inputs are measured: .txt, .jsonl with a document a line, or .npy of "
        "token ids [not needed for --criterion magnitude]",
    )
    data.add_argument(
        "--samples", type=Whole(1), default=128, metavar="N", help="sequences drawn from it [128]"
    )
    data.add_argument(
        "--sequence-length",
        type=Whole(2),
        metavar="N",
        help="tokens in each [the model's, or 2048]",
    )
    data.add_argument(
        "--evaluate",
        metavar="FILE",
        help="a text to measure the perplexity on, before and after [none]",
    )
    data.add_argument(
        "--evaluate-length",
        type=Whole(2),
        metavar="N",
        help="tokens in a window [--sequence-length]",
    )
    data.add_argument(
        "--evaluate-windows", type=Whole(1), metavar="N", help="the first N windows only [all]"
    )
    data.add_argument("--tokenizer", metavar="PATH", help="tokenizer.json or its folder [MODEL]")
    data.add_argument(
        "--field", default="text", help="the field of a .jsonl line that holds the text [text]"
    )


def run(args: argparse.Namespace) -> int:
    """Prune into a new folder, measure, print."""
    import torch

    from eigenscape.pruning import PruneOptions, prune_folder
    from eigenscape.runs import progress_bar

    given = {**read_flags(args, PruneOptions), "seed": args.seed}
    options = PruneOptions(**given)
    calibration = _calibration(args) if args.calibration else None
    held_out = _held_out(args) if args.evaluate else None
    with progress_bar("pruning", quiet=args.quiet) as progress:
        result = prune_folder(
            args.model,
            args.out,
            calibration,
            options=options,
            device=_device(args.device),
            dtype=getattr(torch, args.dtype),
            evaluation=held_out,
            overwrite=args.overwrite,
            announce=lambda words: note(words, quiet=args.quiet),
            progress=progress,
        )
    _print(result, args)
    return 0


def _device(name: str) -> torch.device:
    import torch

    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        said = str(error).splitlines()[0]
        raise InputError(f"--device {name} cannot be used: {said}. Try: --device cpu") from error
    return device


def _calibration(args: argparse.Namespace) -> Tokens:
    from eigenscape.models import Tokens

    length = args.sequence_length or _context(args.model)
    tokens = Tokens.of(
        Path(args.calibration),
        args.tokenizer or args.model,
        length=length,
        stride=length,
        field=args.field,
    )
    whole = tokens.only_whole()
    if len(whole) < args.samples:
        note(
            f"{args.calibration} has {len(whole)} sequences of {length} tokens; all are taken",
            quiet=args.quiet,
        )
        return whole
    return whole.take(args.samples, seed=args.seed)


def _held_out(args: argparse.Namespace) -> Tokens:
    from eigenscape.models import Tokens

    length = args.evaluate_length or args.sequence_length or _context(args.model)
    tokens = Tokens.of(
        Path(args.evaluate),
        args.tokenizer or args.model,
        length=length,
        stride=length,
        field=args.field,
    )
    return tokens if args.evaluate_windows is None else tokens.take(args.evaluate_windows)


def _context(model: str) -> int:
    """The most tokens in a row, as the folder's settings have it; at most 2048."""
    import json

    sizes: list[int] = []
    with contextlib.suppress(OSError, ValueError, AttributeError):
        settings = json.loads((Path(model) / "config.json").read_text())
        found = (settings.get(key) for key in ("max_position_embeddings", "n_positions"))
        sizes = [size for size in found if isinstance(size, int)]
    return min([*sizes, 2048])


def _print(result: Pruning, args: argparse.Namespace) -> None:
    from eigenscape.cli._tables import print_answer, print_frame, print_json

    if args.format == "json":
        print_json(result.to_dict())
        return
    if args.format == "table":
        print_answer(result)
    table: Any = result.frame()
    if args.format != "csv":
        table = result.by_block()
    print_frame(table, args.format)
    for line in result.notes:
        note(f"note: {line}", quiet=args.quiet)
    note(f"wrote {args.out}", quiet=args.quiet)
