"""What to balance and how."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from eigenscape.allocation import GROUPINGS, allocate
from eigenscape.errors import InputError
from eigenscape.spectra import LayerSpectrum, SpectraOptions

ENDS = ("first", "last")
NORMS = ("batch", "all", "none")
#: Metrics that need no more than the eigenvalues and one Hill sum.
LIGHT = ("alpha_hill", "alpha_excess")
#: Layers with fewer eigenvalues stay at the base rate in TempBalance (Zhou et al. 2023).
_EIGENVALUES = 50


@dataclass(frozen=True, kw_only=True)
class BalanceOptions:
    """What to balance and how; the defaults are the papers' where they state one.

    Args:
        rule: a rule of :func:`eigenscape.allocation.allocate`: ``tb_linear`` (Zhou et al. 2023),
            ``tb_sigmoid`` (Liu et al. 2024, section 3.3), ``tb_sqrt``, ``tb_log2``, ``tb_step``,
            or a control: ``uniform``, ``reversed``, ``shuffled``, ``depth_ramp``.
        of: the rule whose scores a control hands to other layers; ``tb_sigmoid`` by default.
        settings: of the rule, such as ``s`` and ``tau``.
        every: calls of ``step`` from one update to the next. 100 is the most that the low-data
            runs wait (Liu et al. 2024: a tenth of an epoch, at most 100 steps).
        start: calls before the first update; until then every factor is 1. 0 measures the initial
            weights, as both papers do.
        max_overhead: the largest share of the time between updates that measuring may take; the
            interval grows to keep it. It makes the steps of the updates depend on the clock, so
            such a run cannot be repeated exactly. None: the interval is ``every``.
        metric: ``alpha_hill``, ``alpha_excess`` (over the value of a random matrix of the shape:
            free of the aspect ratio's bias), or another column of the layer table.
        average: the weight of the past in the running mean of the metric; 0 takes the newest.
        tolerance: a layer is not measured again while its weights have moved so little that alpha
            cannot have changed by more than this, to first order; 0 always measures. Costs a copy
            of the weights.
        noise_aware: narrow the range of the factors by the share of noise, as in ``allocate``.
        group: ``matrix`` (a factor for each layer), ``block`` (Liu et al. 2024 on transformers) or
            ``kind``.
        skip: ends of the network that keep the base rate; by default ``("first", "last")`` (Zhou
            et al. 2023), and none where blocks are grouped: there everything outside every block
            keeps the base rate.
        norms: which normalisation follows its layer: ``batch`` (batch and group normalisation
            follow their convolution), ``all`` (layer normalisation too), ``none``.
        spectral_convolutions: balance the complex weights of Fourier neural operators too, which
            the published runs leave at the base rate.
        scale: the numbers of a parameter group that are multiplied: ``lr``, and where wanted
            ``weight_decay`` or what else the optimizer has.
        synchronize: take the measurements of process 0 in all processes; by default where the
            model is wrapped in DistributedDataParallel.
        seed: of the control ``shuffled``.
        dry_run: measure and record, without changing the optimizer.
        spectra: how a layer is read; by default as in TempBalance, layers of 50 eigenvalues and
            more.

    Raises:
        InputError: naming every option out of its range, at once.

    >>> BalanceOptions(rule="tb_linear").ends
    ('first', 'last')
    """

    rule: str = "tb_sigmoid"
    of: str | None = None
    settings: Mapping[str, float | str | bool | tuple[float, ...]] = field(default_factory=dict)
    every: int = 100
    start: int = 0
    max_overhead: float | None = None
    metric: str = "alpha_hill"
    average: float = 0.0
    tolerance: float = 0.0
    noise_aware: bool = False
    group: str = "matrix"
    skip: tuple[str, ...] | None = None
    norms: str = "batch"
    spectral_convolutions: bool = False
    scale: tuple[str, ...] = ("lr",)
    synchronize: bool | None = None
    seed: int = 0
    dry_run: bool = False
    spectra: SpectraOptions = field(
        default_factory=lambda: SpectraOptions(min_eigenvalues=_EIGENVALUES)
    )

    @classmethod
    def of_keywords(cls, given: Mapping[str, Any]) -> Self:
        """Sort keywords into options and settings of the rule."""
        known = {f.name for f in fields(cls)} - {"settings"}
        options = {name: value for name, value in given.items() if name in known}
        settings = {name: value for name, value in given.items() if name not in known}
        return cls(**options, settings=settings)

    def __post_init__(self) -> None:
        for name in ("skip", "scale"):
            value = getattr(self, name)
            if value is not None:
                plain = (value,) if isinstance(value, str) else tuple(value)
                object.__setattr__(self, name, plain)
        problems = [*self._bad_choices(), *self._bad_numbers()]
        if not problems:
            problems += self._bad_rule()
        if problems:
            raise InputError("; ".join(problems))

    @property
    def ends(self) -> tuple[str, ...]:
        """The ends of the network that keep the base rate."""
        if self.skip is not None:
            return self.skip
        return () if self.group == "block" else ENDS

    @property
    def rule_arguments(self) -> dict[str, Any]:
        """What :func:`~eigenscape.allocation.allocate` is asked, but for the metric."""
        control = {} if self.of is None else {"of": self.of}
        if self.rule in ("reversed", "shuffled", "depth_ramp"):
            control = {"of": self.of or "tb_sigmoid"}
        return {
            "kind": "lr",
            "rule": self.rule,
            "column": self.metric,
            "group": self.group,
            "noise_aware": self.noise_aware,
            "seed": self.seed,
            **control,
            **self.settings,
        }

    def _bad_choices(self) -> list[str]:
        problems = [
            f"{name} must be one of {', '.join(choices)}; got {getattr(self, name)!r}"
            for name, choices in (("group", GROUPINGS), ("norms", NORMS))
            if getattr(self, name) not in choices
        ]
        strange = [end for end in self.skip or () if end not in ENDS]
        if strange:
            problems.append(f"skip holds {', '.join(map(repr, strange))}; it may hold first, last")
        if not self.scale or "params" in self.scale:
            problems.append(f"scale must name numbers of a parameter group; got {self.scale!r}")
        if type(self.spectra) is not SpectraOptions:
            problems.append(
                f"spectra must be a SpectraOptions; got a {type(self.spectra).__name__}"
            )
        numbers = [f.name for f in fields(LayerSpectrum) if f.type == "float"]
        if self.metric not in numbers:
            problems.append(
                f"metric must be a number of the layer table; got {self.metric!r}, known are "
                f"{', '.join(numbers)}"
            )
        if self.tolerance and self.metric not in LIGHT:
            problems.append(f"tolerance bounds {' and '.join(LIGHT)}, not {self.metric}")
        return problems

    def _bad_numbers(self) -> list[str]:
        problems = [
            f"{name} must be a whole number of at least {least}; got {getattr(self, name)!r}"
            for name, least in (("every", 1), ("start", 0))
            if not _whole(getattr(self, name), least)
        ]
        if not 0 <= self.average < 1:
            problems.append(f"average must be at least 0 and below 1; got {self.average!r}")
        if not 0 <= self.tolerance < math.inf:
            problems.append(f"tolerance must be a number of at least 0; got {self.tolerance!r}")
        if self.max_overhead is not None and not self.max_overhead > 0:
            problems.append(f"max_overhead must be more than 0; got {self.max_overhead!r}")
        return problems

    def _bad_rule(self) -> list[str]:
        """Ask for two layers' factors, so that a wrong rule or setting shows before training."""
        fields_ = {"error": 0.0, "kind": "linear"}
        table = {
            name: {self.metric: value, "block": name, **fields_}
            for name, value in (("a.0", 2.0), ("a.1", 3.0))
        }
        try:
            allocate(table, **self.rule_arguments)
        except (InputError, TypeError) as error:
            return [str(error)]
        return []

    def on(self, device: str) -> SpectraOptions:
        """Return how layers are read, on the device of the weights unless stated otherwise."""
        chosen = device if self.spectra.device == "auto" else self.spectra.device
        return replace(self.spectra, device=chosen)


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
