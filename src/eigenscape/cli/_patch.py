"""``eigenscape patch diff|apply|revert|show``: edits of a network as separate files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from eigenscape.cli._verb import add_format, add_verb, note

if TYPE_CHECKING:
    from eigenscape.checkpoints import Checkpoint, Patch
    from eigenscape.cli._verb import Verbs

_MODEL = "a file, a Hugging Face folder, or a hub id"


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "patch",
        run,
        help="save what an edit changed as a small file; apply it, revert it",
        examples="  eigenscape patch diff base.safetensors pruned.pt --out patch.safetensors\n"
        "  eigenscape patch show patch.safetensors\n"
        "  eigenscape patch apply patch.safetensors base.safetensors --out edited.safetensors\n"
        "  eigenscape patch revert patch.safetensors edited.safetensors --out again.safetensors\n",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    diff = actions.add_parser("diff", help="make the patch that turns one model into the other")
    diff.add_argument("before", help=_MODEL)
    diff.add_argument("after", help="likewise, of the same names, shapes and types")
    diff.add_argument(
        "--small",
        action="store_true",
        help="leave out the replaced values: smaller, and reverts only with --base",
    )
    apply = actions.add_parser("apply", help="write a model with the patch in it")
    apply.add_argument("patch", help="a file that 'patch diff' or Patch.save wrote")
    apply.add_argument("model", help=_MODEL)
    revert = actions.add_parser("revert", help="write a model as it was before the patch")
    revert.add_argument("patch", help="as the first")
    revert.add_argument("model", help=f"{_MODEL}, with the patch in it")
    revert.add_argument(
        "--base",
        metavar="MODEL",
        help=(
            "the model that the patch was made for; needed if the patch was saved with "
            "--small [none]"
        ),
    )
    show = actions.add_parser("show", help="list what a patch changes")
    show.add_argument("patch", help="as the first")
    add_format(show)
    for action in (diff, apply, revert):
        action.add_argument(
            "--out",
            metavar="FILE",
            required=True,
            help="a new .safetensors file; existing files are not overwritten",
        )
    for action in (diff, apply, revert, show):
        action.add_argument("--quiet", action="store_true", help="no notes")


def run(args: argparse.Namespace) -> int:
    """Do one action; files are created, never replaced."""
    from eigenscape.checkpoints import Patch

    if args.action == "diff":
        patch = Patch.diff(args.before, args.after)
        path = patch.save(args.out, revertible=not args.small)
        note(f"wrote {path}: {_summary(patch, kept=not args.small)}", quiet=args.quiet)
        return 0
    patch = Patch.load(args.patch)
    if args.action == "apply":
        _write(patch.apply(args.model), args)
    elif args.action == "revert":
        _write(patch.revert(args.model, base=args.base), args)
    else:
        _show(patch, args)
    return 0


def _write(checkpoint: Checkpoint, args: argparse.Namespace) -> None:
    from eigenscape.checkpoints import save_checkpoint

    path = save_checkpoint(checkpoint, args.out)
    note(f"wrote {path}: {checkpoint.source}", quiet=args.quiet)


def _show(patch: Patch, args: argparse.Namespace) -> None:
    from eigenscape.cli._tables import print_frame, print_json

    table = patch.frame()
    if args.format == "json":
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        print_json({"hash": patch.hash, "reverts_alone": patch.revertible, "edits": rows})
    elif len(table) or args.format == "csv":
        print_frame(table, args.format)
    else:
        print("the patch changes nothing")
    note(_summary(patch, kept=patch.revertible), quiet=args.quiet)


def _summary(patch: Patch, *, kept: bool) -> str:
    entries = sum(edit.count for edit in patch.edits)
    how = "reverts alone" if kept and patch.revertible else "reverts with its base"
    tensors = f"{len(patch.names)} tensor" + "s" * (len(patch.names) != 1)
    return f"{entries:,} entries of {tensors}, {how}"
