"""The metrics of a user's own model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from eigenscape.diagnosis._metrics import METRICS, Protocol
from eigenscape.diagnosis.measuring._metrics import measure_groups
from eigenscape.diagnosis.measuring._options import MeasureOptions
from eigenscape.diagnosis.measuring._samples import Samples
from eigenscape.diagnosis.measuring._stack import Stack
from eigenscape.errors import InputError
from eigenscape.landscape.paths._twin_check import check_twins
from eigenscape.results import Environment, Result

if TYPE_CHECKING:
    import pandas as pd

Data = tuple[Tensor, Tensor]
#: Two networks from different seeds have nearly orthogonal updates; two checkpoints of one run have
#: not. Above this cosine of their parameters they are taken for one run.
_SAME_RUN = 0.9


@dataclass(frozen=True, kw_only=True)
class Measurement(Result):
    """The metrics of one configuration, and how they were measured.

    Args:
        metrics: by the names of ``METRICS``; those of a pair only where there are two networks.
        protocol: how they were measured.
        networks: how many there were.
        trace_error: relative standard error of the trace, over its probes.
        curve: training error along the curve, in %; empty with one network.
        sizes: ``data_amount`` (training samples) and ``para_amount`` (trained parameters).
    """

    schema: ClassVar[str] = "eigenscape.measurement/1"
    metrics: Mapping[str, float]
    protocol: Protocol
    networks: int
    trace_error: float
    curve: tuple[float, ...]
    sizes: Mapping[str, float]

    def frame(self) -> pd.DataFrame:
        """Return one row for each metric, with its unit."""
        import pandas as pd

        rows = [(METRICS[name].words, value, METRICS[name].unit)
                for name, value in self.metrics.items()]  # fmt: skip
        return pd.DataFrame(rows, columns=["metric", "value", "unit"])


def measure(
    models: nn.Module | Sequence[nn.Module],
    train: Data,
    *,
    test: Data | None = None,
    options: MeasureOptions | None = None,
) -> Measurement:
    """Measure a configuration as the populations of this package are measured.

    With one model: training error and loss, ln trace of the Hessian. With two models or more, runs
    of one recipe from different seeds, also the connectivity of the first two and the CKA.

    Args:
        models: classifiers; they stay as found.
        train: what they were trained on: inputs ``(n, ...)`` and int64 labels ``(n,)``.
        test: held-out data, for ``test_error`` and ``test_loss``.
        options: the protocol; None for the default one. For a diagnosis, take the population's:
            ``MeasureOptions.from_protocol(population.protocol)``.

    Raises:
        InputError: models of different architectures, two checkpoints of the same run, models that
            are no classifiers, or data that do not fit.

    >>> model = nn.Sequential(nn.Linear(3, 3))
    >>> data = torch.eye(3), torch.arange(3)
    >>> sorted(measure(model, data).metrics)
    ['hessian_t', 'train_error', 'train_loss']
    """
    options = options or MeasureOptions()
    several = [models] if isinstance(models, nn.Module) else list(models)
    train = check_data(train, "train")
    test = None if test is None else check_data(test, "test")
    stack = Stack.of(several)
    for one, other in combinations(range(len(several)), 2):
        check_twins(several[one], several[other], stack.space)
        _check_runs(stack, one, other)
    count = len(several)
    if count > 1 and len(train[1]) < 2:
        raise InputError("train has one sample; a curve needs two or more")
    order = torch.randperm(
        len(train[1]), generator=torch.Generator().manual_seed(options.seed)
    )  # the trace is of the first samples, and data may be sorted by class
    seen = Samples.shared((train[0][order], train[1][order]), count, like=stack.points)
    held_out = None if test is None else Samples.shared(test, count, like=stack.points)
    with torch.random.fork_rng(devices=[]):
        found = measure_groups(stack, [range(count)], seen, held_out, options)[0]
        classes = stack.outputs(seen.first(1)).shape[-1]
    return Measurement(
        environment=Environment.capture(device=str(stack.device), seed=options.seed),
        metrics=found.metrics,
        protocol=options.to_protocol(classes=classes),
        networks=count,
        trace_error=found.trace_error,
        curve=found.curve,
        sizes={"data_amount": float(len(train[1])), "para_amount": float(stack.space.count)},
    )


def check_data(data: Any, name: str) -> Data:
    """Return inputs and labels, or say what is wrong with them.

    Raises:
        InputError: not a pair of tensors, no samples, or labels that are no class numbers.
    """
    pair = isinstance(data, tuple | list) and len(data) == 2
    if not (pair and all(isinstance(part, Tensor) and part.ndim for part in data)):
        raise InputError(
            f"{name} is a {type(data).__name__}; expected a pair of tensors: inputs (n, ...) and "
            "int64 labels (n,). Mend: torch.stack the samples of your data set"
        )
    inputs, labels = data
    if len(inputs) != len(labels) or not len(labels) or labels.ndim != 1:
        raise InputError(
            f"{name} has inputs {tuple(inputs.shape)} and labels {tuple(labels.shape)}; expected "
            "(n, ...) and (n,), one sample or more"
        )
    if labels.is_floating_point() or int(labels.min()) < 0:
        raise InputError(
            f"labels of {name} are {labels.dtype}; expected class numbers from 0, int64"
        )
    return inputs, labels.long()


def _check_runs(stack: Stack, one: int, other: int) -> None:
    # vectors are left out: norms start at 1 in every run
    wide = [name for name, shape in zip(stack.space.names, stack.space.shapes, strict=True)
            if len(shape) > 1]  # fmt: skip
    parts = [stack.space.split(stack.points[row]) for row in (one, other)]
    first, second = (torch.cat([part[name].double().flatten() for name in wide or part])
                     for part in parts)  # fmt: skip
    cosine = float(torch.nn.functional.cosine_similarity(first, second, dim=0))
    if cosine > _SAME_RUN:
        raise InputError(
            f"networks {one} and {other} are nearly the same point (cosine {cosine:.3f}): two "
            "checkpoints of one run, or copies. Connectivity within a run is another quantity. "
            "Mend: train a second network from another seed, or diagnose from one checkpoint"
        )
