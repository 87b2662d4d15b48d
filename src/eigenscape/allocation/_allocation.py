"""The Allocation: a budget for each layer, and everything that it was made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from eigenscape.allocation._rounding import largest_remainder
from eigenscape.errors import InputError
from eigenscape.results import Environment, Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class LayerBudget:
    """The budget of one layer.

    Args:
        name: the layer.
        budget: a whole number for experts, ranks and bits.
        metric: what it was decided by.
        error: the standard error of the metric; None where nobody knows.
        parameters: entries of the weight; None where nobody said.
        group: who shares the budget; the layer's own name where it stands alone.
        block: the repeated unit that the layer belongs to.
        kind: what the layer is.
        clipped: a floor or a cap holds the budget back.
        tensors: the checkpoint's tensors behind the layer.
    """

    name: str
    budget: float
    metric: float
    error: float | None = None
    parameters: int | None = None
    group: str = ""
    block: str | None = None
    kind: str = ""
    clipped: bool = False
    tensors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Allocation(Result):
    """A budget for each layer, exact in its total.

    Get one from :func:`~eigenscape.allocation.allocate`.

    Args:
        kind: what the budget is spent on: lr, sparsity, experts, ranks, bits.
        metric: the field that decided.
        rule: the rule by the name that was asked for.
        settings: of the rule, the grouping, the limits.
        rows: one for each layer, in the order of the network.
        target: the total that was asked for; None for factors without one.
        total: what the budgets come to: their sum (experts, ranks), or their mean.
        noise_share: what the range was narrowed to; None where noise was not looked at.
        source: where the metric comes from.
        metric_sha256: of the metric.
        weights_sha256: of the checkpoint; empty where none was handed over.
        notes: what to know before using it.
    """

    schema: ClassVar[str] = "eigenscape.allocation/1"
    kind: str
    metric: str
    rule: str
    settings: Mapping[str, Any]
    rows: tuple[LayerBudget, ...]
    target: float | None
    total: float
    noise_share: float | None = None
    source: str = ""
    metric_sha256: str = ""
    weights_sha256: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def layers(self) -> dict[str, float]:
        """The budget of each layer, by name."""
        return {row.name: row.budget for row in self.rows}

    @property
    def groups(self) -> dict[str, float]:
        """The budget of each group, by name."""
        return {row.group: row.budget for row in self.rows}

    @property
    def clipped(self) -> tuple[str, ...]:
        """The layers whose budget a floor or a cap holds back."""
        return tuple(row.name for row in self.rows if row.clipped)

    @property
    def parameters(self) -> dict[str, int | None]:
        """The entries of each layer's weight, by name."""
        return {row.name: row.parameters for row in self.rows}

    def __getitem__(self, name: str) -> float:
        return self.layers[name]

    def __len__(self) -> int:
        return len(self.rows)

    def entries_to_prune(self) -> dict[str, int]:
        """Return how many entries of each layer to prune; exactly the sparsity of all of them.

        The counts add up to the total sparsity times all parameters, rounded, and each differs from
        its layer's share by less than one entry.

        Raises:
            InputError: not an allocation of sparsity, no parameter counts, or sparsities above 1.

        >>> from eigenscape.allocation import allocate
        >>> table = {n: {"alpha": a, "parameters": 15} for n, a in (("a", 2.0), ("b", 4.0))}
        >>> allocate(table, kind="sparsity", total=0.5, epsilon=0.1).entries_to_prune()
        {'a': 7, 'b': 8}
        """
        sizes = [row.parameters for row in self.rows if row.parameters is not None]
        if self.kind != "sparsity" or len(sizes) < len(self.rows):
            raise InputError(
                f"this is an allocation of {self.kind} for {len(self.rows)} layers, {len(sizes)} "
                "of known size; expected kind='sparsity' and parameters for each layer"
            )
        if any(row.budget > 1 for row in self.rows):
            raise InputError(
                "sparsities above 1 cannot be carried out. Mend: allocate without reference=True"
            )
        quotas = np.array([row.budget * row.parameters for row in self.rows if row.parameters])
        names = [row.name for row in self.rows]
        exact = self.target is not None and self.settings["weights"] == "parameters"
        total = self.target * sum(sizes) if exact else math.fsum(quotas)  # type: ignore[operator]
        counts = largest_remainder(quotas, round(total), names)
        return dict(zip(names, counts.tolist(), strict=True))

    def param_groups(
        self, model: nn.Module, base_lr: float, **options: Any
    ) -> list[dict[str, Any]]:
        """Return parameter groups for an optimizer: every parameter in exactly one.

        A layer's rate is for its weight and for what its module holds beside it, such as the bias;
        with ``group="block"`` for everything in the block, normalization included (Liu et al.
        2024). A tensor behind several layers, such as a fused q, k, v, gets their mean. All other
        parameters are in the last group, at the base rate.

        Args:
            model: the network, with the layers' names.
            base_lr: the rate at a factor of 1.
            **options: copied into each group, such as ``weight_decay``.

        Returns:
            Groups with ``params``, ``lr``, ``name``, ``factor`` and the options.

        Raises:
            InputError: not an allocation of learning rates, or a layer that the model lacks.

        >>> from torch import nn
        >>> from eigenscape.allocation import allocate
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.LayerNorm(2))
        >>> groups = allocate({"0": 2.0, "1": 3.0}).param_groups(model, 0.1)
        >>> [(g["name"], round(g["lr"], 3), len(g["params"])) for g in groups]
        [('0', 0.05, 2), ('1', 0.15, 2), ('base', 0.1, 2)]
        """
        from eigenscape.allocation._param_groups import param_groups

        return param_groups(self, model, base_lr, options)

    def payload(self) -> dict[str, Any]:
        """Return the fields, with the budgets by name before the rows."""
        return {
            "kind": self.kind,
            "rule": self.rule,
            "settings": dict(self.settings),
            "metric": self.metric,
            "source": self.source,
            "target": self.target,
            "total": self.total,
            "layers": self.layers,
            "groups": self.groups,
            "clipped": self.clipped,
            "noise_share": self.noise_share,
            "notes": self.notes,
            "metric_sha256": self.metric_sha256,
            "weights_sha256": self.weights_sha256,
            "rows": [asdict(row) for row in self.rows],
        }

    @classmethod
    def from_payload(cls, data: dict[str, Any], environment: Environment) -> Self:
        """Rebuild from JSON."""
        same = ("kind", "rule", "metric", "source", "target", "total", "noise_share",
                "metric_sha256", "weights_sha256")  # fmt: skip
        rows = [LayerBudget(**{**row, "tensors": tuple(row["tensors"])}) for row in data["rows"]]
        settings = {k: tuple(v) if isinstance(v, list) else v for k, v in data["settings"].items()}
        return cls(
            environment=environment,
            settings=settings,
            rows=tuple(rows),
            notes=tuple(data["notes"]),
            **{name: data[name] for name in same},
        )

    def frame(self) -> pd.DataFrame:
        """Return one row for each layer."""
        import pandas as pd

        columns = [name for name in LayerBudget.__dataclass_fields__ if name != "tensors"]
        return pd.DataFrame([asdict(row) for row in self.rows])[columns]

    def plot(self) -> Figure:
        """Return metric and budget of each group, in the order of the network."""
        from eigenscape.allocation._plot import plot_allocation

        return plot_allocation(self)
