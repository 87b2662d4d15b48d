"""The MD tree: fixed comparisons, thresholds learned from a population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from eigenscape.diagnosis._labels import ANSWERS, Labels
from eigenscape.diagnosis._leaves import LeafRecord, leaf_records
from eigenscape.diagnosis._metrics import METRICS, Protocol
from eigenscape.diagnosis._population import Population
from eigenscape.diagnosis._route import Step, find_leaves, walk
from eigenscape.diagnosis._search import exact_search, paper_search
from eigenscape.diagnosis._shapes import Leaf, Node, Split, TreeShape, get_shape
from eigenscape.errors import InputError
from eigenscape.results import Environment, Result

if TYPE_CHECKING:
    import pandas as pd

SEARCHES = {"paper": paper_search, "exact": exact_search}
BOXES = ("paper", "population")
#: The search for each question. On the published tables the exact one is better from few
#: configurations and equal from many for temperature and width; for data the paper's is better.
DEFAULT_SEARCH = {"temperature": "exact", "width": "exact", "data": "paper"}


@dataclass(frozen=True, kw_only=True)
class MDTree(Result):
    """A fixed tree with fitted thresholds (Zhou et al., ICML 2024).

    Make one with :meth:`fit`; without any data, with :meth:`zero_shot`.

    Args:
        question: ``temperature``, ``width`` or ``data``.
        variant: which of the question's trees (``SHAPES``).
        search: how the thresholds were found.
        thresholds: one for each comparison, in the order of ``shape.features``.
        population: the name of the population; empty without one.
        protocol: how its metrics were measured.
        train_accuracy: on the configurations that it was fitted to, in per cent.
        ranges: metric to the smallest and largest value in the population.
        leaves: the population's record of each leaf; empty without one.
        seed_noise: seed noise of the test accuracy in the population, in points; None where the
            population does not have it.
    """

    schema: ClassVar[str] = "eigenscape.md_tree/1"
    question: str
    variant: str
    search: str
    thresholds: tuple[float, ...]
    population: str
    protocol: Protocol
    train_accuracy: float | None
    ranges: Mapping[str, tuple[float, float]]
    leaves: tuple[LeafRecord, ...]
    seed_noise: float | None = None

    def __post_init__(self) -> None:
        shape = self.shape
        if len(self.thresholds) != len(shape.features):
            raise InputError(
                f"{len(self.thresholds)} thresholds; the tree has {len(shape.features)} comparisons"
            )
        if self.leaves and len(self.leaves) != len(shape.leaves):
            raise InputError(f"{len(self.leaves)} leaves; the tree has {len(shape.leaves)}")
        for leaf in self.leaves:
            leaf.check(self.question)

    @classmethod
    def fit(
        cls,
        population: Population,
        *,
        question: str = "temperature",
        variant: str = "peak",
        search: str | None = None,
        box: str | None = None,
    ) -> Self:
        """Fit the thresholds to a population.

        Configurations that are optimal have no answer: they do not take part in the fit, but are
        counted in the leaves.

        Args:
            population: labelled configurations.
            question: ``temperature`` (too small or too large?), ``width`` (more width or another
                temperature?) or ``data`` (more data or another temperature?).
            variant: ``peak``; for the temperature also ``cka``, ``barrier``, ``one-checkpoint``.
            search: ``exact`` (all partitions within the box, median of the best) or ``paper`` (one
                pass of bounded scalar minimisation); None for ``exact``, and in the paper's box
                ``paper`` for ``data``.
            box: within which thresholds are searched: ``paper`` (made for ResNet18 on CIFAR-10) or
                ``population`` (from the smallest to the largest value of each metric); None for
                ``population`` if it was trained by this package, else ``paper``.

        Raises:
            InputError: an unknown question, variant or search; metrics that are missing or not
                finite; or labels of one class only.
        """
        shape = get_shape(question, variant)
        box = _box(population) if box is None else box
        if box not in BOXES:
            raise InputError(f"box is {box!r}; expected one of {', '.join(BOXES)}")
        if search is None:  # the paper's search needs the paper's starting values
            search = DEFAULT_SEARCH[question] if box == "paper" else "exact"
        if search not in SEARCHES:
            raise InputError(f"search is {search!r}; expected one of {', '.join(SEARCHES)}")
        labels, clear = clear_labels(population, question)
        values = population.features(shape.features)
        searched = shape.within(values[clear]) if box == "population" else shape
        thresholds = SEARCHES[search](searched, values[clear], labels[clear])
        found = find_leaves(shape, thresholds, values)
        answers = np.array([leaf.label for leaf in shape.leaves])[found]
        return cls(
            environment=Environment.capture(),
            question=question,
            variant=variant,
            search=search,
            thresholds=thresholds,
            population=population.name,
            protocol=population.protocol,
            train_accuracy=100 * float((answers == labels)[clear].mean()),
            ranges={
                name: (float(column.min()), float(column.max()))
                for name, column in zip(shape.features, values.T, strict=True)
            },
            leaves=leaf_records(population, question, shape.leaves, found),
            seed_noise=population.seed_noise,
        )

    @classmethod
    def zero_shot(cls, question: str = "temperature", variant: str = "peak") -> Self:
        """Return the tree at the centre of the search box, which uses no data.

        >>> MDTree.zero_shot().thresholds
        (0.5, -15.0, 6.5)
        """
        shape = get_shape(question, variant)
        return cls(
            environment=Environment.capture(),
            question=question,
            variant=variant,
            search="none",
            thresholds=shape.centre,
            population="",
            protocol={},
            train_accuracy=None,
            ranges={},
            leaves=(),
        )

    @property
    def shape(self) -> TreeShape:
        """The comparisons, without thresholds."""
        return get_shape(self.question, self.variant)

    def predict(self, models: Population | pd.DataFrame) -> Labels:
        """Return the answer for every row of a population or a table of metrics.

        Raises:
            InputError: a metric of the tree is missing or not finite.
        """
        answers = np.array([leaf.label for leaf in self.shape.leaves])
        found: Labels = answers[self.leaf_of(models)]
        return found

    def leaf_of(self, models: Population | pd.DataFrame) -> NDArray[np.int64]:
        """Return the leaf of every row, numbered from the lowest branch to the highest."""
        if isinstance(models, Population):
            values = models.features(self.shape.features)
        else:
            values = _values(models, self.shape.features)
        return find_leaves(self.shape, self.thresholds, values)

    def decision_path(self, metrics: Mapping[str, float]) -> list[Step]:
        """Return the comparisons on the path of one model: metric, value, threshold.

        Raises:
            InputError: a metric of the tree is missing or not finite.

        >>> path = MDTree.zero_shot().decision_path(
        ...     {"train_error": 8.0, "mode_connectivity_peak": -3.0, "hessian_t": 5.0})
        >>> [(step.feature, step.below) for step in path]
        [('train_error', False), ('mode_connectivity_peak', False)]
        """
        return walk(self.shape, self.thresholds, self.check_metrics(metrics))

    def predict_one(self, metrics: Mapping[str, float]) -> str:
        """Return the answer for one model; as :meth:`predict`.

        >>> MDTree.zero_shot().predict_one(
        ...     {"train_error": 0.0, "mode_connectivity_peak": -3.0, "hessian_t": 5.0})
        'small'
        """
        node: Node = self.shape.root
        for step in self.decision_path(metrics):
            assert isinstance(node, Split)
            node = node.below if step.below else node.above
        assert isinstance(node, Leaf)
        return node.label

    def check_metrics(self, metrics: Mapping[str, float]) -> Sequence[float]:
        """Return the metric of each comparison.

        Raises:
            InputError: naming every metric that is missing, no number or not finite.
        """
        features = self.shape.features
        words = [
            f"{name} is {value!r}"
            for name, value in metrics.items()
            if name in METRICS and not _number(value)
        ]
        if words:
            raise InputError(f"metrics that are no numbers: {', '.join(words)}; expected numbers")
        bad = sorted({name for name in features if not _finite(metrics.get(name))})
        if bad:
            raise InputError(
                f"the tree asks for {', '.join(dict.fromkeys(features))}; missing or not finite: "
                f"{', '.join(bad)}. Try: measure them, or take the variant "
                "'one-checkpoint', which needs train_error and hessian_t alone"
            )
        return [float(metrics[name]) for name in features]

    def frame(self) -> pd.DataFrame:
        """Return one row for each leaf: answer, counts, mean gain of each action."""
        import pandas as pd

        rows: list[dict[str, Any]] = [
            {
                "answer": leaf.label,
                "when": leaf.words,
                **{f"n_{name}": leaf.counts[name] for name in (*ANSWERS[self.question], "optimal")},
                **leaf.gains,
            }
            for leaf in self.leaves
        ]
        bare = [{"answer": leaf.label, "when": leaf.words} for leaf in self.shape.leaves]
        return pd.DataFrame(rows or bare)


def clear_labels(population: Population, question: str) -> tuple[Labels, NDArray[np.bool_]]:
    """Return the labels, and the mask of those that are not a tie.

    Raises:
        InputError: fewer than two classes are left.
    """
    labels = population.labels(question)
    clear = labels != "optimal"
    seen = sorted(set(labels[clear].tolist()))
    if len(seen) < 2:
        only = f"only the label {seen[0]!r}" if seen else "no label but 'optimal'"
        raise InputError(
            f"{population.name} ({len(population)} configurations) has {only} for the question "
            f"{question!r}; a fit needs both of {' and '.join(ANSWERS[question])}. "
            "Try: take more cells, or a wider range of the hyperparameter"
        )
    return labels, clear


def _box(population: Population) -> str:
    """Grown populations state their curve's steps; published and foreign ones do not."""
    return "population" if "curve_steps" in population.protocol else "paper"


def _number(value: object) -> bool:
    return value is None or (isinstance(value, Real) and not isinstance(value, bool))


def _finite(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


def _values(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    missing = sorted({name for name in names if name not in frame.columns})
    if missing:
        raise InputError(f"the table has no {', '.join(missing)}; the tree asks for it")
    try:
        values: NDArray[np.float64] = frame[list(names)].to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"the table has values that are no numbers: {error}") from error
    bad = sorted({name for i, name in enumerate(names) if not np.isfinite(values[:, i]).all()})
    if bad:
        raise InputError(f"the table has values that are not finite: {', '.join(bad)}")
    return values
