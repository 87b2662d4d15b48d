"""The layer table: what an examination returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from eigenscape.errors import InputError
from eigenscape.layers import Skipped, role
from eigenscape.results import Finding, Result, find_row, replacing
from eigenscape.spectra import _answer as said
from eigenscape.spectra._groups import LayerGroup, groups_of
from eigenscape.spectra._layer import LayerSpectrum

if TYPE_CHECKING:
    import pandas as pd

#: Columns of the table that people read; ``frame(full=True)`` has them all.
COLUMNS = (
    "name",
    "kind",
    "block",
    "shape",
    "matrices",
    "n_eigenvalues",
    "alpha_hill",
    "alpha_hill_low",
    "alpha_hill_high",
    "alpha_null",
    "alpha_excess",
    "alpha_ks",
    "sigma",
    "xmin",
    "ks_distance",
    "tail_size",
    "stable_rank",
    "spectral_norm",
    "log_norm",
    "entropy",
    "rank",
    "spikes",
    "row_dispersion",
    "column_dispersion",
    "label",
)
_SUMMARIZED = (
    "alpha_hill",
    "alpha_excess",
    "alpha_ks",
    "alpha_hat",
    "log_norm",
    "stable_rank",
    "entropy",
    "soft_rank",
)
#: Of which the medians stand in the table by role.
_BY_ROLE = ("alpha_excess", "alpha_ks", "stable_rank", "row_dispersion", "column_dispersion")


@dataclass(frozen=True, kw_only=True)
class SpectraResult(Result):
    """A spectral examination: one row for each layer, and a reason for each tensor without one.

    Args:
        source: what was examined, as the user named it.
        options: how, as plain types.
        layers: the rows, in the order of the checkpoint.
        skipped: every tensor that is in no row.
        notes: how the checkpoint was read.
        parameters_total: entries of all floating-point tensors.
        seconds: the time that the examination took.
    """

    schema: ClassVar[str] = "eigenscape.spectra/1"
    also_written: ClassVar[tuple[str, ...]] = ("summary",)
    source: str
    options: dict[str, Any]
    layers: tuple[LayerSpectrum, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...] = ()
    parameters_total: int = 0
    seconds: float = 0.0

    def __getitem__(self, key: str | int) -> LayerSpectrum:
        return find_row(self.layers, key)

    def __iter__(self) -> Iterator[LayerSpectrum]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    @property
    def summary(self) -> dict[str, Any]:
        """Counts, and medians over the layers; layers without an exponent are not averaged in."""
        labels = Counter(layer.label for layer in self.layers if layer.label)
        parameters = sum(layer.parameters for layer in self._distinct())
        return {
            "layers": len(self.layers),
            "skipped": len(self.skipped),
            "parameters_examined": parameters,
            "parameters_total": self.parameters_total,
            "labels": dict(labels.most_common()),
            **{name: _spread([row.number(name) for row in self.layers]) for name in _SUMMARIZED},
        }

    @property
    def scope(self) -> str:
        """How many layers were examined, and what share of the parameters they hold, in words."""
        return said.scope(self)

    @property
    def label_counts(self) -> str:
        """How many layers have which label, in words."""
        return said.counts(self)

    @property
    def answer(self) -> str:
        """What the spectra are in all, and that they do not tell how well the network learned."""
        return said.answer(self)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is certain, worst first; then what data can tell more of; then what is no fault."""
        return tuple(said.findings(self))

    def _distinct(self) -> list[LayerSpectrum]:
        """Rows whose entries are counted: LoRA's merged matrices hold their base's again."""
        return [layer for layer in self.layers if layer.kind != "lora_merged"]

    def frame(self, *, full: bool = False) -> pd.DataFrame:
        """Return the layer table, with the description as its label.

        Args:
            full: every number of the layer table, instead of the usual columns. Costly metrics and
                those of other packages are in both.
        """
        import pandas as pd

        table = pd.DataFrame([layer.columns() for layer in self.layers])
        if table.empty:
            return pd.DataFrame(columns=list(COLUMNS))
        return table if full else table[[*COLUMNS, *self.extra_columns]]

    def groups(self) -> tuple[LayerGroup, ...]:
        """Return the layers in groups of one name but for its numbers, as in every block."""
        return groups_of(self.layers)

    def by_role(self) -> pd.DataFrame:
        """Return one row for each role of layers: how many, medians, how many of each label.

        What a spectrum looks like follows the role more than the training, so layers are compared
        within it. A role is what :func:`eigenscape.layers.role` reads from the name.
        """
        import pandas as pd

        groups: dict[str, list[LayerSpectrum]] = {}
        for layer in self.layers:
            groups.setdefault(role(layer.layer), []).append(layer)
        rows = []
        for name, members in groups.items():
            labels = Counter(layer.label for layer in members if layer.label).most_common()
            rows.append(
                {
                    "role": name,
                    "layers": len(members),
                    **{
                        column: _spread([layer.number(column) for layer in members])["median"]
                        for column in _BY_ROLE
                    },
                    "labels": ", ".join(f"{count} {label}" for label, count in labels),
                }
            )
        return pd.DataFrame(rows, columns=["role", "layers", *_BY_ROLE, "labels"])

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """The columns of costly metrics and of metrics of other packages."""
        return tuple(dict.fromkeys(name for layer in self.layers for name in layer.extras))

    def save_eigenvalues(self, path: str | Path) -> Path:
        """Write every layer's eigenvalues to an ``.npz`` file, under the layer's name.

        Raises:
            InputError: the result was read from a file, which does not hold them.
            OutputError: the file could not be written.
        """
        spectra = {layer.name: layer.eigenvalues for layer in self.layers}
        kept = {name: values for name, values in spectra.items() if values is not None}
        if self.layers and not kept:
            raise InputError(
                "this result was read from a file, which does not hold the eigenvalues; examine "
                "the checkpoint again"
            )
        with replacing(path) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED) as archive:
            # np.savez would take a layer named "file" for its own argument.
            for name, values in kept.items():
                with archive.open(f"{name}.npy", "w") as handle:
                    np.lib.format.write_array(handle, values, allow_pickle=False)
        return Path(path)


def _spread(values: list[float]) -> dict[str, float | int]:
    known = np.array([value for value in values if value is not None and np.isfinite(value)])
    if not len(known):
        return {"median": float("nan"), "mean": float("nan"), "std": float("nan"), "layers": 0}
    return {
        "median": float(np.median(known)),
        "mean": float(known.mean()),
        "std": float(known.std(ddof=1)) if len(known) > 1 else float("nan"),
        "layers": len(known),
    }
