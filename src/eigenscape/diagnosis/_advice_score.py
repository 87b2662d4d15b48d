"""What following the advice gained, on cells that its trees had not seen."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eigenscape.diagnosis._cv_score import Fold
from eigenscape.diagnosis._labels import ACTIONS, step_ratios
from eigenscape.diagnosis._moves import Moves, best_ratios
from eigenscape.diagnosis._policy import NOTHING, Advice, advised
from eigenscape.diagnosis._population import Population
from eigenscape.diagnosis._promise import Calibration, Followed, Promise, calibration, promises
from eigenscape.stats import Interval, Precision, interval


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one advice.

    Args:
        action: that was advised; ``"nothing"`` for networks that were called fine.
        place: the leaf that suggested it.
        precision: how often it was right: following it gained more than the seed noise; of
            ``"nothing"``, that no single change gains more.
        gain: mean change of test accuracy by following it, in points, over cells.
        promise: what it is expected to gain; None of ``"nothing"``.
    """

    action: str
    place: str
    precision: Precision
    gain: Interval
    promise: Promise | None


@dataclass(frozen=True, kw_only=True)
class AdviceScore:
    """What following the advice gained.

    Args:
        outcomes: one for each advice of each leaf.
        gain: of all of it, in points, over cells; those called fine gain nothing.
        always: the action that gained most when all configurations followed it.
        constant: what that gained.
        random: what a random change gained, in expectation.
        best: what the best change of each, chosen by the accuracy itself, gained.
        calibration: what was got over what was promised from the other cells; a slope of 1 is a
            promise that is kept.
    """

    outcomes: tuple[Outcome, ...]
    gain: Interval
    always: str
    constant: float
    random: float
    best: float
    calibration: Calibration

    def of(self, advice: Advice) -> Outcome | None:
        """Return the record of an advice; None where it was never given."""
        for found in self.outcomes:
            if (found.action, found.place) == (advice.action, advice.place):
                return found
        return None

    def words(self) -> str:
        """Return it as sentences."""
        said = (
            f"On cells that it had not seen, such advice gained {self.gain.words(2)} points (over "
            f"{self.gain.seeds} cells); the same for all ({self.always}) {self.constant:.2f}, a "
            f"random change {self.random:.2f}, the best change for each, known only afterwards, "
            f"{self.best:.2f}."
        )
        line = self.calibration
        if math.isnan(line.low):
            return said
        return (
            f"{said} There, each promised point became {line.slope:.2f} [{line.low:.2f}, "
            f"{line.high:.2f}] (n = {line.points})."
        )


def advice_score(
    population: Population,
    folds: Sequence[Fold],
    noise: float,
    told: Collection[str] | None = None,
) -> AdviceScore | None:
    """Follow the advice for every held-out configuration to the place in the grid that it names.

    Width and data are not advised at the end of the grid; a temperature beyond it gains nothing.

    Args:
        population: labelled configurations.
        folds: of :func:`held_out`.
        noise: the gain in points below which nothing is advised.
        told: the places of the leaves that have a say; None for all.

    Returns:
        None where no fold could be fitted.
    """
    table = population.table
    most = {knob: float(table[knob].max()) for knob in ("width", "data")}
    said = [Advice(None, math.nan, math.nan)] * len(population)
    asked = np.zeros(len(population), dtype=bool)
    moves = {action: Moves(table, action) for action in ACTIONS}
    constant = {action: np.full(len(population), np.nan) for action in ACTIONS}
    for fold in folds:
        if "temperature" not in fold.trees:
            continue
        rows = np.flatnonzero(fold.rows)
        asked |= fold.rows
        found = advised(fold.trees, population.select(fold.rows), noise, told, most)
        for i, advice in zip(rows, found, strict=True):
            said[i] = advice
        for action, ratio in _for_all(population.select(~fold.rows)).items():
            constant[action][rows] = moves[action].gains(ratio)[rows]
    if not asked.any():
        return None
    gained = np.zeros(len(population))
    for action, move in moves.items():
        ratios = np.array([one.ratio if one.action == action else np.nan for one in said])
        gained += np.nan_to_num(move.gains(ratios))
    every = {
        action: float(np.nan_to_num(values[asked]).mean()) for action, values in constant.items()
    }
    always = max(every, key=lambda action: every[action])
    groups = _groups(population, said, gained)
    followed = [group for (action, _), (_, group) in groups.items() if action != NOTHING]
    nan = math.nan
    return AdviceScore(
        outcomes=_outcomes(population, groups, gained, asked, noise),
        gain=interval(_followed(population, gained, asked).means()),
        always=always,
        constant=every[always],
        random=float(np.mean(list(every.values()))),
        best=float(_room(population)[asked].mean()),
        calibration=calibration(followed) if followed else Calibration(nan, nan, nan, 0),
    )


def _for_all(population: Population) -> dict[str, float]:
    """Return, for each action, the one factor that gains most on average."""
    ratios = step_ratios(population.table)
    one = np.zeros(len(population), dtype=np.int64)
    return {
        action: best_ratios(Moves(population.table, action), ratios[action], one, 1)[0]
        for action in ACTIONS
    }


def _room(population: Population, *actions: str) -> NDArray[np.float64]:
    columns = [ACTIONS[action][0] for action in actions or ACTIONS]
    found: NDArray[np.float64] = population.table[columns].max(axis=1).to_numpy()
    return found


def _followed(
    population: Population, gained: NDArray[np.float64], rows: NDArray[np.bool_]
) -> Followed:
    errors = population.table["train_error"].to_numpy()
    return Followed(gained[rows], errors[rows], population.cells("temperature")[rows])


_Groups = dict[tuple[str, str], tuple[NDArray[np.bool_], Followed]]


def _groups(population: Population, said: Sequence[Advice], gained: NDArray[np.float64]) -> _Groups:
    """Part the configurations by what was said of them."""
    keys = [(one.action or "", one.place) for one in said]
    masks = {key: np.array([own == key for own in keys]) for key in dict.fromkeys(keys) if key[0]}
    return {key: (rows, _followed(population, gained, rows)) for key, rows in masks.items()}


def _outcomes(
    population: Population,
    groups: _Groups,
    gained: NDArray[np.float64],
    asked: NDArray[np.bool_],
    noise: float,
) -> tuple[Outcome, ...]:
    """Count what became of each advice."""
    lines = iter(
        promises([group for (action, _), (_, group) in groups.items() if action != NOTHING])
    )
    found = []
    for (action, place), (rows, group) in groups.items():
        nothing = action == NOTHING
        true = _room(population) <= noise if nothing else _room(population, action) > noise
        right = true if nothing else gained > noise
        says = (
            "No single change gains more than the seed noise."
            if nothing
            else f"To {action} gains more than the seed noise."
        )
        record = Precision(
            statement=f"{action} ({place})",
            kind="action",
            says=says,
            given=int(rows.sum()),
            right=int((rows & right).sum()),
            positives=int((asked & true).sum()),
            networks=int(asked.sum()),
            families=(population.name,),
        )
        found.append(
            Outcome(
                action=action,
                place=place,
                precision=record,
                gain=interval(group.means()),
                promise=None if nothing else next(lines),
            )
        )
    return tuple(found)
