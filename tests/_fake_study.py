"""A study of two stages whose numbers are known: what its runner does can be counted."""

from dataclasses import dataclass
from pathlib import Path

from eigenscape.results import new_figure
from eigenscape.runs import Task
from eigenscape.stats import interval
from eigenscape_studies import Claim, Plan, Study, verdict


@dataclass(frozen=True, kw_only=True)
class CoinPlan(Plan):
    """A biased coin.

    Args:
        bias: of the coin.
        log: a file that gains a line with each toss, or empty.
    """

    bias: float = 0.5
    log: str = ""


def toss(seed, bias, log):
    """Return a number that depends on the seed alone."""
    if log:
        with Path(log).open("a") as file:
            file.write(f"{seed}\n")
    if bias > 1:
        raise ValueError(f"no coin has a bias of {bias}")
    return bias + (seed % 7) / 100


def tosses(plan, found):
    assert found == {}
    return [
        Task(f"toss {seed}", toss, {"seed": seed, "bias": plan.bias, "log": plan.log})
        for seed in plan.seeds
    ]


def again(plan, found):
    """Only the largest is tossed again."""
    best = max(found["tosses"], key=found["tosses"].get)
    seed = int(best.split()[1])
    return [Task(f"again {seed}", toss, {"seed": seed + 1, "bias": plan.bias, "log": plan.log})]


def collect(plan, found):
    assert list(found) == ["tosses", "again"]
    return [*found["tosses"].values(), *found["again"].values()]


def fair(numbers):
    found = interval(numbers)
    return Claim(
        name="fair",
        statement="The coin is fair.",
        figure="none",
        measured=found.words(),
        verdict=verdict(found.low < 0.5 < found.high),
    )


def untested(_):
    return Claim(
        name="edge",
        statement="It lands on its edge.",
        figure="none",
        measured="–",
        verdict="not tested here",
        seeds=0,
        command="–",
    )


def pictures(result):
    figure = new_figure(3, 2)
    figure.subplots().plot(result.table("tosses")["value"])
    return {"Tosses": (figure, f"{result.seeds} seeds.")}


COIN = Study(
    name="coin",
    title="A coin",
    paper="Bernoulli, Ars Conjectandi, 1713",
    scales={"small": CoinPlan(seeds=(0, 1, 2)), "full": CoinPlan(seeds=tuple(range(30)))},
    stages={"tosses": tosses, "again": again},
    collect=collect,
    claims=(fair, untested),
    tables=lambda numbers: {"tosses": [{"value": value} for value in numbers]},
    pictures=pictures,
    paragraphs=lambda numbers: {"In one sentence": f"{len(numbers)} tosses."},
)
