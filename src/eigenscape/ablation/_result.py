"""The result of an ablation: the effect of each change on the loss, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from eigenscape.ablation import _answer as said
from eigenscape.ablation._changes import CHANGES
from eigenscape.errors import InputError
from eigenscape.layers import LayerMatrix, Skipped, role
from eigenscape.models import Unit
from eigenscape.results import Finding, Result, find_row

if TYPE_CHECKING:
    import pandas as pd

#: An effect is nothing where its whole interval lies within so many nats of zero. Our choice: a
#: hundredth of a nat changes a perplexity by 1 %.
NOTHING_NATS = 0.01
#: Of another loss: within this share of its value.
NOTHING_SHARE = 0.01
_PLURAL: dict[Unit, str] = {"token": "tokens", "sample": "samples", "batch": "batches"}
#: What an interval says: the loss grows, it falls, nothing happens, or none of these is certain.
Reading = Literal["used", "better without", "unused", "not certain"]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How much the loss grows when a layer is changed in one way.

    Args:
        change: which of :data:`eigenscape.ablation.CHANGES`.
        increase: the loss with the change, less that without: the mean over draws.
        low: the lower end of its interval, which holds the 95 % intervals of all draws: Student's t
            of paired differences, of runs of 32 tokens, or of samples, taken as independent; NaN
            where the data are one unit.
        high: the upper end.
        by_draw: the increase of each random draw; one where nothing is drawn.
        directions: how many singular directions lie above the noise; None where that plays no role.
    """

    change: str
    increase: float
    low: float
    high: float
    by_draw: tuple[float, ...]
    directions: int | None = None


@dataclass(frozen=True, kw_only=True)
class AblatedLayer:
    """One layer and the effects of its changes.

    Args:
        layer: which it is.
        effects: in the order of the changes.
    """

    layer: LayerMatrix
    effects: tuple[Effect, ...]

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def role(self) -> str:
        """What the layer does in its block; see :func:`eigenscape.layers.role`."""
        return role(self.layer)

    def effect(self, change: str) -> Effect:
        """Return the effect of one change.

        Raises:
            InputError: it was not measured.
        """
        for one in self.effects:
            if one.change == change:
                return one
        known = ", ".join(one.change for one in self.effects)
        raise InputError(f"{self.name} was not {change!r}; its changes are {known}")


@dataclass(frozen=True, kw_only=True)
class AblationResult(Result):
    """How much a network depends on each of its layers, on some data.

    This tells use, not training: what follows a layer that was never trained has adapted to it, so
    that shuffling it costs as much as shuffling a trained one.

    Args:
        model: the class of the network.
        data: how the data were understood.
        data_hash: of their contents.
        unit: what the loss is a mean of.
        units: how many of these.
        base_loss: the loss of the network as it is.
        in_nats: whether the loss is a cross-entropy.
        layers: those that were measured, in the order of the network.
        left_out: the others, with the reason.
        changes: what was measured.
        draws: of each change that draws random numbers.
        seed: of these.
        suspects: the layers that the measurement was made for; the others are their peers.
        notes: remarks on how it was done.
        seconds: the time that it took.
    """

    schema: ClassVar[str] = "eigenscape.ablation/1"
    model: str
    data: str
    data_hash: str
    unit: Unit
    units: int
    base_loss: float
    in_nats: bool
    layers: tuple[AblatedLayer, ...]
    left_out: tuple[Skipped, ...]
    changes: tuple[str, ...]
    draws: int
    seed: int
    suspects: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def __iter__(self) -> Iterator[AblatedLayer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, key: str | int) -> AblatedLayer:
        return find_row(self.layers, key)

    @property
    def nothing(self) -> float:
        """An effect whose interval lies within this of zero is called nothing."""
        return NOTHING_NATS if self.in_nats else NOTHING_SHARE * abs(self.base_loss)

    def reading(self, effect: Effect) -> Reading:
        """Return what the interval of an effect says.

        ``used`` where it lies above zero, ``better without`` below; ``unused`` where it holds zero
        and ends within :attr:`nothing` of it; else, also without an interval, ``not certain``.
        """
        if effect.increase == math.inf or effect.low > 0:
            return "used"
        if effect.high < 0:
            return "better without"
        within = max(abs(effect.low), abs(effect.high)) <= self.nothing
        return "unused" if within else "not certain"

    def rank(self, name: str, change: str) -> tuple[int, int]:
        """Return the place of a layer among those of its role, 1 the largest effect; and how many.

        Raises:
            KeyError: a layer that was not measured.
            InputError: a change that was not.
        """
        own = self[name].effect(change).increase
        peers = [one.effect(change).increase for one in self._peers[self[name].role]]
        return 1 + sum(other > own for other in peers), len(peers)

    @cached_property
    def _peers(self) -> dict[str, list[AblatedLayer]]:
        found: dict[str, list[AblatedLayer]] = {}
        for one in self.layers:
            found.setdefault(one.role, []).append(one)
        return found

    def read_as(self, reading: Reading) -> tuple[AblatedLayer, ...]:
        """Return the layers whose first change has a reading, the largest effect first."""
        found = [one for one in self.layers if self.reading(self.first_effect(one)) == reading]
        return tuple(sorted(found, key=lambda one: -self.first_effect(one).increase))

    def first_effect(self, layer: AblatedLayer) -> Effect:
        """Return the effect of the first of the changes, by which layers are read."""
        return layer.effect(self.changes[0])

    @property
    def data_words(self) -> str:
        """How many tokens, samples or batches there were."""
        return f"{self.units:,} {self.unit if self.units == 1 else _PLURAL[self.unit]}"

    @property
    def loss_unit(self) -> str:
        """What stands behind a number of the loss."""
        return " nats" if self.in_nats else ""

    @property
    def changed_words(self) -> str:
        """What the first of the changes did, as in ``with its entries shuffled``."""
        return f"with {CHANGES[self.changes[0]].words}"

    def increase_words(self, layer: AblatedLayer) -> str:
        """Return a layer's first effect on the loss, with its interval where there is one."""
        effect = self.first_effect(layer)
        if not math.isfinite(effect.low):
            return f"{effect.increase:+.2g}{self.loss_unit}"
        return f"{effect.increase:+.2g} [{effect.low:.2g}, {effect.high:.2g}]{self.loss_unit}"

    @property
    def use(self) -> str:
        """How many layers the network uses, of how many, on how many data, in words."""
        return said.use(self)

    @property
    def answer(self) -> str:
        """How many layers the network uses on the data."""
        return f"{self.use[:1].upper()}{self.use[1:]}."

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What nothing depends on, what the loss is lower without, what is not certain."""
        return tuple(said.findings(self))

    def frame(self) -> pd.DataFrame:
        """Return a row for each layer: the effect of each change with its interval and its rank."""
        import pandas as pd

        rows = []
        for one in self.layers:
            row: dict[str, object] = {
                "name": one.name,
                "role": one.role,
                "block": one.layer.block,
            }
            for effect in one.effects:
                rank, peers = self.rank(one.name, effect.change)
                row |= {
                    effect.change: effect.increase,
                    f"{effect.change} low": effect.low,
                    f"{effect.change} high": effect.high,
                    f"{effect.change} rank": f"{rank} of {peers}",
                }
            rows.append(row)
        return pd.DataFrame(rows)
