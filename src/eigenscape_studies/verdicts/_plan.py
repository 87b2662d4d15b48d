"""Which networks are trained, and how each is trained wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eigenscape_studies import Plan
from eigenscape_studies.verdicts._families import FAMILIES, Family

#: What continues a training: name to what the rate is multiplied with.
RATES = {"same": 1.0, "higher": 5.0, "far higher": 50.0, "lower": 0.1}
ARMS = (*RATES, "more data", "no decay")


@dataclass(frozen=True, kw_only=True)
class Regime:
    """How a network is trained; the truth is measured and never read from the regime.

    Args:
        name: a handle.
        steps: times the family's.
        rate: times the family's; None for its too large one.
        share: of the pool that is trained on.
        noise: share of targets that are replaced at random.
        heavy: whether the weight decay is the family's too large one.
        fault: of the family's hidden matrix.
    """

    name: str
    steps: float = 1.0
    rate: float | None = 1.0
    share: float = 0.6
    noise: float = 0.0
    heavy: bool = False
    fault: Literal["", "frozen", "dead rows"] = ""


REGIMES = {
    regime.name: regime
    for regime in (
        Regime(name="well"),
        Regime(name="too short", steps=0.1),
        Regime(name="rate too small", rate=0.01),
        Regime(name="rate too large", rate=None),
        Regime(name="few data", steps=2.0, share=0.06),
        Regime(name="wrong labels", steps=2.0, noise=0.4),
        Regime(name="decay too large", heavy=True),
        Regime(name="frozen", fault="frozen"),
        Regime(name="dead rows", fault="dead rows"),
    )
}


#: Published models, which are trained well: name to a file below EIGENSCAPE_DATA.
REAL = {
    "ResNet-20 (CIFAR-10)": "cifar_resnet/resnet20-12fca82f.th",
    "ResNet-56 (CIFAR-10)": "cifar_resnet/resnet56-4bfd9763.th",
    "stories260K": "stories260k/config.json",
    "SmolLM2-135M (from Q4_1)": "smollm2/config.json",
}


@dataclass(frozen=True, kw_only=True)
class VerdictsPlan(Plan):
    """What is trained.

    Args:
        families: by name.
        more_seeds: further seeds of families, which cost little; they are of the building half.
        length: times the steps of every training.
        repeats: of each continued training.
        real: published models, by name.
    """

    families: tuple[str, ...] = tuple(FAMILIES)
    more_seeds: tuple[tuple[str, int], ...] = ()
    length: float = 1.0
    repeats: int = 2
    real: tuple[str, ...] = tuple(REAL)

    def networks(self) -> list[tuple[Family, Regime, int]]:
        """Return every network: family, regime, seed; those of the building half first."""
        chosen = [FAMILIES[name] for name in FAMILIES if name in self.families]
        extra = dict(self.more_seeds)
        return [
            (family, regime, seed)
            for family in chosen
            for seed in (*self.seeds, *range(100, 100 + extra.get(family.name, 0)))
            for regime in REGIMES.values()
        ]


_CHEAP = ("digits mlp", "tabular mlp", "mnist cnn", "tuned gpt")
PLANS = {
    "small": VerdictsPlan(seeds=(0, 1), families=_CHEAP),
    "full": VerdictsPlan(seeds=(0, 1), more_seeds=(("digits mlp", 2), ("tabular mlp", 2))),
}
