"""How many LoRA experts each block gets: AlphaLoRA, and the patterns that it is compared with."""

from __future__ import annotations

from typing import Any

from eigenscape.adapters._metric import exponents
from eigenscape.allocation import Allocation, allocate
from eigenscape.checkpoints import CheckpointLike
from eigenscape.errors import InputError
from eigenscape.spectra import SpectraResult

#: The patterns of MoLA (Gao et al. 2024): experts of the blocks in each quarter of the depth.
MOLA = {
    "2468": (2, 4, 6, 8),
    "8642": (8, 6, 4, 2),
    "5555": (5, 5, 5, 5),
    "3578": (3, 5, 7, 8),
}


def expert_counts(
    source: SpectraResult | CheckpointLike,
    total: int | None = None,
    *,
    rule: str = "alphalora",
    beta: float = 2.5,
    seed: int = 0,
) -> dict[str, int]:
    r"""Return the number of LoRA experts of each block.

    With a the mean exponent of the linear layers of a block, the shares are
    :math:`a^\beta / \sum a^\beta` (Qing et al. 2024, section 3), rounded by largest remainder to
    the total, each at least 1. The published rounding misses its own shares by up to two experts.

    Args:
        source: the base model, or its layer table.
        total: of all blocks; 5 a block by default, as in the paper. Not for the patterns of MoLA.
        rule: ``alphalora``; a pattern of :data:`MOLA`; or a control: ``uniform``, ``reversed``,
            ``shuffled``.
        beta: the power of the exponent (2.5 in the paper).
        seed: of ``shuffled``.

    Raises:
        InputError: an unknown rule, a total below one expert a block or beside a pattern.
    """
    table = exponents(source)
    names = list(dict.fromkeys(entry["block"] for entry in table.values()))
    if rule in MOLA:
        if total is not None:
            raise InputError(f"the pattern {rule} has its own total. Try: leave total out")
        return _quarters(names, MOLA[rule])
    settings: dict[str, Any] = {}
    if rule == "alphalora":
        settings["beta"] = beta
    elif rule in ("reversed", "shuffled"):
        settings |= {"of": "alphalora", "beta": beta}
    elif rule != "uniform":
        known = ("alphalora", *MOLA, "uniform", "reversed", "shuffled")
        raise InputError(f"unknown rule {rule!r}; known: {', '.join(known)}")
    plan: Allocation = allocate(
        table,
        kind="experts",
        total=5 * len(names) if total is None else total,
        rule=rule,
        group="block",
        seed=seed,
        noise_aware=False,
        **settings,
    )
    return {name: int(count) for name, count in plan.groups.items()}


def _quarters(names: list[str], counts: tuple[int, ...]) -> dict[str, int]:
    """The same count for the blocks of each quarter; the last quarter takes what is left over."""
    size = max(1, len(names) // len(counts))
    return {name: counts[min(at // size, len(counts) - 1)] for at, name in enumerate(names)}
