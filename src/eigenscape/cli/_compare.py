"""``eigenscape compare A B``: what changed between two checkpoints."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from eigenscape.cli._verb import (
    add_all,
    add_common,
    add_spectra_options,
    add_verb,
    note,
    own_file,
    spectra_options,
)
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs
    from eigenscape.spectra import ComparisonResult, LayerChange

#: Gate name -> the field whose size is held against the limit.
GATES = {
    "weights": "weight_change",
    "alpha_hill": "alpha_hill_change",
    "alpha_excess": "alpha_excess_change",
    "alpha_ks": "alpha_ks_change",
    "z": "alpha_hill_z",
}
_STATES = ("spectrum", "shape", "removed", "added", "unreadable")


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "compare",
        run,
        help="list what changed between two checkpoints of one network",
        examples="  eigenscape compare base.safetensors tuned.safetensors\n"
        "  eigenscape compare dense/ pruned/ --fail-on alpha_excess=0.2,unreadable\n",
    )
    parser.add_argument("before", help="a file, a Hugging Face folder, or a hub id")
    parser.add_argument("after", help="as the first")
    parser.add_argument(
        "--fail-on",
        metavar="GATES",
        help="exit with status 1 if a change is larger than a limit L (weights=L, alpha_hill=L, "
        "alpha_excess=L, alpha_ks=L, z=L), if a layer is in a state (spectrum, shape, removed, "
        "added, unreadable), or if any label changed (label); separated by commas [no gate]",
    )
    add_all(parser)
    add_spectra_options(parser)
    add_common(parser, engine=False)


def run(args: argparse.Namespace) -> int:
    """Compare, print, and check the changes against the limits."""
    from eigenscape.cli._layer_tables import print_changes
    from eigenscape.cli._tables import print_answer, print_frame, print_json
    from eigenscape.runs import progress_bar
    from eigenscape.spectra import compare

    gates = parse_gates(args.fail_on)
    names = ("result.json", "report.html") if args.out else ()
    files = {name: own_file(args.out, name, args.before, args.after) for name in names}
    with progress_bar("examining", quiet=args.quiet) as progress:
        options = spectra_options(args, engine=False)
        result = compare(args.before, args.after, progress=progress, **options)
    if files:
        _write(result, files, quiet=args.quiet)
    if args.format == "json":
        print_json(result.to_dict())
    elif args.format == "csv":
        print_frame(result.frame(), "csv")
    else:
        print_answer(result)
        print_changes(result, args.format, every=args.all)
    hit = [line for change in result.changes for line in violations(change, gates)]
    for line in hit:
        note(f"gate: {line}")
    return 1 if hit else 0


def parse_gates(text: str | None) -> dict[str, float]:
    """Read ``alpha_excess=0.2,unreadable`` into limits; a state's limit is 0.

    Raises:
        InputError: naming every unknown limit.

    >>> parse_gates("z=3,removed")
    {'z': 3.0, 'removed': 0.0}
    """
    gates, bad = {}, []
    for item in filter(None, (part.strip() for part in (text or "").split(","))):
        name, _, limit = item.partition("=")
        try:
            if name in GATES and float(limit) >= 0:
                gates[name] = float(limit)
            elif not limit and (name in _STATES or name == "label"):
                gates[name] = 0.0
            else:
                bad.append(item)
        except ValueError:
            bad.append(item)
    if bad:
        raise InputError(
            f"--fail-on cannot read {', '.join(bad)}; expected "
            f"{', '.join(f'{name}=LIMIT' for name in GATES)}, {', '.join(_STATES)} or label"
        )
    return gates


def violations(change: LayerChange, gates: dict[str, float]) -> list[str]:
    """Return a line for each gate that one layer hits."""
    found = []
    for name, limit in gates.items():
        if name in GATES:
            value = getattr(change, GATES[name])
            if math.isfinite(value) and abs(value) > limit:
                found.append(f"{change.name}: {GATES[name]} {value:.4g} beyond {limit:g}")
            elif not math.isfinite(value) and _counts(change, GATES[name]):
                found.append(f"{change.name}: {GATES[name]} has no value ({change.state})")
        elif name == "label" and change.label_before != change.label_after:
            found.append(f"{change.name}: {change.label_before} -> {change.label_after}")
        elif name == change.state:
            found.append(f"{change.name}: {change.state}")
    return found


def _counts(change: LayerChange, name: str) -> bool:
    """Tell whether a number that cannot be computed hits a gate.

    It does where one side has it, and where a layer's weights are not finite. A bias, or a layer
    that is too small for an exponent on both sides, never had a spectrum.
    """
    if name == "weight_change":
        return change.state != "same"
    has_spectrum = change.label_before is not None or change.label_after is not None
    return name in change.one_sided or (change.state == "unreadable" and has_spectrum)


def _write(result: ComparisonResult, files: dict[str, Path], *, quiet: bool) -> None:
    from eigenscape.report import Page, write_page

    result.save(str(files["result.json"]))
    page = Page(f"Comparison of {result.before} and {result.after}", {"comparison": result})
    write_page(page, str(files["report.html"]))
    for path in files.values():
        note(f"wrote {path}", quiet=quiet)
