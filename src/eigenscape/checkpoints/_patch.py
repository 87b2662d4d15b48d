"""A patch: what an edit of a network changed, to the bit, apart from the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eigenscape.checkpoints._bits import differing
from eigenscape.checkpoints._checkpoint import Checkpoint
from eigenscape.checkpoints._edit import Edit, edit_between, lora_edit, mask_edit
from eigenscape.checkpoints._memory import module_reader
from eigenscape.checkpoints._open import CheckpointLike, open_checkpoint
from eigenscape.checkpoints._patch_control import random_edits
from eigenscape.checkpoints._patch_file import read_patch, record_of, write_patch
from eigenscape.checkpoints._reader import Listing, tie_notes
from eigenscape.checkpoints._text import counted, few
from eigenscape.errors import CheckpointError
from eigenscape.results import ContentHash

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5
_OTHER = (
    "Try: use the checkpoint that the patch was made for, or make a new patch with "
    "Patch.diff(before, after)"
)


@dataclass(frozen=True, eq=False)
class Patch:
    """Changes of named tensors: entries set to zero, entries replaced, or low-rank products added.

    A patch knows the hash of every tensor that it was made for and of every tensor that it leads
    to, and refuses others. It keeps the bits that it replaces, so that :meth:`revert` gives back
    the very tensors: a difference added and taken away again does not (in bfloat16 it misses one
    weight in 300). Tied tensors are changed once. Nothing is changed in place but by
    :meth:`applied`.

    Make one with :meth:`diff`, :meth:`masking` or :meth:`low_rank`.

    Args:
        edits: in the order in which they are applied.

    Raises:
        CheckpointError: an edit does not begin with the tensor that the one before it leaves.

    >>> before = {"w": torch.tensor([1.0, 2.0, 3.0]), "b": torch.zeros(2)}
    >>> patch = Patch.diff(before, {"w": torch.tensor([1.0, 0.5, 3.0]), "b": torch.zeros(2)})
    >>> patch
    <Patch: 1 tensor, 1 entry (set), reverts alone>
    >>> patch.apply(before)["w"].tolist(), patch.revert(patch.apply(before))["w"].tolist()
    ([1.0, 0.5, 3.0], [1.0, 2.0, 3.0])
    """

    edits: tuple[Edit, ...]

    def __post_init__(self) -> None:
        broken = [
            edit.name
            for chain in self._chains().values()
            for before, edit in pairwise(chain)
            if before.result != edit.base or before.shape != edit.shape
        ]
        if broken:
            raise CheckpointError(
                f"two edits of {few(broken)} do not follow each other: the second was made for "
                "other values than the first leaves. Try: make it from the edited checkpoint, "
                "Patch.diff(first.apply(base), after)"
            )

    @classmethod
    def diff(cls, before: CheckpointLike, after: CheckpointLike) -> Patch:
        """Return the patch that makes ``after`` of ``before``, compared bit by bit.

        A tensor whose changed entries are all zero afterwards gets a mask, others their new values.

        Args:
            before: a module, state dict, path, hub id or checkpoint.
            after: another, with the same names, shapes and types.

        Raises:
            CheckpointError: they differ in names, shapes or types (all problems are named), or one
                of them cannot be read.
        """
        first, second = open_checkpoint(before), open_checkpoint(after)
        names = {name for info in first.infos() for name in info.names}
        others = {name for info in second.infos() for name in info.names}
        problems = [f"{name} is missing after" for name in sorted(names - others)]
        problems += [f"{name} is missing before" for name in sorted(others - names)]
        edits = []
        for info in first.infos() if not problems else ():
            try:
                tensor = second[info.name]
                edit = edit_between(info.name, first[info.name], tensor, info.aliases)
            except CheckpointError as error:
                problems.append(str(error))
                continue
            problems += [
                f"{alias} is tied to {info.name} before, and differs from it after"
                for alias in info.aliases
                if second.info(alias) != second.info(info.name)
                and bool(differing(second[alias], tensor).any())
            ]
            edits += [edit] if edit else []
        if problems:
            raise CheckpointError(
                f"no patch leads from {first.source} to {second.source}: "
                f"{'; '.join(problems[:_SHOWN])}{_more(problems)}. "
                "Try: give two checkpoints of one network, stored in one type"
            )
        return cls(tuple(edits))

    @classmethod
    def masking(cls, base: CheckpointLike, removed: Mapping[str, Tensor]) -> Patch:
        """Return the patch that sets entries to zero.

        Args:
            base: what the patch is made for.
            removed: bool tensors by name, true where an entry becomes zero.

        Raises:
            CheckpointError: a name that is not there, or a mask that does not fit; all are named.

        >>> dense = {"w": torch.tensor([[1.0, -2.0], [3.0, 4.0]])}
        >>> Patch.masking(dense, {"w": dense["w"] < 2}).apply(dense)["w"].tolist()
        [[0.0, 0.0], [3.0, 4.0]]
        """
        return cls._of_each(
            base, removed, lambda name, tensor, ties: mask_edit(name, tensor, removed[name], ties)
        )

    @classmethod
    def low_rank(cls, base: CheckpointLike, pairs: Mapping[str, tuple[Tensor, Tensor]]) -> Patch:
        """Return the patch that adds ``B A`` to matrices, as merging an adapter does.

        The sum is taken in float64 and rounded once. Multiply a scale other than 1 (alpha / rank)
        into ``B`` beforehand. Such a patch is small, and reverts only with its base.

        Args:
            base: what the patch is made for.
            pairs: ``A`` (r, columns) and ``B`` (rows, r) by name; of a tensor with more than two
                axes, columns is the product of all but the first.

        Raises:
            CheckpointError: a name that is not there, or factors that do not fit; all are named.

        >>> base = {"w": torch.eye(2)}
        >>> patch = Patch.low_rank(base, {"w": (torch.ones(1, 2), torch.tensor([[0.0], [2.0]]))})
        >>> patch.apply(base)["w"].tolist()
        [[1.0, 0.0], [2.0, 3.0]]
        """
        return cls._of_each(
            base, pairs, lambda name, tensor, ties: lora_edit(name, tensor, *pairs[name], ties)
        )

    @classmethod
    def _of_each(
        cls,
        base: CheckpointLike,
        names: Mapping[str, object],
        make: Callable[[str, Tensor, tuple[str, ...]], Edit],
    ) -> Patch:
        checkpoint = open_checkpoint(base)
        edits, problems = [], []
        for name in names:
            try:
                others = tuple(n for n in checkpoint.info(name).names if n != name)
                edits.append(make(name, checkpoint[name], others))
            except CheckpointError as error:
                problems.append(str(error))
        if problems:
            raise CheckpointError("; ".join(problems[:_SHOWN]) + _more(problems))
        return cls(tuple(edits))

    # ------------------------------------------------------------------ what it is

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors that it changes, each once."""
        return tuple(self._chains())

    @property
    def revertible(self) -> bool:
        """Whether it reverts alone; otherwise :meth:`revert` needs the base."""
        return all(edit.old is not None for edit in self.edits)

    @property
    def hash(self) -> str:
        """The hash of all that it does; what it replaces does not count."""
        state = ContentHash()
        for edit in self.edits:
            state.add(record_of(edit))
            state.add(edit.without_old().parts())
        return state.hexdigest()

    def frame(self) -> pd.DataFrame:
        """Return a row for each edit: its tensor, kind, size and how it reverts."""
        import pandas as pd

        rows = [
            {
                "tensor": edit.name,
                "kind": edit.kind,
                "shape": "x".join(map(str, edit.shape)),
                "type": str(edit.dtype).removeprefix("torch."),
                "changed": edit.count,
                "share": edit.count / torch.Size(edit.shape).numel(),
                "rank": edit.factors[0].shape[0] if edit.factors else None,
                "reverts alone": edit.old is not None,
                "bytes": sum(tensor.nbytes for tensor in edit.parts().values()),
                "base hash": edit.base[:12],
            }
            for edit in self.edits
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        kinds = ", ".join(dict.fromkeys(edit.kind for edit in self.edits)) or "empty"
        entries = counted(sum(edit.count for edit in self.edits), "entry")
        how = "reverts alone" if self.revertible else "reverts with its base"
        return f"<Patch: {counted(len(self.names), 'tensor')}, {entries} ({kinds}), {how}>"

    # ------------------------------------------------------------------ what it does

    def apply(self, source: CheckpointLike) -> Checkpoint:
        """Return the checkpoint with the patch in it, read lazily; the source stays as it is.

        Every tensor that changes is read once and checked now, and again when it is asked for.
        Write the result with :func:`~eigenscape.checkpoints.save_checkpoint`.

        Raises:
            CheckpointError: tensors are missing, or have other values than those that the patch was
                made for; all are named.
        """
        checkpoint = open_checkpoint(source)
        steps = {name: partial(_forward, chain) for name, chain in self._chains().items()}
        return self._view(checkpoint, steps, "with")

    def revert(self, source: CheckpointLike, base: CheckpointLike | None = None) -> Checkpoint:
        """Return the checkpoint as it was before the patch, to the bit, read lazily.

        Edits of one tensor are undone last first.

        Args:
            source: with the patch in it.
            base: the checkpoint that the patch was made for; needed for low-rank pairs and where
                the replaced values were not kept.

        Raises:
            CheckpointError: a tensor is not what the patch leads to, or the base is needed or is
                another one; all are named.
        """
        checkpoint = open_checkpoint(source)
        origin = None if base is None else open_checkpoint(base)
        steps = {
            name: partial(_back, chain, None if _alone(chain) else origin)
            for name, chain in self._chains().items()
        }
        return self._view(checkpoint, steps, "without")

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[nn.Module]:
        """Apply the patch to a module inside a ``with`` block, and put every bit back after it.

        Args:
            module: its tensors are those that the patch was made for.

        Raises:
            CheckpointError: they are not; nothing was changed.
        """
        checkpoint = open_checkpoint(module)
        patched = self.apply(checkpoint)
        assert checkpoint.module is not None
        live = module_reader(checkpoint.module).tensors
        kept = {name: live[name].detach().clone() for name in self.names}
        with torch.no_grad():
            try:
                for name in self.names:
                    live[name].copy_(patched[name])
                yield module
            finally:
                for name, tensor in kept.items():
                    live[name].copy_(tensor)

    def stack(self, later: Patch) -> Patch:
        """Return the patch that does this one and then ``later``.

        Raises:
            CheckpointError: ``later`` was made for other values than this patch leaves.
        """
        return Patch(self.edits + later.edits)

    def random_like(self, base: CheckpointLike, *, seed: int = 0) -> Patch:
        """Return the control: the same tensors changed alike, at random places.

        What an edit does can be due to its places or to its size. The control has the size: as
        many entries of the same tensors, set to zero where the patch does so; values are moved by
        the same differences in random order; of a low-rank pair rows and columns are permuted, so
        that its singular values stay.

        Args:
            base: what this patch was made for; the entries that the control replaces are read
                from it.
            seed: draws the places.

        Raises:
            CheckpointError: another base.
        """
        checkpoint = open_checkpoint(base)
        generator = torch.Generator().manual_seed(seed)
        made = {
            name: iter(random_edits(list(chain), checkpoint[name], generator))
            for name, chain in self._chains().items()
        }
        return Patch(tuple(next(made[edit.name]) for edit in self.edits))

    # ------------------------------------------------------------------ files

    def save(
        self, path: str | os.PathLike[str], *, revertible: bool = True, overwrite: bool = False
    ) -> Path:
        """Write the patch to a ``.safetensors`` file, whole or not at all.

        Masks take one bit an entry, or 64 bits a changed entry where that is less.

        Args:
            path: a new file; its name ends in ``.safetensors``.
            revertible: keep the replaced values; without them the file is small, and the patch
                reverts only with its base.
            overwrite: replace a file that is there.

        Raises:
            OutputError: the path is taken, has another suffix, or cannot be written.
        """
        edits = self.edits if revertible else tuple(edit.without_old() for edit in self.edits)
        return write_patch(edits, Path(path), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Patch:
        """Read a patch; nothing that the file holds is run.

        Raises:
            CheckpointError: no such file, no patch, one of another schema, or a damaged one.
        """
        return cls(read_patch(Path(path)))

    # ------------------------------------------------------------------ inside

    def _chains(self) -> dict[str, tuple[Edit, ...]]:
        chains: dict[str, tuple[Edit, ...]] = {}
        for edit in self.edits:
            chains[edit.name] = (*chains.get(edit.name, ()), edit)
        return chains

    def _view(
        self, checkpoint: Checkpoint, steps: Mapping[str, Callable[[Tensor], Tensor]], how: str
    ) -> Checkpoint:
        problems, by_place = [], {}
        for name, step in steps.items():
            try:
                info = checkpoint.info(name)
                if info.name in by_place:
                    problems.append(f"{name} is tied to another tensor of the patch here")
                by_place[info.name] = step
                step(checkpoint[name])
                aliases = {a for edit in self.edits if edit.name == name for a in edit.aliases}
                problems += [
                    f"{alias} was tied to {name}, and is a tensor of its own here"
                    for alias in sorted(aliases)
                    if alias in checkpoint and checkpoint.info(alias).name != info.name
                ]
            except CheckpointError as error:
                problems.append(str(error))
        if problems:
            raise CheckpointError(
                f"{checkpoint.source} was left as it is: {'; '.join(problems[:_SHOWN])}"
                f"{_more(problems)}. {_OTHER}"
            )
        ties = set(tie_notes(checkpoint.infos()))
        notes = tuple(note for note in checkpoint.notes if note not in ties)
        return Checkpoint(
            _StepReader(checkpoint, by_place),
            Listing(checkpoint.infos(), notes),
            source=f"{checkpoint.source} {how} a patch of {counted(len(steps), 'tensor')}",
            config=checkpoint.config,
            module=checkpoint.module,
        )


@dataclass(frozen=True)
class _StepReader:
    """Reads another checkpoint's tensors, and does what is to be done to some of them."""

    checkpoint: Checkpoint
    steps: Mapping[str, Callable[[Tensor], Tensor]]

    @property
    def format(self) -> str:
        return self.checkpoint.format

    def listing(self) -> Listing:
        return Listing(self.checkpoint.infos())

    def read(self, name: str) -> Tensor:
        tensor = self.checkpoint[name]
        step = self.steps.get(name)
        return step(tensor) if step else tensor


def _forward(chain: tuple[Edit, ...], tensor: Tensor) -> Tensor:
    for edit in chain:
        tensor = edit.forward(tensor)
    return tensor


def _back(chain: tuple[Edit, ...], base: Checkpoint | None, tensor: Tensor) -> Tensor:
    if base is None:
        for edit in reversed(chain):
            tensor = edit.back(tensor)
        return tensor
    chain[-1].expect_result(tensor)
    origin = base[chain[0].name]
    chain[0].expect_base(origin)
    return origin


def _alone(chain: tuple[Edit, ...]) -> bool:
    return all(edit.old is not None for edit in chain)


def _more(problems: list[str]) -> str:
    return f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
