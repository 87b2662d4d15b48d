"""What the diagnoses were worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from eigenscape.stats import fit_line, interval, share
from eigenscape_studies import Claim, graded, signed
from eigenscape_studies._tables import Rows
from eigenscape_studies.planted_faults._plan import TURNED_BY, WORDS
from eigenscape_studies.planted_faults._tasks import FINE, Numbers

_SILENT = "not known"


def _said(verdict: str) -> str:
    return {_SILENT: "no verdict", FINE: "nothing wrong"}.get(verdict, WORDS.get(verdict, verdict))


def _rate(hits: int, rows: Rows) -> str:
    """Write a share with Wilson's interval; of pairs, several of which are one network."""
    networks = len({row["fault"] for row in rows})
    found = share(hits, len(rows))
    return (
        f"{hits} of {len(rows)} ({100 * found.mean:.0f} % [{100 * found.low:.0f}, "
        f"{100 * found.high:.0f}]; {networks} networks, each of several pairs)"
    )


def _counts(rows: Rows) -> str:
    verdicts = [row["diagnosis"] for row in rows]
    return ", ".join(f"{_said(name)} {verdicts.count(name)}" for name in dict.fromkeys(verdicts))


def found_faults(numbers: Numbers) -> Claim:
    """Are planted faults found?"""
    rows = numbers.faulty
    right = sum(row["right"] for row in rows)
    silent = sum(row["diagnosis"] == _SILENT for row in rows)
    wrong = len(rows) - right - silent
    words = "; ".join(
        f"{name} -> {_counts([row for row in rows if row['fault'] == name])}"
        for name in dict.fromkeys(row["fault"] for row in rows)
    )
    given = share(right, right + wrong) if right + wrong else None
    precision = (
        "" if given is None else f" Where a verdict is given it is right in {given.words(2)}."
    )
    return Claim(
        name="the fault is found",
        statement="A network that was trained wrongly on purpose is diagnosed with the fault "
        "that was planted.",
        figure="none (our test)",
        measured=f"Found: {_rate(right, rows)}; another fault: {wrong}; no verdict: {silent}."
        f"{precision} {words}.",
        verdict=graded(right >= 0.8 * len(rows), right >= 0.5 * len(rows)),
    )


def no_false_alarms(numbers: Numbers) -> Claim:
    """Are networks with nothing planted left alone?"""
    rows = numbers.controls
    alarms = [row for row in rows if row["action"] != "none"]
    fine = sum(row["diagnosis"] == FINE for row in rows)
    useful = sum(row["got"] > row["seed_noise"] for row in alarms)
    words = "; ".join(
        f"{row['fault']}, pair {row['pair']}: {row['action']}, got {row['got']:+.1f}"
        for row in alarms
    )
    found = share(len(alarms), len(rows))
    return Claim(
        name="nothing planted, nothing advised",
        statement="A network with nothing planted gets no advice.",
        figure="none (our test)",
        measured=f"False alarms: {_rate(len(alarms), rows)}, of which {useful} gained more than "
        f"the seed noise when followed; nothing wrong: {fine}; no verdict: "
        f"{len(rows) - fine - len(alarms)}.{' ' + words + '.' if words else ''}",
        verdict=graded(found.high <= 0.2, found.mean <= 0.2),
    )


def gain_is_got(numbers: Numbers) -> Claim:
    """Is the expected gain got?"""
    rows = numbers.by_network(numbers.advised)
    line = fit_line([row["expected"] for row in rows], [row["got"] for row in rows])
    less = interval([row["got"] - row["expected"] for row in rows])
    words = "; ".join(
        f"{row['fault']}: {row['action']} x{row['ratio']:.2g} ({row['pairs']} pairs), promised "
        f"{row['expected']:.1f}, got {row['got']:+.1f}"
        for row in rows
    )
    kept = line.low <= 1 <= line.high and line.low > 0
    return Claim(
        name="the gain is as promised",
        statement="What following the advice gains is what was promised.",
        figure="none (our test)",
        measured=f"Got over promised, {len(rows)} networks: slope {line.slope:.2f} "
        f"[{line.low:.2f}, {line.high:.2f}]; got minus promised {signed(less, ' points')}. "
        f"{words}.",
        verdict=graded(kept and less.low <= 0 <= less.high, line.low > 0),
    )


def advice_helps(numbers: Numbers) -> Claim:
    """Is a network better when it is trained again as advised?"""
    rows = numbers.by_network(numbers.advised)
    mean = interval([row["got"] for row in rows])
    spans = {
        row["fault"]: interval(
            [one["got"] for one in numbers.advised if one["fault"] == row["fault"]]
        )
        for row in rows
    }
    told = sum(span.low > 0 for span in spans.values())
    better = sum(row["got"] > 0 for row in rows)
    words = "; ".join(f"{name}: {signed(span)}" for name, span in spans.items() if span.seeds > 1)
    lost = sum(not np.isfinite(row["got"]) for row in numbers.advised)
    return Claim(
        name="the advice helps",
        statement="A network that is trained again as advised is better on held-out data.",
        figure="none (our test)",
        measured=f"{signed(mean, ' points')} on average over {len(rows)} networks; {better} are "
        f"better by their mean, {told} of them by an interval over pairs that leaves out 0"
        f"{f'; {lost} trainings diverged' if lost else ''}. {words}.",
        verdict=graded(mean.low > 0 and not lost, mean.mean > 0),
    )


def advice_is_good(numbers: Numbers) -> Claim:
    """Is the advised knob the one that gains most?"""
    rows = [row for row in numbers.faulty if row["action"] != "none"]
    best = sum(row["action"] == row["best_action"] for row in rows)
    words = "; ".join(
        f"{row['fault']}, pair {row['pair']}: best {row['best_action']} ({row['best_gain']:+.1f}), "
        f"advised {row['action']}"
        for row in rows
    )
    return Claim(
        name="the change that gains most",
        statement="The advised change is the one that gains most when each is made (temperature "
        "by 8, width and data by 4).",
        figure="none (our test)",
        measured=f"{best} of {len(rows)} advices. {words}.",
        verdict=graded(best >= 0.8 * len(rows), best >= 0.5 * len(rows)),
    )


CLAIMS = (found_faults, no_false_alarms, gain_is_got, advice_helps, advice_is_good)


def paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return the findings in plain words."""
    rows, controls, advised = numbers.faulty, numbers.controls, numbers.advised
    right = sum(row["right"] for row in rows)
    wrong = [row for row in rows if not row["right"] and row["diagnosis"] != _SILENT]
    alarms = sum(row["action"] != "none" for row in controls)
    means = numbers.by_network(advised)
    found = {
        "In one sentence": (
            f"{right} of {len(rows)} planted faults were found, {len(wrong)} taken for another, "
            f"{len(rows) - right - len(wrong)} got no verdict; of {len(controls)} networks with "
            f"nothing planted {alarms} got an advice; following advice gained "
            f"{interval([row['got'] for row in means]).words(1)} points where "
            f"{np.mean([row['expected'] for row in means]):.1f} were promised."
        ),
        "Where it is wrong": "; ".join(
            f"{row['fault']}, pair {row['pair']}, is taken for {_said(row['diagnosis'])} (turning "
            f"the planted knob would have gained {_planted_gain(row):+.1f}, the advice got "
            f"{row['got']:+.1f})"
            for row in wrong
        )
        + "."
        if wrong
        else "No verdict on a planted fault names another.",
        "Why there is no verdict": _reasons(numbers.table),
        "What can be gained without a fault": (
            "Turning each knob of the networks with nothing planted: "
            + "; ".join(
                f"{name} {signed(interval([row[name] for row in numbers.by_network(controls)]))}"
                for name in TURNED_BY.values()
            )
            + " points (over networks)."
        ),
    }
    if numbers.left_out:
        found["Left out"] = f"The faults on MNIST: {numbers.left_out}"
    return found


def _reasons(rows: Rows) -> str:
    silent = [row["why_not"] for row in rows if row["diagnosis"] == _SILENT]
    if not silent:
        return "Every network got a verdict."
    counts = ", ".join(f"{name}: {silent.count(name)}" for name in dict.fromkeys(silent))
    return f"Reasons, by what they are about: {counts}."


def _planted_gain(row: dict[str, Any]) -> float:
    action = TURNED_BY.get(row["truth"])
    return float(row[action]) if action else 0.0
