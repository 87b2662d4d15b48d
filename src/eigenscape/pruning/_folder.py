"""Prune a Hugging Face folder: one block in memory at a time, written as it is finished."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from eigenscape.allocation import Allocation
from eigenscape.checkpoints import Checkpoint, FolderCopy, named_modules, open_checkpoint
from eigenscape.errors import InputError, MissingExtraError
from eigenscape.layers import blocks
from eigenscape.models import LanguageModel, Tokens
from eigenscape.pruning._calibrate import Batch
from eigenscape.pruning._prune import (
    Network,
    PruneOptions,
    Rows,
    calibration_batches,
    prune_network,
)
from eigenscape.pruning._result import PrunedLayer, Pruning
from eigenscape.pruning._targets import Stage, Target
from eigenscape.results import decode, encode
from eigenscape.runs import ProgressCallback
from eigenscape.spectra import SpectraResult, analyze

_SHOWN = 4
_ALTERNATIVE = (
    "Try: in Python, prune(LanguageModel.of(folder), ...), which holds all of it in memory"
)


def prune_folder(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    calibration: Tokens | None = None,
    *,
    options: PruneOptions | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    evaluation: Tokens | None = None,
    overwrite: bool = False,
    announce: Callable[[str], None] | None = None,
    progress: ProgressCallback | None = None,
    **fields: Any,
) -> Pruning:
    """Prune a folder with a causal language model into a new folder.

    Reads, calibrates, prunes and writes block by block: in memory are one block, what lies outside
    the blocks (embeddings, head), and the hidden states of the calibration tokens. The new folder
    is the old one with other bytes in the pruned matrices: types, tied weights, tokenizer and
    settings stay. Killed, the same call goes on with the next block.

    Args:
        folder: a Hugging Face folder with ``.safetensors`` files; never written to.
        out: the new folder; with ``pruning.json`` and ``allocation.json``.
        calibration: windows of tokens.
        options: see :class:`PruneOptions`.
        device: where a block is computed.
        dtype: what it is computed in; weights are stored in their own type.
        evaluation: windows to measure the perplexity on, before and after; the whole model is then
            in memory at once, after the pruning.
        overwrite: replace a folder that is there.
        announce: told what was recognised before anything is pruned.
        progress: called after each block.
        **fields: single fields of :class:`PruneOptions`.

    Raises:
        InputError: no causal language model that can go block by block, quantized weights, or what
            :func:`prune` refuses.
        OutputError: the new folder cannot be written.
        MissingExtraError: transformers is not installed.
    """
    chosen = PruneOptions(**fields) if options is None else options
    place = torch.device(device)
    batches, words, digest = calibration_batches(calibration, place)
    about = {"options": encode(chosen), "calibration": digest, "dtype": str(dtype), "version": 1}
    network = Streamed(folder, batches, place, dtype)
    network.copy = copy = FolderCopy(folder, out, about, overwrite=overwrite)
    with torch.no_grad():
        work = prune_network(network, chosen, progress, announce)
    if copy.left_out:
        work.notes.append(f"not copied: {', '.join(copy.left_out)}")
    found = work.result(
        str(folder),
        words,
        digest,
        perplexity_dense=_perplexity(folder, evaluation, place, dtype),
        perplexity_pruned=_perplexity(copy.part, evaluation, place, dtype),
        evaluation="" if evaluation is None else repr(evaluation).strip("<>"),
    )
    found.save(copy.part / "pruning.json")
    work.plan.save(copy.part / "allocation.json")
    copy.finish()
    return replace(found, masks={})


def _perplexity(
    folder: str | os.PathLike[str],
    evaluation: Tokens | None,
    device: torch.device,
    dtype: torch.dtype,
) -> float | None:
    if evaluation is None:
        return None
    return LanguageModel.of(folder, device=device, dtype=dtype).perplexity(evaluation).value


class Streamed(Network):
    """A language model of a folder, whose weights are read when they are needed.

    Args:
        folder: with ``.safetensors`` files.
        batches: the calibration data, on the device.
        device: where blocks are computed.
        dtype: in which.
    """

    copy: FolderCopy

    def __init__(
        self,
        folder: str | os.PathLike[str],
        batches: Sequence[Batch],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.folder, self.device, self.dtype = folder, device, dtype
        self.dense = open_checkpoint(folder)
        super().__init__(_skeleton(self.dense, folder), batches)
        modules = named_modules(self.model)
        self._blocks = {block.name: modules[block.name] for block in blocks(self.model)}
        if not self._blocks:
            raise InputError(f"{type(self.model).__name__} has no repeated blocks. {_ALTERNATIVE}")
        self._names = self._stored_names()
        self._held: dict[str, int] = {}

    def _stored_names(self) -> dict[str, str]:
        """The checkpoint's name of each tensor in a block."""
        stored = {name for info in self.dense.infos() for name in info.names}
        prefix = f"{getattr(self.model, 'base_model_prefix', '')}."
        found, missing = {}, []
        for block, module in self._blocks.items():
            for inner in module.state_dict():
                name = f"{block}.{inner}"
                names = (name, name.removeprefix(prefix), prefix + name)
                known = next((one for one in names if one in stored), None)
                if known is None:
                    missing.append(name)
                else:
                    found[name] = known
        if missing:
            raise InputError(
                f"{self.folder} stores {len(missing)} tensors under other names than its model has "
                f"them, such as {', '.join(missing[:_SHOWN])}. {_ALTERNATIVE}"
            )
        return found

    # ------------------------------------------------------------------ what is in memory

    @contextmanager
    def loaded(self, block: str) -> Iterator[None]:
        """A context in which the weights of a block are in memory, as they are by now."""
        module, held = self._blocks[block], self._held
        held[block] = held.get(block, 0) + 1
        if held[block] == 1:
            for name in module.state_dict():
                tensor = self.copy.checkpoint[self._names[f"{block}.{name}"]]
                _put(module, name, self._as_computed(tensor))
        try:
            yield
        finally:
            held[block] -= 1
            if not held[block]:
                module.to("meta")

    @contextmanager
    def outside(self) -> Iterator[None]:
        """A context in which all that comes before the blocks is in memory."""
        inside = tuple(f"{block}." for block in self._blocks)
        head = _head(self.model)
        stored = {name for info in self.dense.infos() for name in info.names}
        prefix = f"{getattr(self.model, 'base_model_prefix', '')}."
        kept = []
        for name in self.model.state_dict():
            if name.startswith(inside) or name.startswith(f"{head}."):
                continue
            known = next(
                (n for n in (name, name.removeprefix(prefix), prefix + name) if n in stored), None
            )
            if known is None:
                raise InputError(f"{self.folder} lacks {name}. {_ALTERNATIVE}")
            _put(self.model, name, self._as_computed(self.dense[known]))
            kept.append(name)
        try:
            yield
        finally:
            for name in kept:
                _put(self.model, name, self.model.get_parameter(name).to("meta"))

    def _as_computed(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, self.dtype if tensor.is_floating_point() else None)

    # ------------------------------------------------------------------ reading and writing

    def tensor(self, target: Target) -> str:
        """The name of a target's tensor in the folder."""
        return self._names[target.tensor]

    def weight(self, target: Target) -> Tensor:
        """The dense weight of a target, as stored."""
        return self.dense[self.tensor(target)].to(self.device)

    def rounded(self, target: Target, weight: Tensor) -> Tensor:
        """A new weight in the type in which it is stored."""
        return weight.to(self.dense.info(self.tensor(target)).dtype)

    def spectra(self, include: tuple[str, ...], windows: int | None) -> SpectraResult:
        """Examine the weights of the folder."""
        return analyze(self.folder, include=include, min_eigenvalues=2, windows=windows)

    def store(self, stage: Stage, weights: Mapping[Target, Tensor], rows: Rows) -> None:
        """Write the new weights of a block, and note that it is over."""
        named = {self.tensor(target): weight for target, weight in weights.items()}
        self.copy.replace(named)
        entry = {"block": stage.name, "rows": [encode(row) for row in rows]}
        self.copy.record(entry, list(named))

    def finished(self, stage: Stage) -> Rows | None:
        """What an earlier attempt found of a block; None where it is still to do."""
        for entry in self.copy.entries:
            if entry["block"] == stage.name:
                return tuple(decode(row, PrunedLayer) for row in entry["rows"])
        return None

    def plan(self, make: Callable[[], Allocation]) -> Allocation:
        """The plan: that of an earlier attempt, or one that is made now and kept."""
        path = self.copy.part / "allocation.json"
        if self.copy.entries and path.exists():
            return Allocation.load(path)
        found = make()
        found.save(path)
        return found


def _skeleton(checkpoint: Checkpoint, folder: str | os.PathLike[str]) -> nn.Module:
    """The model of a folder without its weights."""
    kind = checkpoint.config.get("quantization_config")
    if kind is not None:
        method = kind.get("quant_method", "unknown") if isinstance(kind, Mapping) else kind
        raise InputError(
            f"{folder} is quantized ({method}): its weights are codes, which cannot be pruned. "
            "Try: the folder that it was quantized from"
        )
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "hf", f"the language model {folder}") from error
    if "model_type" not in checkpoint.config:
        raise InputError(f"{folder} has no config.json that says which model it is. {_ALTERNATIVE}")
    try:
        config = transformers.AutoConfig.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
        with torch.device("meta"):
            model: nn.Module = transformers.AutoModelForCausalLM.from_config(config)
    except Exception as error:  # the library raises errors of any kind
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(
            f"{folder} is no causal language model that the installed transformers knows ({first})"
        ) from error
    _make_buffers(model, config)
    return model.eval()


def _make_buffers(model: nn.Module, config: Any) -> None:
    """Compute the buffers that no file holds, such as rotary frequencies."""
    stored = set(model.state_dict())
    for name, module in list(model.named_modules()):
        own = {f"{name}.{key}" for key, _ in module.named_buffers(recurse=False)}
        if not own - stored or next(module.parameters(), None) is not None:
            continue
        try:
            fresh = type(module)(config=config)
        except TypeError as error:
            raise InputError(
                f"{type(model).__name__} has buffers in {name} that no file holds. {_ALTERNATIVE}"
            ) from error
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, fresh)


def _head(model: nn.Module) -> str:
    """The name of the output layer; no calibration needs it."""
    head = model.get_output_embeddings()  # type: ignore[operator]
    return next((name for name, module in model.named_modules() if module is head), "")


def _put(module: nn.Module, name: str, tensor: Tensor) -> None:
    """Replace a parameter or buffer."""
    path, _, leaf = name.rpartition(".")
    owner = module.get_submodule(path)
    if leaf in owner._parameters:
        owner._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)
    else:
        owner._buffers[leaf] = tensor
