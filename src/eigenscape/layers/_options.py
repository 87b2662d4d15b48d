"""The options of reading a checkpoint's layers, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Self

from eigenscape.errors import InputError

#: How a convolution can be read.
CONVOLUTIONS = ("slices", "flatten", "fft")


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """Which layers to read, and as what.

    Args:
        conv: a convolution is read as its kernel ``"slices"`` (each scaled by the square root of
            1/2, as published with TempBalance, Zhou et al. 2023), ``"flatten"`` (one matrix), or
            ``"fft"`` (one complex matrix for each frequency of an 8-wide torus).
        split_qkv: read fused query-key-value layers as three matrices.
        split_experts: one row for each expert of a 3-D stack, instead of one pooled row.
        embeddings: read embeddings too.
        lora_scale: the factor on the product B A of a LoRA adapter. None for alpha over rank, as
            the adapter's own file has it.
        include: glob patterns of layer names to read, or the names themselves. Empty for all.
        exclude: glob patterns or names of layers to leave out.
        kinds: glob pattern of a tensor name to the kind that it is read as.
        min_eigenvalues: layers with fewer eigenvalues are listed, not read. Power-law
            fits to fewer than about 16 values are meaningless.

    Raises:
        InputError: naming every option out of its range, at once.

    >>> LayerOptions(include="*.attn").include
    ('*.attn',)
    """

    conv: str = "slices"
    split_qkv: bool = False
    split_experts: bool = False
    embeddings: bool = False
    lora_scale: float | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    min_eigenvalues: int = 16

    @classmethod
    def of(cls, options: Self | None, changes: Mapping[str, Any]) -> Self:
        """Return options with some fields changed.

        Args:
            options: to start from; the defaults where it is None.
            changes: field names to values.

        Raises:
            InputError: an unknown field, or a value out of its range.

        >>> LayerOptions.of(LayerOptions(conv="fft"), {"embeddings": True}).conv
        'fft'
        """
        if not (options is None or isinstance(options, cls)):
            raise InputError(
                f"options must be a {cls.__name__}; got a {type(options).__name__}. "
                f"Try: options={cls.__name__}(...), or its fields by name"
            )
        known = [f.name for f in fields(options or cls)]
        unknown = sorted(set(changes) - set(known))
        if unknown:
            raise InputError(f"unknown option {', '.join(unknown)}; known: {', '.join(known)}")
        return cls(**changes) if options is None else replace(options, **changes)

    def __post_init__(self) -> None:
        for name in self._sequences():
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        problems = self._problems()
        if problems:
            raise InputError("; ".join(problems))

    def asks_for(self, name: str) -> bool:
        """Tell whether a tensor is among those to read, by ``include`` and ``exclude``.

        >>> LayerOptions(exclude="*.bias").asks_for("fc.bias"), LayerOptions().asks_for("fc.bias")
        (False, True)
        """
        names = (name, name.removesuffix(".weight"))
        wanted = not self.include or any(matches(one, self.include) for one in names)
        return wanted and not any(matches(one, self.exclude) for one in names)

    def _sequences(self) -> tuple[str, ...]:
        return ("include", "exclude")

    def _problems(self) -> list[str]:
        problems = []
        if self.conv not in CONVOLUTIONS:
            problems.append(f"conv must be one of {', '.join(CONVOLUTIONS)}; got {self.conv!r}")
        if self.min_eigenvalues < 2:
            problems.append(f"min_eigenvalues must be at least 2; got {self.min_eigenvalues}")
        return problems


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether a name is one of the patterns, or matches one as a glob.

    A name matches itself, brackets included.

    >>> matches("in_proj_weight[q]", ["in_proj_weight[q]"]), matches("h.0.fc", ["*.fc"])
    (True, True)
    """
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)
