"""``eigenscape perplexity MODEL --text FILE``: how well a language model predicts a text."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigenscape.cli._values import Whole
from eigenscape.cli._verb import add_format, add_verb, note, own_file, save_picture
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs
    from eigenscape.models import LanguageModel, Perplexity, Tokens

_TYPES = ("float64", "float32", "bfloat16", "float16", "stored")


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "perplexity",
        run,
        help="measure how well a language model predicts a text",
        examples="  eigenscape perplexity folder/ --text wikitext.txt --length 2048\n"
        "  eigenscape perplexity folder/ --text notes.jsonl --field body --windows 40\n"
        "  eigenscape perplexity probe.py:model --text ids.npy --format json\n",
    )
    parser.add_argument(
        "model",
        help="a Hugging Face folder or hub id (needs the extra hf); or FILE.py:FUNCTION, which "
        "returns a module, or (module, tokenizer). Your file is run: name only one you trust",
    )
    parser.add_argument(
        "--text",
        required=True,
        metavar="FILE",
        help="a text, a .jsonl file with a document a line, or a .npy file of token ids",
    )
    parser.add_argument(
        "--tokenizer", metavar="PATH", help="tokenizer.json or its folder [the model's folder]"
    )
    parser.add_argument(
        "--field", default="text", help="the field of each .jsonl line that holds the text [text]"
    )
    parser.add_argument(
        "--length",
        type=Whole(2, "256"),
        metavar="N",
        help="tokens in a window [the model's context, or 2048]",
    )
    parser.add_argument(
        "--stride",
        type=Whole(1, "255"),
        metavar="N",
        help="tokens from the start of one window to that of the next; papers on pruning take "
        "--length itself, which leaves the first token of each window out [length - 1: every "
        "token is scored]",
    )
    parser.add_argument("--windows", type=Whole(), metavar="N", help="take N windows only [all]")
    parser.add_argument(
        "--seed",
        type=Whole(0),
        metavar="N",
        help="draw the windows at random with this seed [the first N]",
    )
    parser.add_argument(
        "--dtype", choices=_TYPES, default="float32", help="type of the weights [float32]"
    )
    group = parser.add_argument_group("common options")
    add_format(group)
    group.add_argument(
        "--out", metavar="DIR", help=("a folder for perplexity.json and .png [not written]")
    )
    group.add_argument(
        "--device", default="cpu", metavar="DEVICE", help="cpu, cuda, cuda:1 ... [cpu]"
    )
    group.add_argument("--quiet", action="store_true", help="no notes")


def run(args: argparse.Namespace) -> int:
    """Load, score, print; with ``--out`` write the result and its picture."""
    target = own_file(args.out, "perplexity.json", args.model, args.text) if args.out else None
    model, tokenizer = _model(args)
    tokens = _tokens(args, model, tokenizer)
    result = model.perplexity(tokens)
    _print(result, args)
    if target:
        note(f"wrote {result.save(target)}", quiet=args.quiet)
        note(f"wrote {save_picture(result, target.with_suffix('.png'))}", quiet=args.quiet)
    return 0


def _model(args: argparse.Namespace) -> tuple[LanguageModel, Any]:
    import torch

    from eigenscape.models import LanguageModel, load_probe, usable_device

    dtype = None if args.dtype == "stored" else getattr(torch, args.dtype)
    device = usable_device(args.device)
    source, tokenizer = args.model, args.tokenizer
    file, _, function = str(source).rpartition(":")
    if file.endswith(".py") and function:
        found = load_probe(source, option="perplexity", seed=args.seed or 0)
        source, own = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
        tokenizer = tokenizer or own
    model = LanguageModel.of(source, device=device, dtype=dtype)
    return model, tokenizer or model.source


def _tokens(args: argparse.Namespace, model: LanguageModel, tokenizer: Any) -> Tokens:
    from eigenscape.models import Tokens

    length = args.length or min(model.context or 2048, 2048)
    try:
        tokens = Tokens.of(
            Path(args.text), tokenizer, length=length, stride=args.stride, field=args.field
        )
    except InputError as error:
        if args.length or "Try: length=" not in str(error):
            raise
        tokens = Tokens.of(Path(args.text), tokenizer, field=args.field)  # shorter than the context
    return tokens if args.windows is None else tokens.take(args.windows, args.seed)


def _print(result: Perplexity, args: argparse.Namespace) -> None:
    import pandas as pd

    from eigenscape.cli._tables import print_frame, print_json

    if args.format == "json":
        print_json(result.to_dict())
    elif args.format == "csv":
        print_frame(result.frame(), "csv")
    else:
        low, high = result.interval or (None, None)
        row = {
            "perplexity": result.value,
            "low": low,
            "high": high,
            "nll": result.nll,
            "stderr": result.standard_error,
            "tokens": result.tokens,
            "windows": len(result.window_nll),
        }
        print_frame(pd.DataFrame([row]), args.format)
    if result.interval is None:
        note("one window: no interval. Try: a smaller --length, or more text", quiet=args.quiet)
