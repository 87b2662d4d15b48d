"""Reference distributions: what the layers of real, trained networks measured, by kind and role."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from eigenscape.errors import InputError
from eigenscape.results import Result, decode
from eigenscape.spectra._layer import LayerSpectrum
from eigenscape.spectra._options import SpectraOptions
from eigenscape.spectra._place import FEWEST, Place, Placement, group_words, placed
from eigenscape.spectra._reference_model import (
    ORIGINAL,
    MeasuredWith,
    ReferenceLayer,
    ReferenceModel,
    entries,
)
from eigenscape.spectra._result import SpectraResult

if TYPE_CHECKING:
    import pandas as pd

_FILE = "reference.json"
#: The environment variable that names the user's own file.
OWN_FILE = "EIGENSCAPE_REFERENCE"
#: The numbers that are compared unless others are asked for.
COMPARED = ("alpha_excess", "stable_rank", "spikes", "log_norm")
METRICS = (*COMPARED, "alpha_hill", "alpha_ks", "row_dispersion", "column_dispersion")
#: From this many layers in its third of the depth, a layer is compared with those alone: of 20, one
#: below all lies below at least 83 % (the exact 95 % interval of 0 of 20 reaches to .17).
_ENOUGH = 20
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Reference(Result):
    """What the layers of some networks measured, to place others among them.

    Args:
        options: how all of them were measured.
        models: the networks, the user's own first.

    Raises:
        InputError: two networks of one name.
    """

    schema: ClassVar[str] = "eigenscape.reference/1"
    options: MeasuredWith
    models: tuple[ReferenceModel, ...]

    def __post_init__(self) -> None:
        names = [model.name for model in self.models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"the reference has {twice[0]!r:.60} twice; names must differ")

    def __iter__(self) -> Iterator[ReferenceModel]:
        return iter(self.models)

    def frame(self, *, metric: str = "alpha_excess") -> pd.DataFrame:
        """Return a row for each kind, role and way of reading: how many, and the quartiles.

        Args:
            metric: which number, in the form in which it is compared.

        Raises:
            InputError: an unknown metric.
        """
        import numpy as np
        import pandas as pd

        _check(metric)
        columns = ("kind", "role", "weights", "models", "names", "n", "metric")
        quartiles = ("lowest", "lower quartile", "median", "upper quartile", "highest")
        groups = dict.fromkeys(layer.group for model in self.models for layer in model.layers)
        pools = [pool for group in groups for pool in self._seen(group, metric) if pool]
        rows = []
        for pool in pools:
            layer, model = pool[0].layer, pool[0].model
            names = dict.fromkeys(one.model.name for one in pool)
            spread = np.quantile([one.number for one in pool], (0, 0.25, 0.5, 0.75, 1))
            head = (*layer.group, _weights(model), len(names), ", ".join(names), len(pool), metric)
            rows.append((*head, *spread.tolist()))
        return pd.DataFrame(rows, columns=[*columns, *quartiles])

    def place(
        self,
        layer: LayerSpectrum | ReferenceLayer,
        metric: str = "alpha_excess",
        *,
        depth: float | None = None,
        without: Collection[str] = (),
    ) -> Place:
        """Return where a number of a layer lies among those of its kind and role.

        The user's own networks come first, original weights before others; the first of these
        pools with at least six such layers is taken. Where a pool has twenty in the layer's third
        of the depth, it is compared with those alone.

        Args:
            layer: a row of a layer table that was measured with the reference's options.
            metric: one of ``alpha_excess``, ``stable_rank``, ``spikes``, ``log_norm``,
                ``alpha_hill``, ``alpha_ks``, ``row_dispersion``, ``column_dispersion``.
            depth: of the layer, from 0, the first block, to 1, the last; None outside the blocks.
            without: names of networks to leave out.

        Raises:
            InputError: an unknown metric.
        """
        _check(metric)
        mine = ReferenceLayer.of(layer, depth) if isinstance(layer, LayerSpectrum) else layer
        return _placed(mine, metric, self._seen(mine.group, metric, without))

    def compare(self, result: SpectraResult, metrics: Sequence[str] = COMPARED) -> Placement:
        """Place every layer of an examination; a network is not compared with itself.

        A network of the reference is left out when most of its layers have the numbers of layers
        that were examined; a copy that was rounded or renamed counts as the same network.

        Args:
            result: measured with the reference's options.
            metrics: which numbers; see :meth:`place`.

        Raises:
            InputError: an unknown metric, or a table that was measured with other options.
        """
        for metric in metrics:
            _check(metric)
        options = decode(dict(result.options), SpectraOptions, where="the options")
        self.options.check(options, result.source)
        mine = entries(result)
        same = [model.name for model in self.models if model.is_alike(tuple(mine.values()))]
        groups = dict.fromkeys(layer.group for layer in mine.values())
        seen = {
            (group, metric): self._seen(group, metric, same)
            for group in groups
            for metric in metrics
        }
        return Placement(
            environment=result.environment,
            source=result.source,
            places=tuple(
                _placed(layer, metric, seen[layer.group, metric])
                for layer in mine.values()
                for metric in metrics
            ),
            distributions={
                metric: {
                    group_words(*group): tuple(sorted(one.number for one in pool))
                    for group in groups
                    if (pool := _enough(seen[group, metric]))
                }
                for metric in metrics
            },
            control={metric: self.control(metric) for metric in metrics},
            notes=tuple(f"{name} is this network and is left out" for name in same),
        )

    def control(self, metric: str) -> tuple[int, int]:
        """Count the layers of these networks that lie at the ends of the other networks'."""
        places = [
            _placed(layer, metric, pools)
            for model in self.models
            for group in dict.fromkeys(layer.group for layer in model.layers)
            for pools in [self._seen(group, metric, (model.name,))]
            for layer in model.layers
            if layer.group == group
        ]
        compared = [place for place in places if not place.why]
        return sum(place.is_extreme for place in compared), len(compared)

    def _seen(
        self, group: tuple[str, str], metric: str, without: Collection[str] = ()
    ) -> list[list[_Seen]]:
        """Return the numbers of the layers of one kind and role, pool by pool."""
        return [
            [
                _Seen(number, layer, model)
                for model in pool
                for layer in model.layers
                if layer.group == group and (number := layer.number(metric)) == number
            ]
            for pool in self._pools(without)
        ]

    def _pools(self, without: Collection[str] = ()) -> Iterator[list[ReferenceModel]]:
        """Yield the networks that may be compared with together, the user's own first."""
        kept = [model for model in self.models if model.name not in without]
        order = sorted({(not m.own, m.read != ORIGINAL, m.read) for m in kept})
        for shipped, _, read in order:
            yield [model for model in kept if model.own != shipped and model.read == read]

    def joined(self, own: Reference) -> Self:
        """Return a reference with the user's own networks before these.

        Raises:
            InputError: the two were measured with different options, or share a name.
        """
        if own.options != self.options:
            raise InputError(
                f"your own reference was measured with {vars(own.options)}, this version's with "
                f"{vars(self.options)}. Try: move the file away and add its models again "
                "(eigenscape reference add)"
            )
        mine = tuple(replace(model, own=True) for model in own.models)
        return replace(self, models=(*mine, *self.models))


def reference(own: str | Path | None = None) -> Reference:
    """Return the shipped reference, with the user's own networks where there are some.

    Args:
        own: the user's own file; by default the one that the environment variable
            ``EIGENSCAPE_REFERENCE`` names, where it is set.

    Raises:
        InputError: the file is not there, damaged, or of another version or other options.

    >>> sorted({model.read for model in reference()})
    ['dequantized from Q4_1', 'original']
    """
    path = own_file(own)
    return shipped() if path is None else shipped().joined(read_own(path, named=own is None))


def own_file(path: str | Path | None = None) -> Path | None:
    """Return the place of the user's own reference, where one was named."""
    named = path or os.environ.get(OWN_FILE)
    return Path(named) if named else None


def read_own(path: Path, *, named: bool = False) -> Reference:
    """Read the user's own file.

    Args:
        path: of it.
        named: by the environment variable, for the message.

    Raises:
        InputError: it is not there, damaged, or of another version.
    """
    if not path.exists():
        who, more = (f"{OWN_FILE} names {path}, which", f"; or unset {OWN_FILE}")
        raise InputError(
            f"{who if named else path} is not there. Try: eigenscape reference add MODEL "
            f"--name NAME --file {path}{more if named else ''}"
        )
    try:
        return Reference.load(path)
    except InputError as error:
        reason = str(error).partition(" Try: ")[0].rstrip(".")
        raise InputError(
            f"{reason}. Try: move the file away and add its models again (eigenscape reference add)"
        ) from error


@lru_cache(maxsize=1)
def shipped() -> Reference:
    """Return what the package ships; ``benchmarks/reference.py`` made it."""
    with as_file(files("eigenscape.spectra") / _FILE) as path:
        return Reference.load(path)


def _check(metric: str) -> None:
    if metric not in METRICS:
        raise InputError(f"metric is {metric!r:.40}; expected one of {', '.join(METRICS)}")


class _Seen(NamedTuple):
    number: float
    layer: ReferenceLayer
    model: ReferenceModel


def _enough(pools: Sequence[list[_Seen]]) -> list[_Seen]:
    """Return the first pool that gives a place; an empty one where none does."""
    return next((pool for pool in pools if len(pool) >= FEWEST), [])


def _placed(mine: ReferenceLayer, metric: str, pools: Sequence[list[_Seen]]) -> Place:
    value = mine.number(metric)
    whole = {"layer": mine.name, "kind": mine.kind, "role": mine.role, "metric": metric}
    pool = _enough(pools)
    if value != value:
        return placed(value, (), **whole, why="the layer has no such number")
    if not pool:
        return placed(value, (), **whole, why=_too_few(mine, max(map(len, pools), default=0)))
    near = [one for one in pool if _third(one.layer.depth) == _third(mine.depth)]
    part = mine.depth is not None and _ENOUGH <= len(near) < len(pool)
    taken = near if part else pool
    models = {one.model.name: one.model for one in taken}
    return placed(
        value,
        [one.number for one in taken],
        **whole,
        **_named(list(models.values())),
        depth="in the same third of the depth" if part else "",
        note=_sizes(mine, [one.layer for one in taken]),
    )


def _third(depth: float | None) -> int | None:
    return None if depth is None else min(int(3 * depth), 2)


def _weights(model: ReferenceModel) -> str:
    return f"{'your own, ' if model.own else ''}{model.read}"


def _named(models: Sequence[ReferenceModel]) -> dict[str, Any]:
    count, own = len(models), " of yours" if models[0].own else ""
    names = ", ".join(model.name for model in models[:_NAMED])
    more = f" and {count - _NAMED} more" if count > _NAMED else ""
    read = "" if models[0].read == ORIGINAL else f", {models[0].read}"
    number = "one model" if count == 1 else f"{count} models"
    return {"models": count, "among": f"{number}{own}: {names}{more}{read}"}


def _sizes(mine: ReferenceLayer, others: Sequence[ReferenceLayer]) -> str:
    """Say it where the layer is less than half or more than twice as wide as all the others."""
    sides = [layer.smaller_side for layer in others]
    low, high = min(sides), max(sides)
    if low <= 2 * mine.smaller_side and mine.smaller_side <= 2 * high:
        return ""
    width = f"{low}" if low == high else f"{low} to {high}"
    return f"they are {width} wide, this one {mine.smaller_side}"


def _too_few(mine: ReferenceLayer, most: int) -> str:
    seen = f"{most} seen, {FEWEST} are the fewest that give a place" if most else "none seen"
    return f"no reference for {group_words(mine.kind, mine.role)}: {seen}"
