"""The factor on an adapter's update: alpha over rank, from wherever a dialect keeps it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from eigenscape.layers._matrix import Candidate
from eigenscape.layers._options import LayerOptions

#: A repetition of a repetition: such an expression can take longer than anyone waits.
_NESTED = re.compile(r"[+*}][^()]*\)[+*{]")
_LONGEST = 200


@dataclass(frozen=True)
class Scale:
    """A factor that is known, or that a stored alpha gives.

    Args:
        value: the factor; over alpha, where ``tensors`` names one.
        text: for people.
        tensors: the name of the stored alpha, or nothing.
    """

    value: float
    text: str
    tensors: tuple[str, ...] = ()

    def factor(self, stored: Sequence[torch.Tensor]) -> float:
        """Return the factor, from the tensors that ``tensors`` names."""
        return self.value * (float(stored[0]) if stored else 1.0)


def scale_of(
    candidate: Candidate,
    options: LayerOptions,
    base: str,
    adapter: str,
    rank: int | None,
    *,
    unsaid: str = "",
) -> Scale:
    """Find the factor of one adapter of one layer.

    In this order: as the user gave it, as the module has it, the alpha stored beside the factors
    (kohya, diffusers) over the rank, ``adapter_config.json`` with its ``alpha_pattern``,
    ``rank_pattern`` and ``use_rslora``. Else 1, and the text says so.

    Args:
        candidate: one of the adapter's tensors.
        options: may give the scale.
        base: the layer's name.
        adapter: the adapter's name; empty where the dialect has none.
        rank: of the factors; None where no factor tells.
        unsaid: why the factor is 1 where nothing says what it is; empty where that is not known.
    """
    if options.lora_scale is not None:
        return _known(options.lora_scale, "as given")
    module = candidate.module_at(base)
    scaling = getattr(module, "scaling", None)
    value = scaling.get(adapter) if isinstance(scaling, Mapping) else None
    if isinstance(value, int | float):
        return _known(float(value), "from the module")
    stored = stored_alpha(candidate, base)
    if stored is not None:
        divisor = rank or 1
        return Scale(1 / divisor, f"(alpha / {divisor}, alpha as stored)", (stored,))
    found = _from_config(candidate.config, base, rank)
    if found is not None:
        return found
    return _known(1.0, unsaid or "scale unknown, taken as 1; give it with --lora-scale")


def _known(value: float, source: str) -> Scale:
    return Scale(value, f"{value:g} ({source})")


def stored_alpha(candidate: Candidate, base: str) -> str | None:
    """Return the name of the alpha that is stored beside the factors of a layer."""
    names = [f"{base}.alpha", f"{base}.lora.alpha", f"{base}_lora.alpha"] if base else ["alpha"]
    found = [name for name in names if name in candidate.neighbours]
    return next((name for name in found if candidate.neighbours[name].numel == 1), None)


def _from_config(config: Mapping[str, object], base: str, rank: int | None) -> Scale | None:
    key = "lora_alpha" if "lora_alpha" in config else "alpha"
    alpha = _by_pattern(config.get("alpha_pattern"), base, config.get(key))
    if rank is None:
        said = _by_pattern(config.get("rank_pattern"), base, config.get("r"))
        rank = said if isinstance(said, int) and not isinstance(said, bool) else None
    if isinstance(alpha, int | float) and not isinstance(alpha, bool) and rank:
        rooted = config.get("use_rslora") is True
        return _known(alpha / (rank**0.5 if rooted else rank), "from adapter_config.json")
    return None


def _by_pattern(pattern: object, base: str, usual: object) -> object:
    """Look a layer up as PEFT does: the first key that is the end of its name, or matches it."""
    name = base.removeprefix("base_model.model.")
    for key, value in pattern.items() if isinstance(pattern, Mapping) else ():
        if _ends(str(key), name):
            return value
    return usual


def _ends(key: str, name: str) -> bool:
    if name == key or name.endswith(f".{key}"):
        return True
    if len(key) > _LONGEST or _NESTED.search(key):
        return False
    try:
        return re.match(rf"(.*\.)?({key})$", name) is not None
    except re.error:
        return False
