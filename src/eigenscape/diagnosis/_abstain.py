"""Why no verdict is given: each reason in words, with what would help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eigenscape.diagnosis._metrics import METRICS
from eigenscape.diagnosis._policy import FEWEST
from eigenscape.stats import Precision

if TYPE_CHECKING:
    from eigenscape.diagnosis._cv_score import CVScore
    from eigenscape.diagnosis._fingerprint import Fingerprint
    from eigenscape.diagnosis._leaves import LeafRecord
    from eigenscape.diagnosis._population import Population
    from eigenscape.diagnosis._tree import MDTree

#: What a reason may be about.
KINDS = ("architecture", "data", "range", "tree", "leaf", "outcome", "untested")
#: Those that say that the population does not speak for the model at all.
ALIEN = ("architecture", "data", "range")
_GROW = "eigenscape diagnose grow --probe FILE.py:FAMILY --out POP"
_SIZES = {
    "para_amount": ("parameters", "--widths"),
    "data_amount": ("training samples", "--data"),
    "temperature": ("of learning rate over batch size", "--rates"),
}


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why no verdict is given.

    Args:
        kind: ``architecture``, ``data`` or ``range`` (of the population against the model),
            ``tree`` (it is not better than a constant answer), ``leaf`` (too few networks like this
            one, or its answer is not right often enough), ``outcome`` (what would be said is not
            right often enough) or ``untested``.
        words: what was seen, with figures.
        remedy: what would help.
    """

    kind: str
    words: str
    remedy: str

    @property
    def sentence(self) -> str:
        """Both, as sentences."""
        return f"{self.words}. What would help: {self.remedy}."


def kin_reasons(population: Population, model: Fingerprint | None) -> tuple[Reason, ...]:
    """Return whether the model is of another architecture, or trained on other data."""
    known = population.fingerprint
    if known is None or model is None:
        return ()
    found = []
    for kind, words, seen in (
        ("architecture", "the model's architecture is another", known.architecture_differences),
        ("data", "the model's training data are others", known.data_differences),
    ):
        differences = seen(model)
        if differences:
            what = "this architecture" if kind == "architecture" else "these data"
            found.append(
                Reason(
                    kind=kind,
                    words=f"{words} than those of {population.name}: {'; '.join(differences)}",
                    remedy=f"grow a population for {what} ({_GROW})",
                )
            )
    return tuple(found)


def unchecked(population: Population, model: Fingerprint | None) -> tuple[str, ...]:
    """Return what could not be held against the population, as notes."""
    if population.fingerprint is None:
        return (
            "not checked: whether the model is of the population's architecture and data, which "
            f"{population.name} does not state",
        )
    if model is None:
        return ("not checked: whether the model is of the population's architecture and data",)
    found = []
    if not population.fingerprint.shapes:
        found.append("not checked: the shapes, since widths of the population differ in depth")
    if not (population.fingerprint.loss and model.loss):
        found.append("not checked: whether the model was trained by the population's loss")
    return tuple(found)


def size_reasons(population: Population, sizes: Mapping[str, float]) -> tuple[Reason, ...]:
    """Return which sizes of the model lie beyond the population's.

    Without tolerance: fitted to narrow networks and scored on the wider ones alone, a tree is still
    better than a constant answer (study ``md_tree_population``), but right for 74 % where it is
    right for 89 % within, so that the precision of a verdict is not that of the population.

    Args:
        population: with columns of the sizes, where it has them.
        sizes: ``para_amount``, ``data_amount`` and ``temperature``, those that are known.
    """
    found = []
    for name, (words, option) in _SIZES.items():
        if name not in sizes or name not in population.table:
            continue
        low, high = (float(f(population.table[name])) for f in (min, max))
        if not low <= sizes[name] <= high:
            found.append(
                Reason(
                    kind="range",
                    words=f"it has {sizes[name]:,.6g} {words}, while {population.name} has "
                    f"{low:,.6g} to {high:,.6g}",
                    remedy=f"grow a population that reaches it ({_GROW} {option} ...)",
                )
            )
    return tuple(found)


def metric_reasons(tree: MDTree, metrics: Mapping[str, float]) -> tuple[Reason, ...]:
    """Return which metrics lie outside the range of the tree's population.

    No tolerance: the range is of means over seeds, so that a single network at an end of the grid
    may fall outside of it by its own scatter, and then gets no verdict.
    """
    found = []
    for name, (low, high) in tree.ranges.items():
        if not low <= metrics[name] <= high:
            size = sum(leaf.size for leaf in tree.leaves)
            found.append(
                Reason(
                    kind="range",
                    words=f"its {METRICS[name].words} is {metrics[name]:.4g}, while the {size} "
                    f"configurations of {tree.population} have {low:.4g} to {high:.4g}",
                    remedy="look for a cause that the population does not vary, such as wrong "
                    f"labels, or grow one with a wider range ({_GROW} --rates ...)",
                )
            )
    return tuple(found)


def tree_reasons(score: CVScore | None) -> tuple[Reason, ...]:
    """Return whether the tree is no better than a constant answer on cells that it had not seen."""
    if score is None:
        return (
            Reason(
                kind="untested",
                words="how often the tree is right on cells that it has not seen was not given",
                remedy="score=cv_score(population), or prescribe",
            ),
        )
    if score.better:
        return ()
    found = score.ahead
    told = (
        f"{score.accuracy:.0f} % right (balanced {score.balanced_accuracy:.0f} %) against "
        f"{score.majority:.0f} % for always the same answer, {found.mean:+.0f} points "
        f"[{found.low:+.0f}, {found.high:+.0f}] over {found.seeds} cells"
    )
    return (
        Reason(
            kind="tree",
            words="the tree is not told from a constant answer on cells that it had not seen: "
            + (told if found.seeds else "no cell could be held out"),
            remedy="a population of more cells (widths and amounts of data), or rates on both "
            "sides of the best one",
        ),
    )


def leaf_reasons(
    leaf: LeafRecord, record: Precision, fine: Precision | None = None
) -> tuple[Reason, ...]:
    """Return whether a leaf is empty or thin, or what it says not right often enough.

    Args:
        leaf: that the model ends in.
        record: how often its answer was right on cells that its tree had not seen.
        fine: where the leaf says that nothing gains more than the seed noise: how often that was
            right; None where it gives its answer.
    """
    more = f"more configurations like it ({_GROW} with more widths, amounts of data or rates)"
    if min(leaf.size, record.given) < FEWEST:
        words = (
            f"{leaf.size} configurations of the population are like this model ({leaf.words}), "
            f"{record.given} of those held out; below {FEWEST} not even an answer that is always "
            "right could be told from chance"
        )
        return (Reason(kind="leaf", words=words, remedy=more),)
    if fine is not None:
        return proven(fine, "that no problem is to be found", "a population with more cells")
    return proven(record, f"the answer for such a model ({leaf.words})", more, kind="leaf")


def proven(
    record: Precision, what: str, remedy: str, *, kind: str = "outcome"
) -> tuple[Reason, ...]:
    """Return whether an outcome was not right often enough to be given."""
    if record.printed:
        return ()
    seen = record.interval
    words = (
        f"{what} was right for {record.right} of {record.given} held-out configurations "
        f"({seen.words(2)}; expected .80, and .60 as the lower limit)"
        if record.given
        else f"{what} was given for no held-out configuration"
    )
    return (Reason(kind=kind, words=words, remedy=remedy),)
