"""What the diagnoses were worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
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
    if not rows:
        return "none of 0"
    networks = len({row["fault"] for row in rows})
    found = share(hits, len(rows))
    return (
        f"{hits} of {len(rows)} ({100 * found.mean:.0f} % [{100 * found.low:.0f}, "
        f"{100 * found.high:.0f}]; pairs of {networks} networks)"
    )


def _counts(rows: Iterable[Mapping[str, Any]], column: str = "diagnosis") -> str:
    verdicts = [str(row[column]) for row in rows]
    return ", ".join(f"{_said(name)} {verdicts.count(name)}" for name in dict.fromkeys(verdicts))


def found_faults(numbers: Numbers) -> Claim:
    """Are planted faults found?"""
    rows = numbers.faulty
    right = sum(row["right"] for row in rows)
    silent = sum(row["diagnosis"] == _SILENT for row in rows)
    words = "; ".join(
        f"{name} -> {_counts(own)}" for name, own in groupby(rows, key=lambda row: row["fault"])
    )
    return Claim(
        name="the fault is found",
        statement="A network that was trained wrongly on purpose is diagnosed with the fault "
        "that was planted.",
        figure="none (our test)",
        measured=f"Found: {_rate(right, rows)}; another fault: {len(rows) - right - silent}; no "
        f"verdict: {silent}. {words}.",
        verdict=graded(right >= 0.8 * len(rows), right >= 0.5 * len(rows)),
    )


def temperature_is_told(numbers: Numbers) -> Claim:
    """What does the temperature tree alone say?"""
    off = [row for row in numbers.faulty if row["truth"] in ("small", "large")]
    on = [row for row in numbers.table if row["truth"] not in ("small", "large")]
    right, wrong, silent = (
        sum(row["direction"] == word for row in off) for word in ("right", "wrong", "no verdict")
    )
    alarms = sum(row["direction"] == "wrong" for row in on)
    given = share(right, right + wrong) if right + wrong else None
    words = "; ".join(
        f"{name} -> {_counts(own, 'temperature')}"
        for name, own in groupby(numbers.table, key=lambda row: row["fault"])
    )
    return Claim(
        name="the temperature's direction",
        statement="The temperature tree names the direction of a planted temperature, and none "
        "where the temperature is the population's best or near it.",
        figure="none (our test)",
        measured=f"Planted temperature: right {_rate(right, off)}, wrong {wrong}, no verdict "
        f"{silent}{f' (right where it answers: {given.words(2)})' if given else ''}. Another fault "
        f"or none planted: a direction is named in {_rate(alarms, on)}. {words}.",
        verdict=graded(
            right >= 0.8 * len(off) and alarms <= 0.2 * len(on), right >= 0.5 * len(off)
        ),
    )


def no_false_alarms(numbers: Numbers) -> Claim:
    """Are networks with nothing planted left alone?"""
    rows = numbers.controls
    alarms = [row for row in rows if row["given"]]
    fine = sum(row["diagnosis"] == FINE for row in rows)
    useful = sum(row["got"] > row["seed_noise"] for row in alarms)
    words = "; ".join(
        f"{row['fault']}, pair {row['pair']}: {row['action']}, got {row['got']:+.1f}"
        for row in alarms
    )
    found = share(len(alarms), max(len(rows), 1))
    return Claim(
        name="nothing planted, nothing advised",
        statement="A network with nothing planted gets no advice.",
        figure="none (our test)",
        measured=f"False alarms: {_rate(len(alarms), rows)}, of which {useful} gained more than "
        f"the seed noise when followed; nothing wrong: {fine}; no verdict: "
        f"{len(rows) - fine - len(alarms)}.{' ' + words + '.' if words else ''}",
        verdict=graded(found.high <= 0.2, found.mean <= 0.2)
        if rows and any(row["given"] for row in numbers.table)
        else "not tested here",  # silence alone gives no false alarm
    )


def silence_is_right(numbers: Numbers) -> Claim:
    """Would a withheld advice have helped?"""
    rows = [row for row in numbers.followed if not row["given"]]
    helped = sum(row["got"] > row["seed_noise"] for row in rows)
    rate = float(np.mean([row["precision"] for row in rows])) if rows else float("nan")
    words = "; ".join(
        f"{row['fault']}: {row['action']} x{row['ratio']:.2g} ({row['pairs']} pairs), right "
        f"{100 * row['precision']:.0f} % in the population, got {row['got']:+.1f}"
        for row in numbers.by_network(rows)
    )
    found = share(helped, len(rows)) if rows else None
    return Claim(
        name="what is withheld would not have helped often enough",
        statement="An advice that is withheld, because it was right for too few held-out networks "
        "of the population, gains more than the seed noise in fewer than 80 % of the cases here.",
        figure="none (our test)",
        measured=f"Withheld and followed all the same: {_rate(helped, rows)} gained more than the "
        f"seed noise; {100 * rate:.0f} % were to be expected from the population. {words}.",
        verdict=graded(
            found is not None and found.high < 0.8, found is not None and found.mean < 0.8
        ),
    )


def gain_is_got(numbers: Numbers) -> Claim:
    """Is the expected gain got?"""
    rows = numbers.by_network(numbers.followed)
    line = fit_line([row["expected"] for row in rows], [row["got"] for row in rows])
    less = interval([row["got"] - row["expected"] for row in rows])
    given = sum(row["given"] for row in numbers.followed)
    words = "; ".join(
        f"{row['fault']}: promised {row['expected']:.1f}, got {row['got']:+.1f}" for row in rows
    )
    kept = line.low <= 1 <= line.high and line.low > 0
    return Claim(
        name="the gain is as promised",
        statement="What following the advice gains is what was promised.",
        figure="none (our test)",
        measured=f"Got over promised, {len(rows)} networks ({given} of {len(numbers.followed)} "
        f"advices were given, the others withheld): slope {line.slope:.2f} [{line.low:.2f}, "
        f"{line.high:.2f}]; got minus promised {signed(less, ' points')}. {words}.",
        verdict=graded(kept and less.low <= 0 <= less.high, line.low > 0),
    )


def advice_helps(numbers: Numbers) -> Claim:
    """Is a network better when it is trained again as advised?"""
    rows = numbers.by_network(numbers.followed)
    mean = interval([row["got"] for row in rows])
    spans = {
        row["fault"]: interval(
            [one["got"] for one in numbers.followed if one["fault"] == row["fault"]]
        )
        for row in rows
    }
    told = sum(span.low > 0 for span in spans.values())
    better = sum(row["got"] > 0 for row in rows)
    lost = sum(not np.isfinite(row["got"]) for row in numbers.followed)
    words = "; ".join(f"{name}: {signed(span)}" for name, span in spans.items() if span.seeds > 1)
    return Claim(
        name="the advice helps",
        statement="A network that is trained again as advised, or as would have been advised, is "
        "better on held-out data.",
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
        measured=f"{best} of {len(rows)} advices, given or withheld. {words}.",
        verdict=graded(best >= 0.8 * len(rows), best >= 0.5 * len(rows)),
    )


CLAIMS = (
    *(found_faults, temperature_is_told, no_false_alarms, silence_is_right),
    *(gain_is_got, advice_helps, advice_is_good),
)


def paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return the findings in plain words."""
    rows, controls = numbers.faulty, numbers.controls
    right = sum(row["right"] for row in rows)
    silent = sum(row["diagnosis"] == _SILENT for row in rows)
    alarms = sum(row["given"] for row in controls)
    means = numbers.by_network(numbers.followed)
    off = [row for row in rows if row["truth"] in ("small", "large")]
    told = sum(row["direction"] == "right" for row in off)
    found = {
        "In one sentence": (
            f"{right} of {len(rows)} planted faults were found, {len(rows) - right - silent} taken "
            f"for another, {silent} got no verdict; the temperature tree alone named "
            f"{told} of {len(off)} planted temperatures; of {len(controls)} pairs with nothing "
            f"planted {alarms} got an advice; following every advice, given or withheld, gained "
            f"{interval([row['got'] for row in means]).words(1)} points where "
            f"{np.mean([row['expected'] for row in means]) if means else 0:.1f} were promised."
        ),
        "Why there is no verdict": _reasons(numbers.table),
        "What can be gained without a fault": (
            "Turning each knob of two networks with nothing planted: "
            + "; ".join(
                f"{name} {np.nanmean([row[name] for row in numbers.by_network(controls)]):+.1f}"
                for name in TURNED_BY.values()
            )
            + " points."
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
