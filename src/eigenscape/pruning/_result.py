"""The result of pruning: what each matrix lost, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from eigenscape.allocation import Allocation
from eigenscape.checkpoints import CheckpointLike, Patch, named_modules
from eigenscape.errors import InputError
from eigenscape.results import Finding, Result, find_row

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class PrunedLayer:
    """What one matrix lost.

    Args:
        name: of its module.
        block: the block that it was pruned with.
        shape: (out, in).
        zeros: entries that are zero now.
        pruned: entries that were chosen for it.
        error: the relative error of its outputs over the calibration data, squared norms; None
            where no calibration data reached it.
        pattern: N:M; empty where unstructured.
        note: what was unusual.
    """

    name: str
    block: str
    shape: tuple[int, int]
    zeros: int
    pruned: int
    error: float | None = None
    pattern: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not 0 <= max(self.pruned, self.zeros) <= self.parameters or self.pruned < 0:
            raise InputError(
                f"{self.name}: {self.zeros} zeros and {self.pruned} pruned of {self.parameters}"
            )

    @property
    def parameters(self) -> int:
        """Entries of the matrix."""
        return self.shape[0] * self.shape[1]

    @property
    def sparsity(self) -> float:
        """Zeros over entries."""
        return self.zeros / self.parameters if self.parameters else 0.0


@dataclass(frozen=True, kw_only=True)
class Pruning(Result):
    """What a network lost, matrix by matrix.

    Get one from :func:`eigenscape.pruning.prune`.

    Args:
        model: the class of the network, or its folder.
        recognised: what was pruned, in words.
        criterion: which weights went.
        plan: how much each matrix was to lose.
        allocation: the name of that plan.
        pattern: N:M; empty where unstructured.
        target: the sparsity that was asked for.
        calibration: what the inputs were measured on.
        calibration_hash: of it; empty where none was needed.
        rows: one for each matrix, in the order of the network.
        left_out: weights that stay, with the reason.
        evaluation: the text that perplexities are of; empty where none was given.
        perplexity_dense: before; None where no text was given.
        perplexity_pruned: after.
        notes: remarks.
        seconds: what it took.
        masks: true where an entry was chosen, by the name of its tensor and in its shape; only in
            the process that pruned a module.
    """

    schema: ClassVar[str] = "eigenscape.pruning/1"
    also_written: ClassVar[tuple[str, ...]] = ("sparsity", "layers")
    model: str
    recognised: str
    criterion: str
    allocation: str
    plan: Allocation
    pattern: str = ""
    target: float
    calibration: str = ""
    calibration_hash: str = ""
    rows: tuple[PrunedLayer, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    evaluation: str = ""
    perplexity_dense: float | None = None
    perplexity_pruned: float | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    masks: Mapping[str, Tensor] = field(
        default_factory=dict, repr=False, compare=False, metadata={"saved": False}
    )

    @property
    def parameters(self) -> int:
        """Entries of all pruned matrices."""
        return sum(row.parameters for row in self.rows)

    @property
    def zeros(self) -> int:
        """How many of them are zero."""
        return sum(row.zeros for row in self.rows)

    @property
    def sparsity(self) -> float:
        """Zeros over entries, of all pruned matrices."""
        return self.zeros / self.parameters

    @property
    def layers(self) -> dict[str, dict[str, Any]]:
        """Sparsity, zeros and entries of each matrix, by name."""
        return {
            row.name: {
                "sparsity": row.sparsity,
                "zeros": row.zeros,
                "parameters": row.parameters,
            }
            for row in self.rows
        }

    def __getitem__(self, key: str | int) -> PrunedLayer:
        return find_row(self.rows, key)

    @property
    def answer(self) -> str:
        """What went, and what it cost."""
        what = (
            f"{self.zeros:,} of {self.parameters:,} weights in {len(self.rows)} matrices are zero "
            f"({100 * self.sparsity:.4g} %)"
        )
        if self.perplexity_dense is None or self.perplexity_pruned is None:
            return f"{what}; what it costs was not measured."
        return (
            f"{what}; the perplexity on the evaluation text went from {self.perplexity_dense:.4g} "
            f"to {self.perplexity_pruned:.4g}."
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What to do next."""
        found = []
        if self.perplexity_pruned is None:
            found.append(
                Finding(
                    text="No text was given to measure the loss of quality on.",
                    basis="description",
                    todo="Measure the perplexity of both folders on a text of your own",
                    command="eigenscape perplexity MODEL --text FILE",
                )
            )
        worst = max((row for row in self.rows if row.error is not None), key=_error, default=None)
        if worst is not None:
            found.append(
                Finding(
                    text=f"The outputs of {worst.name} changed most: by "
                    f"{100 * _error(worst):.3g} % of their squared norm over the calibration text.",
                    basis="measurement",
                    layers=(worst.name,),
                )
            )
        found.append(
            Finding(
                text="The files are as large as before, and a dense kernel multiplies by zeros as "
                "well: no time and no space is saved until the zeros are stored as such.",
                basis="description",
            )
        )
        return tuple(found)

    def by_block(self) -> pd.DataFrame:
        """Return one row for each block."""
        import pandas as pd

        rows: dict[str, list[PrunedLayer]] = {}
        for row in self.rows:
            rows.setdefault(row.block, []).append(row)
        return pd.DataFrame([_of_block(block, inside) for block, inside in rows.items()])

    def patch(self, dense: CheckpointLike, pruned: CheckpointLike | None = None) -> Patch:
        """Return what pruning changed, to the bit.

        Args:
            dense: the weights before.
            pruned: the weights after, where the criterion changed those that stay as well.

        Raises:
            InputError: the masks are not known: the result was read from a file.
            CheckpointError: other weights.
        """
        if pruned is not None:
            return Patch.diff(dense, pruned)
        if not self.masks or self.criterion == "sparsegpt":
            why = "the weights that stay changed too" if self.masks else "a file has no masks"
            raise InputError(f"{why}. Try: give both, patch(dense, pruned)")
        return Patch.masking(dense, self.masks)

    def to_torch(self, model: nn.Module) -> nn.Module:
        """Register the masks with ``torch.nn.utils.prune``, so that training keeps the zeros.

        Args:
            model: with the names of the network that was pruned.

        Raises:
            InputError: the masks are not known, or the model lacks a matrix.
        """
        from torch.nn.utils import prune as torch_prune

        if not self.masks:
            raise InputError("a file has no masks. Try: call this in the process that pruned")
        modules = named_modules(model)
        missing = [name for name in self.masks if name.rpartition(".")[0] not in modules]
        if missing:
            raise InputError(f"the model lacks {', '.join(missing[:4])}")
        for name, mask in self.masks.items():
            module = modules[name.rpartition(".")[0]]
            torch_prune.custom_from_mask(module, "weight", ~mask)  # type: ignore[no-untyped-call]
        return model

    def frame(self) -> pd.DataFrame:
        """Return one row for each matrix."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "name": row.name,
                    "block": row.block,
                    "sparsity": row.sparsity,
                    "zeros": row.zeros,
                    "parameters": row.parameters,
                    "error": row.error,
                    "pattern": row.pattern,
                    "note": row.note,
                }
                for row in self.rows
            ]
        )


def _error(row: PrunedLayer) -> float:
    return row.error if row.error is not None else 0.0


def _of_block(block: str, rows: list[PrunedLayer]) -> dict[str, Any]:
    return {
        "block": block,
        "matrices": len(rows),
        "sparsity": sum(row.zeros for row in rows) / sum(row.parameters for row in rows),
        "lowest": min(row.sparsity for row in rows),
        "highest": max(row.sparsity for row in rows),
        "largest error": max((row.error for row in rows if row.error is not None), default=None),
    }
