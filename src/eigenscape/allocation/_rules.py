"""The rules: from a metric to scores by the formulas of the papers, and the share that is noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Setting = float | tuple[float, float]
#: Metrics that differ by less than this share of their size are equal.
_EQUAL = 1e-12
#: Of networks whose layers are really equal, with errors that are known, this share gets exactly
#: equal budgets.
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How a metric becomes scores, one for each group.

    Args:
        name: of the formula.
        scores: the formula.
        form: what a common factor does to the spread of the scores, and so how they shrink by k:
            ``"range"`` 1 + k (score - 1), ``"power"`` score ** k, ``"shift"`` k score. Scores of
            the form ``"shift"`` meet a total by an addend, all others by a factor.
        defaults: the settings, with the values of the paper.
        fixed: whether the scores are budgets as they are, where no total is asked for.
        above: the metric must be larger than this.
        kept: the scores are of what is kept: of sparsities, the density.
        source: where the formula and its defaults come from.
    """

    name: str
    scores: Callable[..., Array]
    form: Literal["range", "power", "shift"]
    source: str
    defaults: Mapping[str, Setting] = field(default_factory=dict)
    fixed: bool = False
    above: float = -np.inf
    kept: bool = False


def shrink(scores: Array, form: str, share: float) -> Array:
    """Narrow the range of scores; at a share of 1 they stay, at 0 all are neutral.

    >>> shrink(np.array([0.5, 1.5]), "range", 0.5).tolist()
    [0.75, 1.25]
    """
    if share == 1:
        return scores
    if form == "range":
        return 1 + share * (scores - 1)
    return np.asarray(share * scores if form == "shift" else scores**share)


def real_share(values: Array, errors: Array) -> float:
    r"""Return the share k of the observed standard deviation that noise does not explain.

    .. math:: k = \sqrt{\max\left(0,\; 1 - q \,\overline{e^2} / v\right)}, \qquad
        q = \chi^2_{0.95}(n - 1) / (n - 1)

    With q = 1 this is the method-of-moments estimate of the true standard deviation over the
    observed one: the variance v of the estimates (n - 1 in the denominator) is the true variance
    plus the mean squared error. But where the true variance is 0, v exceeds the mean squared error
    every other time. With the chi-square quantile it does so in 5 % of the cases: layers that are
    equal, and whose errors are known, get equal budgets in 95 % of the networks. As n grows, q
    falls to 1 (1.45 at 32 layers).

    Args:
        values: (n,) the estimates.
        errors: (n,) their standard errors.

    >>> real_share(np.array([2.0, 2.1, 1.9]), np.full(3, 0.1))
    0.0
    >>> real_share(np.array([2.0, 3.0, 4.0]), np.zeros(3))
    1.0
    """
    from scipy.special import chdtri

    freedom = len(values) - 1
    variance = float(values.var(ddof=1)) if freedom else 0.0
    if variance == 0:
        return 0.0
    quantile = float(chdtri(freedom, 1 - CONFIDENCE)) / freedom
    return math.sqrt(max(0.0, 1 - quantile * float(np.mean(errors**2)) / variance))


def beyond_noise(values: Array, errors: Array) -> NDArray[np.bool_]:
    r"""Tell which estimates differ from the mean of all by more than their errors explain.

    .. math:: |x_i - \bar x| > z \sqrt{e_i^2 (1 - 2 / n) + \textstyle\sum_j e_j^2 / n^2}

    z is the normal quantile at which, of n equal ones, none is told apart with a probability of
    95 % or more (Sidak 1967): 1.96 for one, 3.1 for thirty.

    Args:
        values: (n,) the estimates.
        errors: (n,) their standard errors.

    >>> beyond_noise(np.array([2.0, 2.1, 1.9, 4.0]), np.full(4, 0.3)).tolist()
    [False, False, False, True]
    """
    from scipy.special import ndtri

    count = len(values)
    quantile = float(ndtri((1 + CONFIDENCE ** (1 / count)) / 2))
    variance = errors**2 * (1 - 2 / count) + float((errors**2).sum()) / count**2
    away = np.abs(values - values.mean())
    rounding = _EQUAL * np.abs(values).max(initial=0.0)
    return np.asarray(away > quantile * np.sqrt(np.maximum(variance, 0.0)) + rounding)


def all_equal(values: Array) -> bool:
    """Tell whether a metric says nothing: one group, or values equal to rounding."""
    return bool(np.ptp(values) <= _EQUAL * np.abs(values).max())


def neutral(rule: Rule, count: int) -> Array:
    """Return the scores of groups that do not differ."""
    return np.zeros(count) if rule.form == "shift" else np.ones(count)


def _unit(values: Array) -> Array:
    return np.asarray((values - values.min()) / np.ptp(values))


def _uniform(values: Array) -> Array:
    return np.ones(len(values))


def _as_given(values: Array) -> Array:
    return values


def _linear(values: Array, *, s1: float, s2: float) -> Array:
    return s1 + (s2 - s1) * _unit(values)


def _step(values: Array, *, s1: float, s2: float) -> Array:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count + 1) / 2  # from 0; equal layers share their mean rank
    return np.asarray(s1 + (s2 - s1) * rank[place] / len(values))


def _sigmoid(values: Array, *, s: Setting, tau: float) -> Array:
    away = values - values.mean()
    below, above = s if isinstance(s, tuple) else (s, s)
    strength = np.where(away > 0, above, below)
    # 1 / (1 + exp(-x)) - 1/2 = tanh(x / 2) / 2, which does not overflow
    return np.asarray(10 ** (strength * np.tanh(tau * away / 2) / 2))


def _multiplicative(values: Array, *, epsilon: float) -> Array:
    return _linear(values, s1=1 - epsilon, s2=1 + epsilon)


def _additive(values: Array, *, epsilon: float) -> Array:
    return 2 * epsilon * _unit(values)


def _power(values: Array, *, beta: float) -> Array:
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(values**beta)


_TEMPBALANCE = "TempBalance (Zhou et al. 2023, section 3)"
_ALPHALORA = "AlphaLoRA (Qing et al. 2024, section 3)"

_RULES = (
    Rule(name="uniform", scores=_uniform, form="range", fixed=True, source="the control"),
    Rule(
        name="linear",
        scores=_linear,
        form="range",
        fixed=True,
        defaults={"s1": 0.5, "s2": 1.5},
        source=_TEMPBALANCE,
    ),
    Rule(name="sqrt", scores=np.sqrt, form="power", above=0.0, source=_TEMPBALANCE),
    Rule(name="log2", scores=np.log2, form="power", above=1.0, source=_TEMPBALANCE),
    Rule(
        name="step",
        scores=_step,
        form="range",
        fixed=True,
        defaults={"s1": 0.5, "s2": 1.5},
        source=_TEMPBALANCE,
    ),
    Rule(
        name="sigmoid",
        scores=_sigmoid,
        form="power",
        fixed=True,
        defaults={"s": 1.0, "tau": 10.0},
        source="TB-Sigmoid (Liu et al. 2024, section 3.3)",
    ),
    Rule(
        name="additive",
        scores=_additive,
        form="shift",
        defaults={"epsilon": 0.08},
        source="OWL (Yin et al. 2024, section 3), lambda",
    ),
    Rule(
        name="multiplicative",
        scores=_multiplicative,
        form="range",
        defaults={"epsilon": 0.3},
        source="AlphaPruning (Lu et al. 2024, section 3)",
    ),
    Rule(
        name="density",
        scores=_as_given,
        form="power",
        above=0.0,
        kept=True,
        source="Erdos-Renyi (Evci et al. 2020, section 3): the density, where the metric is it",
    ),
    Rule(
        name="given",
        scores=_as_given,
        form="shift",
        source="the metric is the budget already, and meets the total by one addend",
    ),
    Rule(
        name="power",
        scores=_power,
        form="power",
        above=0.0,
        defaults={"beta": 2.5},
        source=_ALPHALORA,
    ),
)

#: The formulas by name.
RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in _RULES})

#: The papers' methods: which formula, and which layers share a budget.
METHODS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "tb_linear": ("linear", "matrix"),
        "tb_sqrt": ("sqrt", "matrix"),
        "tb_log2": ("log2", "matrix"),
        "tb_step": ("step", "matrix"),
        "tb_sigmoid": ("sigmoid", "matrix"),
        "alphapruning": ("multiplicative", "block"),
        "alphalora": ("power", "block"),
        "owl": ("additive", "block"),
    }
)

#: Rules that hand the scores of another rule to other groups; :func:`handed_out` says to which.
CONTROLS = ("reversed", "shuffled", "depth_ramp")


def handed_out(scores: Array, values: Array, names: list[str], control: str, seed: int) -> Array:
    """Give the same scores to other groups, as a test of whether the metric matters.

    ``reversed``: the group with the smallest metric gets the largest score, and so on.
    ``shuffled``: at random; the draw depends on the names and the seed, not on the order.
    ``depth_ramp``: the first group in the network gets the smallest score, the last the largest.

    >>> scores = np.array([1.0, 3.0, 2.0])
    >>> handed_out(scores, scores, ["a", "b", "c"], "reversed", 0).tolist()
    [3.0, 1.0, 2.0]
    """
    if control == "depth_ramp":
        return np.sort(scores)
    by_name = sorted(range(len(names)), key=names.__getitem__)
    given = np.empty_like(scores)
    if control == "shuffled":
        given[by_name] = np.random.default_rng(seed).permutation(scores[by_name])
        return given
    by_value = sorted(by_name, key=lambda index: values[index])
    given[by_value] = np.sort(scores)[::-1]
    return given


def settings_of(rule: Rule, given: Mapping[str, Any]) -> tuple[dict[str, Setting], list[str]]:
    """Fill in the defaults of a rule, and list what is wrong with the settings."""
    extra = sorted(set(given) - set(rule.defaults))
    has = f"it has {', '.join(rule.defaults)}" if rule.defaults else "it has no settings"
    problems = [f"the rule {rule.name} has no setting {name}; {has}" for name in extra]
    settings = {**rule.defaults, **{k: v for k, v in given.items() if k in rule.defaults}}
    problems += [line for name, value in settings.items() for line in _bad(name, value, rule)]
    if not problems and "s1" in settings and not settings["s1"] <= settings["s2"]:
        problems.append(f"s1 must not exceed s2; got {settings['s1']} and {settings['s2']}")
    if problems:
        return settings, problems
    return {name: _floats(value) for name, value in settings.items()}, []


def _floats(value: Setting) -> Setting:
    return (float(value[0]), float(value[1])) if isinstance(value, tuple) else float(value)


def _bad(name: str, value: Any, rule: Rule) -> list[str]:
    numbers = value if name == "s" and isinstance(value, tuple) else (value,)
    right = len(numbers) == (2 if isinstance(value, tuple) else 1) and all(
        isinstance(number, int | float) and not isinstance(number, bool) and np.isfinite(number)
        for number in numbers
    )
    if not right:
        pair = " or a pair of them (below, above)" if name == "s" else ""
        return [f"{name} must be a finite number{pair}; got {value!r}"]
    if name == "epsilon" and rule.form == "range" and not 0 <= value <= 1:
        return [f"epsilon must be between 0 and 1; got {value:g}"]
    if name in ("tau", "s2") and value <= 0:
        return [f"{name} must be more than 0; got {value:g}"]
    if name != "beta" and min(numbers) < 0:
        return [f"{name} must not be negative; got {value}"]
    return []
