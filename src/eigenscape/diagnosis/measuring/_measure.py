"""The metrics of a user's own model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.diagnosis._fingerprint import CROSS_ENTROPY, Fingerprint, fingerprint_of
from eigenscape.diagnosis._metrics import METRICS, Protocol
from eigenscape.diagnosis.measuring._metrics import measure_groups
from eigenscape.diagnosis.measuring._options import MeasureOptions
from eigenscape.errors import InputError
from eigenscape.landscape import check_twins
from eigenscape.models import Data, NetworkData, Objective, evaluating
from eigenscape.results import Environment, Result

if TYPE_CHECKING:
    import pandas as pd

Pair = tuple[Tensor, Tensor]
#: Two networks from different seeds have nearly orthogonal updates; two checkpoints of one run have
#: not. Above this cosine of their parameters they are taken for one run.
_SAME_RUN = 0.9
_FEW, _SAME_LOSS = 64, 1e-3  # samples by which a loss is told, and how near its value must be
_FORMS = (
    "an Objective, (model, loss, batches), or (model, (inputs, labels)); in place of model a list "
    "of two, trained from two seeds"
)


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
        fingerprint: of the architecture and the data.
    """

    schema: ClassVar[str] = "eigenscape.measurement/2"
    metrics: Mapping[str, float]
    protocol: Protocol
    networks: int
    trace_error: float
    curve: tuple[float, ...]
    sizes: Mapping[str, float]
    fingerprint: Fingerprint

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.metrics) - set(METRICS)):
            raise InputError(f"no metric named {', '.join(unknown)}; expected {', '.join(METRICS)}")

    def frame(self) -> pd.DataFrame:
        """Return one row for each metric, with its unit."""
        import pandas as pd

        rows = [
            (METRICS[name].words, value, METRICS[name].unit) for name, value in self.metrics.items()
        ]
        return pd.DataFrame(rows, columns=["metric", "value", "unit"])


def measure(
    models: nn.Module | Sequence[nn.Module],
    train: Any,
    *,
    test: Any = None,
    options: MeasureOptions | None = None,
    loss: Any = None,
) -> Measurement:
    """Measure a configuration as the populations of this package are measured.

    With one model: training error and loss, ln trace of the Hessian. With two models or more, runs
    of one recipe from different seeds, also the connectivity of the first two and the CKA.

    Args:
        models: classifiers; they are not changed.
        train: what they were trained on: inputs ``(n, ...)`` and int64 labels ``(n,)``, one batch
            or several (:class:`~eigenscape.models.Data`).
        test: held-out data, for ``test_error`` and ``test_loss``.
        options: the protocol; None for the default one. For a diagnosis, take the population's:
            ``MeasureOptions.from_protocol(population.protocol)``.
        loss: by which they were trained, of outputs and labels; None where it is not known. The
            metrics are of the cross-entropy, whatever it is.

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
    inputs, labels = check_data(train, "train")
    held_out = None if test is None else check_data(test, "test")
    count = len(several)
    # the trace is of the first samples, and data may be sorted by class
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(options.seed))
    seen = NetworkData.shared(inputs[order], labels[order], max(count, 1))
    networks = Objective(several, functional.cross_entropy, seen, check=False)
    for one, other in combinations(range(count), 2):
        check_twins(several[one], several[other], networks.space)
        _check_runs(networks, one, other)
    if count > 1 and len(labels) < 2:
        raise InputError("train has one sample; a curve needs two or more")
    unseen = None if held_out is None else NetworkData.shared(*held_out, count)
    with torch.random.fork_rng(devices=[]):
        found = measure_groups(networks, [range(count)], unseen, options)[0]
        classes = networks.outputs()[0].shape[-1]
    return Measurement(
        environment=Environment.capture(device=str(networks.device), seed=options.seed),
        metrics=found.metrics,
        protocol=options.to_protocol(classes=classes),
        networks=count,
        trace_error=found.trace_error,
        curve=found.curve,
        sizes={"data_amount": float(len(labels)), "para_amount": float(networks.space.count)},
        fingerprint=fingerprint_of(
            several[:1], inputs, classes=classes, loss=_loss_name(loss, several[0], inputs, labels)
        ),
    )


def _loss_name(loss: Any, model: nn.Module, inputs: Tensor, labels: Tensor) -> str:
    """Return which loss it is, by its value; empty where it cannot be told."""
    if loss is None:
        return ""
    few, classes = inputs[:_FEW], labels[:_FEW]
    with torch.no_grad(), evaluating(model), torch.random.fork_rng(devices=[]):
        outputs = model(few)
        try:
            value = float(loss(outputs, classes))
        except Exception:  # a loss of other arguments: it is not checked, and that is said
            return ""
    own = float(functional.cross_entropy(outputs, classes))
    same = math.isclose(value, own, rel_tol=_SAME_LOSS, abs_tol=_SAME_LOSS)
    return CROSS_ENTROPY if same else str(getattr(loss, "__name__", type(loss).__name__))


def loss_of(found: Any) -> Any:
    """Return the loss in what a user's function returned; None where it holds none."""
    if isinstance(found, Objective):
        return found.loss
    return found[1] if isinstance(found, tuple) and len(found) == 3 else None


def models_and_data(found: Any) -> tuple[list[nn.Module], tuple[Tensor, Tensor]]:
    """Return the models and their training data from what a user's function returned.

    Args:
        found: an :class:`Objective`, ``(model, loss, batches)`` or ``(model, (inputs, labels))``,
            where model may be a list of models; batches are pairs of tensors, as
            :class:`~eigenscape.models.Data` understands them. The loss is not used: the metrics are
            of the cross-entropy.

    Raises:
        InputError: anything else.

    >>> import torch
    >>> model, batch = nn.Linear(2, 3), (torch.ones(4, 2), torch.zeros(4, dtype=torch.int64))
    >>> found = (model, nn.functional.cross_entropy, [batch, batch])
    >>> models, (inputs, labels) = models_and_data(found)
    >>> len(models), tuple(inputs.shape)
    (1, (8, 2))
    """
    if isinstance(found, Objective):
        return list(found.models), check_data(found.data, "the data of the Objective")
    if not (isinstance(found, tuple) and len(found) in (2, 3)):
        raise InputError(f"expected {_FORMS}; got a {type(found).__name__}")
    models = [found[0]] if isinstance(found[0], nn.Module) else found[0]
    if not (
        isinstance(models, list | tuple)
        and models
        and all(isinstance(model, nn.Module) for model in models)
    ):
        raise InputError(f"expected {_FORMS}; the first is a {type(found[0]).__name__}")
    return list(models), check_data(found[-1], "the training data")


def check_data(data: Any, name: str) -> Pair:
    """Return inputs and labels, or say what is wrong with them.

    Args:
        data: anything that :class:`~eigenscape.models.Data` understands as pairs.
        name: for messages.

    Raises:
        InputError: not a pair of tensors, no samples, or labels that are no class numbers.
    """
    pair = isinstance(data, tuple | list) and len(data) == 2  # a pair is checked as it is
    whole = (
        data if pair and all(isinstance(part, Tensor) for part in data) else (Data.of(data).whole())
    )
    pair = isinstance(whole, tuple | list) and len(whole) == 2
    if not (pair and all(isinstance(part, Tensor) and part.ndim for part in whole)):
        raise InputError(
            f"{name} is a {type(data).__name__}; expected a pair of tensors: inputs (n, ...) and "
            "int64 labels (n,). Try: torch.stack the samples of your data set"
        )
    inputs, labels = whole
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


def _check_runs(networks: Objective, one: int, other: int) -> None:
    # vectors are left out: norms start at 1 in every run
    wide = [
        name
        for name, shape in zip(networks.space.names, networks.space.shapes, strict=True)
        if len(shape) > 1
    ]
    parts = [networks.space.split(networks.center[row]) for row in (one, other)]
    first, second = (
        torch.cat([part[name].double().flatten() for name in wide or part]) for part in parts
    )
    cosine = float(torch.nn.functional.cosine_similarity(first, second, dim=0))
    if cosine > _SAME_RUN:
        raise InputError(
            f"networks {one} and {other} are nearly the same point (cosine {cosine:.3f}): two "
            "checkpoints of one run, or copies. Connectivity within a run is another quantity. "
            "Try: train a second network from another seed, or diagnose from one checkpoint"
        )
