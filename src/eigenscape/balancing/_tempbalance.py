"""TempBalance: a learning rate for each layer, by the shape of its spectrum."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from eigenscape.allocation import allocate
from eigenscape.balancing._groups import StepGroups, check_optimizer, scaled
from eigenscape.balancing._layers import Chosen, assign, choose_layers, label_of
from eigenscape.balancing._meter import (
    NOT_FINITE,
    Meter,
    Reading,
    Timer,
    from_first,
    is_distributed,
    shared_readings,
)
from eigenscape.balancing._options import BalanceOptions
from eigenscape.balancing._trace import (
    BalancingTrace,
    TraceRow,
    append,
    check_file,
)
from eigenscape.checkpoints import gathered, named_tensors, open_checkpoint
from eigenscape.errors import InputError
from eigenscape.results import Environment, decode, encode
from eigenscape.runs import is_first_process

#: Any sink of numbers: ``writer(dict, step)``.
Log = Callable[[Mapping[str, float], int], object]
_VERSION = 1
#: A saved factor beyond this is taken for damage: the papers' rules stay below 10.
_LARGEST_FACTOR = 1e6


@dataclass(frozen=True)
class TempBalanceState:
    """What a resumed run needs; checked where it is read."""

    version: int
    step: int
    last: int | None
    averages: dict[str, float]
    factors: dict[str, float]
    rows: tuple[TraceRow, ...]

    def __post_init__(self) -> None:
        problems = []
        if self.version != _VERSION:
            problems.append(f"version is {self.version}, expected {_VERSION}")
        if self.step < 0:
            problems.append(f"step is {self.step}, expected 0 or more")
        if self.last is not None and not 0 <= self.last <= self.step:
            problems.append(f"last is {self.last}, expected 0 to the step {self.step}")
        problems += [
            f"the average of {name} is {value}, expected a finite number"
            for name, value in self.averages.items()
            if not math.isfinite(value)
        ]
        problems += [
            f"the factor of {name} is {value}, expected 0 to {_LARGEST_FACTOR:g}"
            for name, value in self.factors.items()
            if not 0 <= value <= _LARGEST_FACTOR
        ]
        if problems:
            raise InputError("; ".join(problems))


class TempBalance:
    r"""Multiplies each layer's learning rate by a factor that follows its spectrum.

    A layer with a lighter tail (a larger PL_Alpha_Hill) is treated as less trained and learns
    faster (Zhou et al. 2023; Liu et al. 2024). With :math:`\eta_t` the rate that the optimizer's
    group has, from you or from any scheduler, layer i is stepped with :math:`\eta_t f_i`.

    The factors act within ``optimizer.step()`` only: just before it the optimizer's groups are
    split by factor, restored just after. Schedulers read and write base rates, so nothing
    compounds, and schedulers may be made before or after. The optimizer's state and state dict stay
    as they are. The model and the global random state are not changed.

    Args:
        optimizer: any torch optimizer with parameter groups, or accelerate's wrapper of one.
        model: the network; DistributedDataParallel and torch.compile are unwrapped.
        log: a sink for numbers, called with a mapping and the step at each update; for TensorBoard
            see :func:`eigenscape.spectra.tensorboard_sink`.
        path: a CSV file to append the trace to.
        **options: fields of :class:`BalanceOptions` (``rule``, ``every``, ``max_overhead``,
            ``group``, ...); all others are settings of the rule (``s``, ``tau``, ``s1``, ``s2``).

    Raises:
        InputError: an option out of its range, a parameter twice in the optimizer, a group without
            a rate, no layer to balance, or an optimizer that is balanced already.

    >>> model = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(4)))
    >>> with torch.no_grad():                        # tails that grow heavier with depth
    ...     for at, layer in enumerate(model):
    ...         _ = layer.weight.copy_(torch.linspace(1, 3 + at, 64).diag())
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> balance = TempBalance(optimizer, model, rule="tb_linear")
    >>> balance.factors
    {'1': 1.5, '2': 0.5}
    >>> [round(rate, 3) for rate in balance.get_last_lr()], optimizer.param_groups[0]["lr"]
    ([0.1, 0.15, 0.05], 0.1)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module,
        *,
        log: Log | None = None,
        path: str | Path | None = None,
        **options: Any,
    ) -> None:
        self.options = BalanceOptions.of_keywords(options)
        self.log, self.path = log, Path(path) if path is not None else None
        inside = check_optimizer(optimizer, self.options.scale)
        self._groups = StepGroups(inside, self.options.scale)
        self._network = open_checkpoint(model).module or model
        wanted = self.options.synchronize
        self._synchronize = is_distributed(model) if wanted is None else wanted
        self._meter = Meter(self.options)
        self._timer = Timer(self.options.every, self.options.start, self.options.max_overhead)
        self._chosen = Chosen((), {})
        self._seen: object = None
        self._averages: dict[str, float] = {}
        self._factors: dict[str, float] = {}
        self._rows: list[TraceRow] = []
        self._step = 0
        self._warned = False
        if self.path is not None:
            check_file(self.path)
        self._refresh()
        if not self._chosen.layers:
            raise InputError(_nothing(self._chosen.left_out))
        if self._timer.due(0):
            self.update()
        if not self.options.dry_run:
            self._groups.attach()

    @property
    def factors(self) -> dict[str, float]:
        """The factor of each layer or block; a dry run's are not used."""
        return dict(self._factors)

    @property
    def left_out(self) -> dict[str, str]:
        """The layers at the base rate, each with its reason."""
        return dict(self._chosen.left_out)

    @property
    def overhead(self) -> float:
        """Seconds spent on updates for each second of the rest of the training."""
        return self._timer.overhead

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups that the optimizer sees within its step: ``name``, ``factor`` and all else.

        Every parameter of the optimizer is in exactly one.
        """
        scale = self.options.scale
        return [
            {
                **part.parent,
                **{key: scaled(part.parent, key, part.factor) for key in scale},
                "params": part.parameters,
                "name": part.name,
                "factor": part.factor,
            }
            for part in self._groups.parts()
        ]

    def get_last_lr(self) -> list[float]:
        """Return the rates of the next optimizer step, one for each of :attr:`param_groups`."""
        return [float(group["lr"]) for group in self.param_groups]

    def step(self) -> bool:
        """Count one call, after ``optimizer.step()``; update the factors if it is time.

        Call it once for each optimizer step, or once for each epoch: ``every`` counts calls. The
        order of this and of ``scheduler.step()`` does not matter.

        Returns:
            Whether the factors were updated.
        """
        self._groups.restore()
        self._step += 1
        due = self._timer.due(self._step)
        if self._synchronize and self.options.max_overhead is not None:
            due = bool(from_first([float(due)], self._device())[0])
        if due:
            self.update()
        return due

    @torch.no_grad()
    def update(self) -> dict[str, float]:
        """Measure the layers now, and return the new factors.

        Weights that are not finite leave every factor as it was, with one warning.
        """
        self._groups.restore()
        with self._timer.measuring(self._step):
            self._refresh()
            readings = self._readings()
            for name, reading in readings.items():
                if math.isfinite(reading.value):
                    self._averages[name] = self._averaged(name, reading.value)
            bad = [name for name, reading in readings.items() if reading.note == NOT_FINITE]
            kept = f"the weights of {bad[0]} are not finite" if bad else ""
            if not bad:
                kept = self._renew(readings)
            if kept:
                self._warn(f"{kept} at step {self._step}: the factors stay as they were")
        self._groups.factors = {} if self.options.dry_run else self._factors
        self._record(readings, "factors kept" if kept else "")
        return self.factors

    def remove(self) -> None:
        """Detach from the optimizer: it steps with base rates again."""
        self._groups.remove()

    def trace(self) -> BalancingTrace:
        """Return metrics and factors of all updates so far."""
        seed = self.options.seed if self.options.rule == "shuffled" else None
        return BalancingTrace(
            environment=Environment.capture(device=self._device().type, seed=seed),
            options=encode(self.options),
            rows=tuple(self._rows),
            left_out=self.left_out,
            seconds=self._timer.spent,
            overhead=self._timer.overhead,
            applied=not self.options.dry_run,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs, in JSON's own types; the trace is in it."""
        state = TempBalanceState(
            version=_VERSION,
            step=self._step,
            last=self._timer.last,
            averages=dict(self._averages),
            factors=dict(self._factors),
            rows=tuple(self._rows),
        )
        found: dict[str, Any] = encode(state)
        return found

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state: its factors act at once.

        Raises:
            InputError: not such a state, one with numbers that cannot be, or one of other layers.
        """
        plain: Any = dict(state) if isinstance(state, Mapping) else state
        saved = decode(plain, TempBalanceState, where="the state")
        known = {layer.name for layer in self._chosen.layers} | set(self._chosen.left_out)
        groups = {label_of(layer, self.options.group) for layer in self._chosen.layers}
        strange = sorted({*(set(saved.averages) - known), *(set(saved.factors) - groups)})
        if strange:
            raise InputError(
                f"the state is of other layers: {', '.join(strange[:4])}. "
                "Try: load it for the network that it was saved with"
            )
        self._step, self._timer.last = saved.step, saved.last
        self._averages, self._factors = dict(saved.averages), dict(saved.factors)
        self._rows = list(saved.rows)
        self._meter.forget()
        self._groups.factors = {} if self.options.dry_run else self._factors

    def _device(self) -> torch.device:
        return next(self._network.parameters()).device

    def _refresh(self) -> None:
        """Choose the layers anew where parameters came, went, froze or changed their shape."""
        trained = {
            parameter
            for group in self._groups.optimizer.param_groups
            for parameter in group["params"]
            if parameter.requires_grad
        }
        seen = [
            (name, parameter, parameter.shape, parameter in trained)
            for name, parameter in self._network.named_parameters(remove_duplicate=False)
        ]
        key = [(name, id(parameter), *rest) for name, parameter, *rest in seen]
        if key == self._seen:
            return
        self._chosen = choose_layers(self._network, trained, self.options)
        layers, options = self._chosen.layers, self.options
        self._groups.labels = assign(self._network, layers, options.group, options.norms)
        self._meter.forget()
        self._seen = key

    def _readings(self) -> dict[str, Reading]:
        named = named_tensors(self._network)
        found = {
            layer.name: self._meter.read(
                layer, [gathered(named[name].detach()) for name in layer.tensors]
            )
            for layer in self._chosen.layers
        }
        if not self._synchronize:
            return found
        return dict(zip(found, shared_readings(list(found.values()), self._device()), strict=True))

    def _averaged(self, name: str, value: float) -> float:
        past = self._averages.get(name, value)
        return self.options.average * past + (1 - self.options.average) * value

    def _renew(self, readings: Mapping[str, Reading]) -> str:
        """Allocate new factors; return why the old ones stay, where they must."""
        table = {
            layer.name: {
                self.options.metric: self._averages[layer.name],
                "error": readings[layer.name].error,
                "block": layer.block,
                "kind": layer.kind,
            }
            for layer in self._chosen.layers
            if math.isfinite(readings[layer.name].value)
        }
        if not table:
            self._factors = {}
            return ""
        try:
            self._factors = allocate(table, **self.options.rule_arguments).groups
        except InputError as error:
            if self._step == 0:  # nothing has been trained yet: better to know now
                raise
            return f"no factors can be had ({error})"
        return ""

    def _warn(self, message: str) -> None:
        if not self._warned:
            warnings.warn(message, stacklevel=4)
        self._warned = True

    def _record(self, readings: Mapping[str, Reading], kept: str) -> None:
        rows = [
            TraceRow(
                step=self._step,
                name=layer.name,
                group=(group := label_of(layer, self.options.group)),
                value=reading.value,
                average=self._averages.get(layer.name, math.nan),
                factor=self._factors.get(group, 1.0),
                fresh=reading.fresh,
                note=reading.note or kept,
            )
            for layer in self._chosen.layers
            for reading in (readings[layer.name],)
        ]
        self._rows.extend(rows)
        if not is_first_process():
            return
        if self.path is not None:
            append(self.path, rows)
        if self.log is not None:
            self.log(self._numbers(rows), self._step)

    def _numbers(self, rows: list[TraceRow]) -> dict[str, float]:
        metric = self.options.metric
        numbers = {
            f"balancing/{row.name}/{metric}": row.value for row in rows if math.isfinite(row.value)
        }
        return numbers | {f"balancing/{row.name}/factor": row.factor for row in rows}


def _nothing(left_out: Mapping[str, str]) -> str:
    some = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:6])
    return (
        f"no layer can be balanced ({some or 'the network has no matrices'}). "
        "Try: skip=() for the ends, spectra=SpectraOptions(min_eigenvalues=...) for small layers, "
        'group="matrix" where there are no blocks'
    )
