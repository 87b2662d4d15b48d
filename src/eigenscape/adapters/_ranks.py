"""A rank for each layer: the allocation of AlphaLoRA, carried over to plain LoRA."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar

from eigenscape.adapters._metric import exponents
from eigenscape.allocation import Allocation, allocate
from eigenscape.checkpoints import CheckpointLike
from eigenscape.errors import InputError, MissingExtraError
from eigenscape.results import Environment, Finding, Result
from eigenscape.spectra import SpectraResult

if TYPE_CHECKING:
    import pandas as pd
    from peft import LoraConfig

#: Of AlphaLoRA (Qing et al. 2024, section 3); for ranks no paper has tested it.
BETA = 2.5


@dataclass(frozen=True, kw_only=True)
class RankPattern(Result):
    """Ranks of a LoRA adapter, layer by layer.

    Args:
        source: the weights behind it.
        rule: that gave the ranks.
        budget: parameters that uniform ranks of ``mean_rank`` take.
        mean_rank: that was asked for.
        scaling: alpha over rank, of every layer.
        plan: the allocation.
        widths: in + out of each layer: the parameters of one rank.
    """

    schema: ClassVar[str] = "eigenscape.rank_pattern/1"
    also_written: ClassVar[tuple[str, ...]] = ("rank_pattern", "alpha_pattern", "parameters")
    source: str
    rule: str
    budget: int
    mean_rank: float
    scaling: float
    plan: Allocation
    widths: dict[str, int]

    def __post_init__(self) -> None:
        named = set(self.plan.layers) == set(self.widths)
        if not named or min(self.widths.values(), default=0) < 1:
            raise InputError(
                f"{len(self.widths)} widths for {len(self.plan)} layers; expected one of 1 or more "
                "for each layer, by its name"
            )
        if not (self.mean_rank > 0 and self.scaling > 0 and self.budget > 0):
            raise InputError(
                f"mean_rank={self.mean_rank}, scaling={self.scaling}, budget={self.budget}; "
                "expected numbers above 0"
            )

    @property
    def ranks(self) -> dict[str, int]:
        """The rank of each layer, by name."""
        return {name: int(rank) for name, rank in self.plan.layers.items()}

    @property
    def rank_pattern(self) -> dict[str, int]:
        """The ranks as PEFT reads them: its keys are regular expressions, so dots are escaped."""
        return {re.escape(name): rank for name, rank in self.ranks.items()}

    @property
    def alpha_pattern(self) -> dict[str, float]:
        """Alpha of each layer: ``scaling`` times its rank, so that all updates scale alike."""
        return {re.escape(name): self.scaling * rank for name, rank in self.ranks.items()}

    @property
    def parameters(self) -> int:
        """Parameters of the adapter."""
        return sum(rank * self.widths[name] for name, rank in self.ranks.items())

    @property
    def answer(self) -> str:
        """The ranks, and what they take of the budget."""
        ranks = list(self.ranks.values())
        return (
            f"{len(ranks)} layers with ranks {min(ranks)} to {max(ranks)}: {self.parameters:,} "
            f"parameters of a budget of {self.budget:,} (uniform rank {self.mean_rank:g})."
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """How far to trust it."""
        text = (
            "Ranks by spectra are our generalization of AlphaLoRA: no paper tested them, and "
            "whether they help was not measured here."
        )
        return (Finding(text=text, basis="description"),)

    def to_peft(self, **options: Any) -> LoraConfig:
        """Return the configuration of PEFT.

        Args:
            **options: other fields of ``LoraConfig``, such as ``lora_dropout``.

        Raises:
            MissingExtraError: PEFT is not installed.
        """
        try:
            from peft import LoraConfig
        except ImportError as error:
            raise MissingExtraError("peft", "hf", "a LoRA adapter") from error
        rank = max(1, round(self.mean_rank))
        return LoraConfig(
            r=rank,
            lora_alpha=round(self.scaling * rank),
            target_modules=list(self.ranks),
            rank_pattern=self.rank_pattern,
            alpha_pattern=self.alpha_pattern,
            **options,
        )

    def frame(self) -> pd.DataFrame:
        """Return one row for each layer."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "name": row.name,
                    "rank": int(row.budget),
                    "alpha_hill": row.layer.value,
                    "parameters": int(row.budget) * self.widths[row.name],
                }
                for row in self.plan.rows
            ]
        )


def rank_pattern(
    source: SpectraResult | CheckpointLike,
    mean_rank: float,
    *,
    rule: str = "power",
    beta: float = BETA,
    scaling: float = 2.0,
    floor: int = 1,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    seed: int = 0,
) -> RankPattern:
    """Give each layer a rank by its exponent: the larger, the larger.

    The parameters come as close to those of a uniform rank as whole ranks allow, never above.

    Args:
        source: the base model, or its layer table.
        mean_rank: whose parameters, as the uniform rank of all layers, are the budget.
        rule: ``power``, or a control: ``uniform``, ``reversed``, ``shuffled``.
        beta: the power of the exponent.
        scaling: alpha over rank (2, as in AlphaLoRA: alpha 16 at rank 8).
        floor: the smallest rank; 1 or more, because PEFT refuses 0.
        include: shell patterns of layers; all linear layers inside repeated blocks by default.
        exclude: shell patterns of layers to leave without an adapter.
        seed: of ``shuffled``.

    Raises:
        InputError: no layers, or a budget that the floor or the layers' sizes do not allow.

    >>> table = {f"blocks.{i}.fc.weight": __import__("torch").randn(32, 32 + i) for i in range(3)}
    >>> found = rank_pattern(table, 4)
    >>> found.parameters <= found.budget, min(found.ranks.values()) >= 1
    (True, True)
    """
    if not mean_rank > 0 or not scaling > 0 or floor < 1:
        raise InputError(
            f"mean_rank={mean_rank}, scaling={scaling}, floor={floor}; expected numbers above 0, "
            "and a floor of 1 or more"
        )
    table = {
        name: entry
        for name, entry in exponents(source).items()
        if (not include or any(fnmatchcase(name, p) for p in include))
        and not any(fnmatchcase(name, p) for p in exclude)
    }
    if not table:
        raise InputError("include and exclude leave no layer. Try: other patterns")
    widths = {name: sum(entry["shape"]) for name, entry in table.items()}
    metric = {name: {**entry, "parameters": widths[name]} for name, entry in table.items()}
    settings: dict[str, Any] = {"beta": beta} if rule == "power" else {}
    if rule in ("reversed", "shuffled"):
        settings = {"of": "power", "beta": beta}
    plan = allocate(
        metric,
        kind="ranks",
        total=float(mean_rank),
        rule=rule,
        group="matrix",
        weights="parameters",
        floor=floor,
        seed=seed,
        noise_aware=False,
        **settings,
    )
    return RankPattern(
        environment=Environment.capture(seed=seed),
        source=source.source if isinstance(source, SpectraResult) else str(source)[:200],
        rule=rule,
        budget=int(mean_rank * sum(widths.values())),
        mean_rank=float(mean_rank),
        scaling=float(scaling),
        plan=plan,
        widths=widths,
    )
