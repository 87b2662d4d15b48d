"""Findings that summarise a layer table: what the spectra are, and what they do not tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eigenscape.results import Finding, counted, named
from eigenscape.spectra import CERTAIN, LABELS, LayerSpectrum, SpectraResult, precisions
from eigenscape.stats import Precision


def described(
    result: SpectraResult, table: Sequence[Precision] | None = None
) -> tuple[Finding, ...]:
    """Return what was examined, what the spectra are, what is certain, and what they do not tell.

    Args:
        result: the layer table.
        table: how often rules on such tables were right; by default the one that is shipped.
    """
    table = precisions() if table is None else table
    return (
        Finding(text=_scope(result), basis="measurement"),
        Finding(text=_state(result), basis="description"),
        *_quantized(result),
        *_certain(result),
        *second_look(result, table),
        Finding(text=not_told(table), basis="description"),
    )


def _scope(result: SpectraResult) -> str:
    summary = result.summary
    total = summary["parameters_total"]
    share = (
        f"{summary['parameters_examined'] / total:.0%} of the parameters" if total else "nothing"
    )
    return (
        f"{counted(len(result), 'layer')} examined, holding {share}; "
        f"{counted(len(result.skipped), 'tensor')} not examined, each listed with its reason."
    )


def _state(result: SpectraResult) -> str:
    labels = result.summary["labels"]
    if not labels:
        return "No layer has enough eigenvalues for a description (see --min-eigenvalues)."
    counts = ", ".join(f"{count} {label}" for label, count in labels.items())
    excess = result.summary["alpha_excess"]
    if not excess["layers"]:
        return f"What the spectra are: {counts}."
    return (
        f"What the spectra are: {counts}; the median alpha_excess is {excess['median']:.2f} (1 is "
        "a random matrix of the same shape, below 1 the tail is heavier, above 1 lighter)."
    )


def _quantized(result: SpectraResult) -> Iterator[Finding]:
    """What the numbers of a quantized file rest on."""
    kinds = dict.fromkeys(row.layer.encoding for row in result if row.layer.encoding)
    if kinds:
        layers = counted(sum(bool(row.layer.encoding) for row in result), "layer")
        yield Finding(
            text=f"{layers} dequantized from {', '.join(kinds)}: values are rounded to the "
            "quantization grid, and ranks, zeros and the smallest eigenvalues are the rounding's.",
            basis="measurement",
        )


def _certain(result: SpectraResult) -> Iterator[Finding]:
    """What follows from the weights whatever the network is for, worst first."""
    for label in CERTAIN:
        found = labelled(result, label)
        descriptions = [layer.description for layer in found if layer.description]
        if not descriptions:
            continue
        first = descriptions[0]
        one = len(found) == 1
        words = LABELS[label]
        text = f"{words[0].upper()}{words[1:]}: {named(found)} ({'' if one else 'the first: '}"
        text += first.evidence
        text += f"; {first.consequence})." if first.consequence else ")."
        yield Finding(text=text, basis="measurement")


def second_look(result: SpectraResult, table: Sequence[Precision]) -> Iterator[Finding]:
    """Whether layers of random-like spectrum have the norms of independent entries, too."""
    known = next((row for row in table if row.statement == "at its random start"), None)
    random_like = labelled(result, "random-like")
    if not random_like:
        return
    moved = [layer for layer in random_like if layer.left_its_start]
    rest = [layer for layer in random_like if layer.like_a_start]
    parts = []
    if moved:
        most = max(moved, key=lambda layer: layer.norm_dispersion)
        one = len(moved) == 1
        far = f"by {most.norm_dispersion:.0f} standard deviations"
        far = far if one else f"most in {most.name}, {far}"
        parts.append(
            f"{len(moved)} of {counted(len(random_like), 'random-like layer')} ({named(moved)}; "
            f"{far}) {'has' if one else 'have'} rows or columns whose norms do not vary as those "
            f"of independent entries would: {'it' if one else 'they'} did not keep such a start"
        )
    if rest:
        parts.append(
            f"{named(rest)}: neither the spectrum nor the norms of rows and columns differ from "
            "independent entries, as at a random start. That does not show that they are at one"
            + (
                f": of {known.given} such layers of known state, {known.right} were"
                if known and known.given
                else ""
            )
        )
    if parts:
        yield Finding(text=". ".join(parts) + ".", basis="measurement")


def not_told(table: Sequence[Precision]) -> str:
    """Say what spectra do not tell, with the measured reason where there is one."""
    text = (
        "A spectrum does not tell whether the network is well trained: held-out loss does "
        "(--probe, --text)."
    )
    rules = [row for row in table if row.unit == "networks" and row.kind != "description"]
    dropped = [row for row in rules if row.kind == "diagnosis" and row.given and not row.printed]
    if not dropped:
        return text
    best = max(dropped, key=lambda row: row.low)
    kept = sum(row.printed for row in rules)
    often = f", looked at {best.looks} times" if best.looks > 1 else ""
    return (
        f"{text} Of {len(rules)} rules on weights that were judged on {best.networks} networks of "
        f"known state{often}, {kept or 'none'} {'is' if kept < 2 else 'are'} right often enough to "
        f"be printed; the most certain {'other ' if kept else ''}diagnosis was right {best.right} "
        f"of {best.given} times ({best.interval.words(2)})."
    )


def labelled(result: SpectraResult, label: str) -> list[LayerSpectrum]:
    """Return the layers with that label."""
    return [layer for layer in result if layer.label == label]
