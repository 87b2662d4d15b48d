"""Read a checkpoint that is split over several files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from eigenscape.checkpoints._file import file_reader
from eigenscape.checkpoints._reader import Listing, Reader
from eigenscape.checkpoints._tensor_info import TensorInfo
from eigenscape.checkpoints._text import counted, few, natural
from eigenscape.errors import CheckpointError


@dataclass(frozen=True)
class ShardedReader:
    """Several files that form one checkpoint.

    Args:
        shards: a reader for each file.
        places: for each tensor, the file that holds it.
        found: the tensors of all files together.
    """

    shards: Mapping[str, Reader]
    places: Mapping[str, str]
    found: Listing

    @property
    def format(self) -> str:
        """What the files are."""
        kinds = {shard.format.removesuffix("s") + "s" for shard in self.shards.values()}
        return f"sharded {' and '.join(sorted(kinds))}"

    def listing(self) -> Listing:
        """Return the tensors of all files."""
        return self.found

    def read(self, name: str) -> Tensor:
        """Read one tensor from the file that holds it."""
        return self.shards[self.places[name]].read(name)


def indexed(folder: Path, weight_map: Mapping[str, str]) -> ShardedReader:
    """Return a reader of the shards that an index names; only their headers are read.

    Args:
        folder: where the shards lie.
        weight_map: for each tensor, its shard.

    Raises:
        CheckpointError: tensors of the index are missing from their shards, or a shard is bad.
    """
    shards, listings = _listings(folder, sorted(set(weight_map.values()), key=natural))
    held = {shard: set(listing.names) for shard, listing in listings.items()}
    missing = [
        f"{name} (in {shard})" for name, shard in weight_map.items() if name not in held[shard]
    ]
    if missing:
        raise CheckpointError(
            f"{folder}: the index lists {counted(len(missing), 'tensor')} that the shards do not "
            f"hold: {few(missing)}. Try: download the folder again; its files are of two versions"
        )
    found = {
        shard: [info for info in listing.infos if weight_map.keys() & info.names]
        for shard, listing in listings.items()
    }
    left = sum(len(listings[shard].infos) - len(infos) for shard, infos in found.items())
    notes = _notes(listings)
    if left:
        notes.append(f"{counted(left, 'tensor')} of the shards not in the index, and left aside")
    return _reader(shards, found, notes)


def together(folder: Path, names: list[str]) -> ShardedReader:
    """Return a reader of all that several files of a folder hold.

    Raises:
        CheckpointError: two files hold a tensor of the same name, or a file is bad.
    """
    shards, listings = _listings(folder, sorted(names, key=natural))
    places: dict[str, list[str]] = {}
    for shard, listing in listings.items():
        for name in listing.names:
            places.setdefault(name, []).append(shard)
    twice = [f"{name} (in {few(files)})" for name, files in places.items() if len(files) > 1]
    if twice:
        raise CheckpointError(
            f"{folder} has several weights files without an index, and they hold the same names: "
            f"{few(twice, shown=3)}. Try: give the path of one of {few(listings)}"
        )
    found = {shard: list(listing.infos) for shard, listing in listings.items()}
    return _reader(shards, found, _notes(listings))


def _listings(folder: Path, names: list[str]) -> tuple[dict[str, Reader], dict[str, Listing]]:
    shards = {name: file_reader(folder / name) for name in names}
    return shards, {name: shard.listing() for name, shard in shards.items()}


def _notes(listings: Mapping[str, Listing]) -> list[str]:
    return [f"{name}: {note}" for name, listing in listings.items() for note in listing.notes]


def _reader(
    shards: Mapping[str, Reader], found: Mapping[str, list[TensorInfo]], notes: list[str]
) -> ShardedReader:
    places = {info.name: shard for shard, infos in found.items() for info in infos}
    return ShardedReader(shards, places, Listing(tuple(_ordered(found)), tuple(notes)))


def _ordered(found: Mapping[str, list[TensorInfo]]) -> Iterator[TensorInfo]:
    """All tensors by name: layers may straddle files."""
    infos = [info for held in found.values() for info in held]
    yield from sorted(infos, key=lambda info: natural(info.name))
