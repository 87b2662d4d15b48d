"""Where a number lies among those of reference layers: how many are lower, and what that says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eigenscape.errors import InputError
from eigenscape.results import Finding, Result
from eigenscape.stats import Interval, share

if TYPE_CHECKING:
    import pandas as pd

#: Fewer layers give no place: of 5, even one below all of them may lie in the upper half (the exact
#: 95 % interval of 0 of 5 reaches to .52, that of 0 of 6 to .46).
FEWEST = 6
#: Places below this share, or above one less it, are named: the two ends of a 95 % interval.
TAIL = 0.025
_NAMED = 3
_PLURAL = {
    "query": "query projections",
    "key": "key projections",
    "value": "value projections",
    "query-key-value": "fused query-key-value projections",
    "output": "output projections",
    "gate": "gate projections",
    "up": "up projections",
    "gate-up": "fused gate-up projections",
    "down": "down projections",
    "embedding": "embeddings",
    "head": "heads",
    "convolution": "convolutions",
    "pointwise": "pointwise convolutions",
    "shortcut": "shortcuts",
    "stem": "convolutions outside the blocks",
}


#: How a number is called in the form in which it is compared, where that is another.
FORMS = {
    "stable_rank": "stable_rank / eigenvalues",
    "spikes": "spikes / eigenvalues",
    "log_norm": "log10 of the mean eigenvalue",
}


def group_words(kind: str, role: str) -> str:
    """Name the layers of one kind and role.

    >>> group_words("linear", "query"), group_words("conv1d", "convolution")
    ('query projections', 'convolutions (conv1d)')
    """
    words = _PLURAL.get(role, f"layers of the kind {role}")
    return words if role == kind or kind in ("linear", "conv2d") else f"{words} ({kind})"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one number of a layer lies among those of reference layers of its kind and role.

    It describes; it is no diagnosis. The networks are few and of certain sizes, and the layers of
    one network are not independent, so the interval is too short for a network of another family.

    Args:
        layer: the layer's name.
        kind: what it is.
        role: what it does within its block.
        metric: which number.
        value: the number, in the form in which it is compared: ``stable_rank`` and ``spikes`` over
            the number of eigenvalues, ``log_norm`` as log10 of the mean eigenvalue.
        n: with how many layers it was compared.
        below: how many of them are lower.
        equal: how many are equal, to four digits.
        models: how many networks they are of.
        among: these networks in words.
        depth: which of them were taken, in words, where a part was.
        why: why there is no place; empty where there is one.
        note: a remark.

    >>> place = Place(layer="q", kind="linear", role="query", metric="alpha_excess", value=0.4,
    ...               n=30, below=1, equal=0, models=1, among="one model: Net")
    >>> round(place.percentile, 1), place.is_extreme
    (3.3, False)
    >>> place.sentence
    'alpha_excess 0.4: lower than 97 % [83, 100] of query projections seen (n = 30, one model: Net)'
    """

    layer: str
    kind: str
    role: str
    metric: str
    value: float
    n: int
    below: int = 0
    equal: int = 0
    models: int = 0
    among: str = ""
    depth: str = ""
    why: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        counts = (self.below, self.equal, self.n - self.below - self.equal)
        if not self.why and (self.n < 1 or min(counts) < 0):
            raise InputError(
                f"{self.layer}: {self.below} lower and {self.equal} equal of {self.n} reference "
                "layers; expected at least one layer, and no more than there are"
            )

    @property
    def percentile(self) -> float:
        """100 (below + equal / 2) / n, from 0 to 100; NaN where there is no place."""
        return math.nan if self.why else 100 * (self.below + self.equal / 2) / self.n

    @property
    def interval(self) -> Interval:
        """The share that is lower, and its exact 95 % interval, ties counted either way."""
        if self.why:
            return Interval(math.nan, math.nan, math.nan, 0)
        low = share(self.below, self.n, method="clopper-pearson").low
        high = share(self.below + self.equal, self.n, method="clopper-pearson").high
        return Interval(self.percentile / 100, low, high, self.n)

    @property
    def is_extreme(self) -> bool:
        """Whether it lies below 2.5 % or above 97.5 %."""
        return not self.why and not 100 * TAIL < self.percentile < 100 * (1 - TAIL)

    @property
    def by_chance(self) -> float:
        """The probability of an extreme place for one more layer of the same distribution."""
        return 0.0 if self.why else 2 * (math.floor(TAIL * self.n) + 1) / (self.n + 1)

    @property
    def group(self) -> str:
        """Its kind and role in words."""
        return group_words(self.kind, self.role)

    @property
    def sentence(self) -> str:
        """The place in words, with how many layers and networks it rests on."""
        name = FORMS.get(self.metric, self.metric)
        if self.why:
            return f"{name} {self.value:.4g}: {self.why}"
        remark = f"; {self.note}" if self.note else ""
        where = f"{self.group} {self.depth}".rstrip()
        return (
            f"{name} {self.value:.4g}: {self._rank()} {where} seen "
            f"(n = {self.n}, {self.among}{remark})"
        )

    def _rank(self) -> str:
        above = self.n - self.below - self.equal
        tied = f"as high as {100 * self.equal / self.n:.0f} % and " if self.equal else ""
        if self.equal == self.n:
            return "as high as all"
        if max(above, self.below) == self.n:
            return f"{'lower' if above else 'higher'} than all"
        word, count = ("lower", above) if self.percentile <= 50 else ("higher", self.below)
        _, low, high, _ = share(count, self.n, method="clopper-pearson")
        ends = f"[{100 * low:.0f}, {100 * high:.0f}]"
        return f"{tied}{word} than {100 * count / self.n:.0f} % {ends} of"


def placed(value: float, others: Sequence[float], **rest: object) -> Place:
    """Count how many of the others are lower than a value, and how many equal.

    >>> place = placed(2.0, [1, 2, 2, 3, 4, 5], layer="q", kind="linear", role="query", metric="m")
    >>> place.below, place.equal, round(place.percentile, 1)
    (1, 2, 33.3)
    """
    known = [other for other in others if math.isfinite(other)]
    return Place(
        value=value,
        n=len(known),
        below=sum(other < value for other in known),
        equal=sum(other == value for other in known),
        **rest,  # type: ignore[arg-type]
    )


@dataclass(frozen=True, kw_only=True)
class Placement(Result):
    """Every layer of an examination among the reference layers of its kind and role.

    Args:
        source: what was examined.
        places: of each layer, for each metric.
        distributions: metric, then group in words, to the values of its reference layers.
        control: metric, then how many layers of the reference's own networks, each held against
            the others, have an extreme place, and of how many that have one. They were trained
            well, so this is how often a well-trained network is told apart.
        notes: which networks were left out, and why.
    """

    schema: ClassVar[str] = "eigenscape.placement/1"
    source: str
    places: tuple[Place, ...]
    distributions: Mapping[str, Mapping[str, tuple[float, ...]]]
    control: Mapping[str, tuple[int, int]]
    notes: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """The numbers that were compared."""
        return tuple(dict.fromkeys(place.metric for place in self.places))

    @property
    def compared(self) -> tuple[Place, ...]:
        """The places of layers that have a reference."""
        return tuple(place for place in self.places if not place.why)

    def of(self, layer: str) -> tuple[Place, ...]:
        """Return the places of one layer, one for each metric."""
        return tuple(place for place in self.places if place.layer == layer)

    def frame(self) -> pd.DataFrame:
        """Return a row for each layer: the values that are compared, and their percentiles."""
        import pandas as pd

        rows = []
        for layer in dict.fromkeys(place.layer for place in self.places):
            places = self.of(layer)
            first = places[0]
            row = {
                "layer": layer,
                "kind": first.kind,
                "role": first.role,
                "n": first.n,
                "of": first.why or first.among,
            }
            for place in places:
                row[FORMS.get(place.metric, place.metric)] = place.value
                row[f"{place.metric} percentile"] = place.percentile
            rows.append(row)
        return pd.DataFrame(rows)

    @property
    def answer(self) -> str:
        """How many layers lie at the ends of their kind by alpha_excess, and how many by chance."""
        places, ends, chance = self._ends("alpha_excess")
        if not places:
            return self.sentence()
        return (
            f"By alpha_excess {len(ends)} of {len(places)} layers lie at the ends of reference "
            f"layers of their kind ({len(ends) / len(places):.0%}; by chance {chance:.0%}), which "
            "does not say that anything is wrong."
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The layers at the ends of their kind, where there are any."""
        names = tuple(place.layer for place in self._ends("alpha_excess")[1])
        return (Finding(text=self.answer, basis="description", layers=names),) if names else ()

    def _ends(self, metric: str) -> tuple[list[Place], list[Place], float]:
        """The places by a metric, those at the ends, and the share that chance puts there."""
        places = [place for place in self.compared if place.metric == metric]
        ends = [place for place in places if place.is_extreme]
        return places, ends, sum(place.by_chance for place in places) / max(1, len(places))

    def sentence(self, metric: str = "alpha_excess") -> str:
        """How many layers lie at the ends of their kind, beside what chance and control give.

        Args:
            metric: one that was compared.
        """
        places, ends, chance = self._ends(metric)
        if not places:
            return f"No layer has enough reference layers of its kind and role ({metric})."
        names = ", ".join(place.layer for place in ends[:_NAMED])
        more = f" and {len(ends) - _NAMED} more" if len(ends) > _NAMED else ""
        hits, of = self.control[metric]
        words = "; of the reference's own networks against each other"
        control = f"{words} {hits / of:.0%}" if of else ""
        among = dict.fromkeys(place.among for place in places)
        return (
            f"By {metric}, {len(ends)} of {len(places)} layers lie below 2.5 % or above 97.5 % of "
            f"reference layers of their kind and role{': ' if ends else ''}{names}{more} "
            f"({len(ends) / len(places):.0%}; by chance {chance:.0%}{control}). "
            f"The reference here is {'; '.join(among)}{_widths(places)}. This describes where "
            "layers lie; it does not say that anything is wrong."
        )


def _widths(places: Sequence[Place]) -> str:
    other = sum(bool(place.note) for place in places)
    return f" ({other} of these layers are less than half or more than twice as wide)" * (other > 0)
