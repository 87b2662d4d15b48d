"""Models with LoRA experts: built, balanced, saved and loaded through PEFT."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eigenscape.adapters._mixture import MixtureOfExperts
from eigenscape.checkpoints import named_modules
from eigenscape.errors import InputError, MissingExtraError
from eigenscape.results import write_text

if TYPE_CHECKING:
    from peft import PeftModel

_SIDECAR = "experts.json"
_SCHEMA = "eigenscape.experts/1"


def add_experts(
    model: nn.Module,
    experts: Mapping[str, int],
    *,
    rank: int = 8,
    alpha: float = 16,
    top_k: int = 2,
    dropout: float = 0.05,
    targets: Sequence[str] | None = None,
) -> PeftModel:
    """Return a model with LoRA experts in its blocks; the base is frozen.

    Args:
        model: the base; its linear layers are replaced in place, as PEFT does.
        experts: block to number of experts, as :func:`expert_counts` gives it.
        rank: of each expert (8, as alpha, top_k and dropout in AlphaLoRA's code).
        alpha: the update is scaled by alpha / rank.
        top_k: experts for each token; a block with fewer takes all.
        dropout: of the experts' input.
        targets: names of the layers; all linear layers in the named blocks by default.

    Raises:
        InputError: a block that the model lacks, or without linear layers.
    """
    with _peft_wanted():
        from peft import LoraConfig, get_peft_model

    counts = _of_layers(model, experts, targets)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(counts))
    config._register_custom_module({nn.Linear: partial(_make, counts, top_k, dropout)})
    found: PeftModel = get_peft_model(model, config)
    found.eigenscape_experts = {"experts": dict(experts), "layers": counts, "top_k": top_k}
    return found


def balance_loss(model: nn.Module) -> Tensor:
    """Return the mean imbalance of the routers over the last batch: 1 where they are even.

    Each layer counts by itself. The published code pools the routers of a block first, where two
    that always pick one expert each, but not the same, look even.

    Args:
        model: with experts; run it on a batch first.

    Raises:
        InputError: no layer has routed a token.
    """
    found = [one.imbalance for one in _mixtures(model)]
    known = [value for value in found if value is not None]
    if not known:
        raise InputError(
            "no layer with several experts has seen a token. Try: run the model on a batch first"
        )
    return torch.stack(known).mean()


def save_experts(model: PeftModel, folder: str | os.PathLike[str]) -> Path:
    """Write the adapter as PEFT does, with ``experts.json`` for the counts beside it.

    Raises:
        InputError: the model was not made by :func:`add_experts`.
        OutputError: the folder cannot be written.
    """
    about = getattr(model, "eigenscape_experts", None)
    if about is None:
        raise InputError("the model has no experts. Try: add_experts(model, ...)")
    model.save_pretrained(str(folder))
    return write_text(Path(folder) / _SIDECAR, json.dumps({"schema": _SCHEMA, **about}, indent=1))


def load_experts(model: nn.Module, folder: str | os.PathLike[str]) -> PeftModel:
    """Return the base model with the experts of a folder.

    Raises:
        InputError: no such folder, or counts that do not fit the model.
    """
    with _peft_wanted():
        from peft import LoraConfig, PeftModel

    try:
        about = json.loads((Path(folder) / _SIDECAR).read_text())
        counts, top_k = about["layers"], about["top_k"]
        whole = all(type(count) is int and count > 0 for count in (*counts.values(), top_k))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(
            f"{folder} has no {_SIDECAR} with the numbers of experts. Try: a folder that "
            "save_experts wrote"
        ) from error
    if not whole or about.get("schema") != _SCHEMA:
        raise InputError(f"{folder}/{_SIDECAR} is no {_SCHEMA} with whole numbers of experts")
    missing = [name for name in counts if name not in named_modules(model)]
    if missing:
        raise InputError(f"the model lacks {', '.join(missing[:4])}, which the adapter is for")
    config = LoraConfig.from_pretrained(str(folder))
    config._register_custom_module({nn.Linear: partial(_make, counts, top_k, config.lora_dropout)})
    found: PeftModel = PeftModel.from_pretrained(model, str(folder), config=config)
    found.eigenscape_experts = {k: about[k] for k in ("experts", "layers", "top_k")}
    return found


@cache
def _layer_class() -> Any:
    """The mixture as a layer of PEFT, which then switches, saves and merges it."""
    from peft.tuners.lora import LoraLayer

    class PeftMixture(MixtureOfExperts, LoraLayer):  # type: ignore[misc]
        # PEFT saves what is named lora_*, and switches what is listed here
        adapter_layer_names = ("lora_A", "lora_B", "lora_router")

        def __init__(
            self, base_layer: nn.Module, adapter_name: str, *, experts: int, top_k: int,
            r: int, lora_alpha: float, dropout: float, **_: Any,
        ) -> None:  # fmt: skip
            nn.Module.__init__(self)
            LoraLayer.__init__(self, base_layer)
            self.build(experts, top_k, r, lora_alpha, dropout, adapter_name)
            own: Any = self  # what LoraLayer keeps has no types
            own.r[adapter_name], own.lora_alpha[adapter_name] = r, lora_alpha
            own.scaling[adapter_name] = lora_alpha / r
            own.set_adapter(own.active_adapters)

        def active(self) -> list[str]:
            own: Any = self
            on = () if own.disable_adapters else own.active_adapters
            return [name for name in on if name in own.lora_A and name not in own.merged_adapters]

        def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
            own: Any = self
            weight = own.get_base_layer().weight
            for name in adapter_names or self.active():
                update = self.merged_update(name)
                if safe_merge and not bool(torch.isfinite(weight + update).all()):
                    raise InputError(f"merging {name} gives weights that are not finite")
                weight.data += update.to(weight.dtype)
                own.merged_adapters.append(name)

        def unmerge(self) -> None:
            own: Any = self
            weight = own.get_base_layer().weight
            while own.merged_adapters:
                weight.data -= self.merged_update(own.merged_adapters.pop()).to(weight.dtype)

        def get_delta_weight(self, adapter: str) -> Tensor:
            return self.merged_update(adapter)

    return PeftMixture


def _make(
    counts: Mapping[str, int],
    top_k: int,
    dropout: float,
    base_layer: nn.Module,
    adapter_name: str,
    *,
    target_name: str,
    **kwargs: Any,
) -> nn.Module:
    layer: nn.Module = _layer_class()(
        base_layer,
        adapter_name,
        experts=counts[target_name],
        top_k=top_k,
        dropout=dropout,
        **kwargs,
    )
    return layer


def _of_layers(
    model: nn.Module, experts: Mapping[str, int], targets: Sequence[str] | None
) -> dict[str, int]:
    """The number of experts of each linear layer."""
    modules = named_modules(model)
    linear = [name for name, module in modules.items() if isinstance(module, nn.Linear)]
    problems = [f"{name}: {n} experts; expected 1 or more" for name, n in experts.items() if n < 1]
    counts = {}
    for block, count in experts.items():
        inside = [name for name in linear if name.startswith(f"{block}.")]
        if not inside:
            problems.append(f"{block}: the model has no linear layer in it")
        counts.update(dict.fromkeys(inside, count))
    if targets is not None:
        problems += [
            f"{name}: no linear layer in a named block" for name in targets if name not in counts
        ]
        counts = {name: count for name, count in counts.items() if name in targets}
    if problems or not counts:
        raise InputError("; ".join(problems[:8]) or "no layer is to get experts")
    return counts


def _mixtures(model: nn.Module) -> Iterator[MixtureOfExperts]:
    return (module for module in model.modules() if isinstance(module, MixtureOfExperts))


@contextmanager
def _peft_wanted() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtraError("peft", "hf", "LoRA experts") from error
