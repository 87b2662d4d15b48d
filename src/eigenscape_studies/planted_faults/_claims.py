"""What the diagnoses were worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from eigenscape_studies import Claim
from eigenscape_studies.planted_faults._plan import TURNED_BY, WORDS
from eigenscape_studies.planted_faults._tasks import Numbers


def _verdict(share: float) -> str:
    return "holds" if share >= 0.8 else "in part" if share >= 0.5 else "fails"


def _said(row: dict[str, Any]) -> str:
    return WORDS.get(row["diagnosis"], str(row["diagnosis"]))


def found_faults(numbers: Numbers) -> Claim:
    """Are planted faults found?"""
    rows = numbers.faulty
    right = sum(row["right"] for row in rows)
    words = "; ".join(f"{row['fault']} -> {_said(row)}" for row in numbers.table)
    return Claim(
        name="the fault is found",
        statement="A network that was trained wrongly on purpose is diagnosed with the fault "
        "that was planted.",
        figure="none (our test)",
        measured=f"{right} of {len(rows)} faults. {words}.",
        verdict=_verdict(right / len(rows)),
    )


def gain_is_got(numbers: Numbers) -> Claim:
    """Is the expected gain got?"""
    rows = [row for row in numbers.table if row["action"] != "none"]
    words = "; ".join(
        f"{row['fault']}: {row['action']} x{row['ratio']:.2g}, expected {row['expected']:.1f}, got "
        f"{row['got']:+.1f}"
        for row in rows
    )
    better = sum(row["got"] > 0 for row in rows)
    return Claim(
        name="the advice helps",
        statement="A network that is trained again as advised is better on held-out data.",
        figure="none (our test)",
        measured=f"{better} of {len(rows)} are better, by "
        f"{np.mean([row['got'] for row in rows]):.1f} points on average (expected "
        f"{np.mean([row['expected'] for row in rows]):.1f}). {words}.",
        verdict=_verdict(better / len(rows)),
    )


def advice_is_good(numbers: Numbers) -> Claim:
    """Is the advised knob the one that gains most?"""
    rows = numbers.faulty
    best = sum(row["action"] == row["best_action"] for row in rows)
    words = "; ".join(
        f"{row['fault']}: best {row['best_action']} ({row['best_gain']:+.1f}), advised "
        f"{row['action']}"
        for row in rows
    )
    return Claim(
        name="the change that gains most",
        statement="The advised change is the one that gains most when each is made (temperature "
        "by 8, width and data by 4).",
        figure="none (our test)",
        measured=f"{best} of {len(rows)}. {words}.",
        verdict=_verdict(best / len(rows)),
    )


CLAIMS = (found_faults, gain_is_got, advice_is_good)


def paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return the findings in plain words."""
    table, rows = numbers.table, numbers.faulty
    right = sum(row["right"] for row in rows)
    wrong = [row for row in table if not row["right"]]
    found = {
        "In one sentence": (
            f"{right} of {len(rows)} planted faults were found; following the advice gained "
            f"{np.nanmean([row['got'] for row in table]):.1f} points on average where "
            f"{np.nanmean([row['expected'] for row in table if row['action'] != 'none']):.1f} were "
            "expected."
        ),
        "Where it is wrong": "; ".join(
            f"{row['fault']} is taken for {_said(row)} (turning the planted knob would have "
            f"gained {_planted_gain(row):+.1f}, the advice got {row['got']:+.1f})"
            for row in wrong
        )
        + "."
        if wrong
        else "Nowhere in this table.",
    }
    if numbers.left_out:
        found["Left out"] = f"The faults on MNIST: {numbers.left_out}"
    return found


def _planted_gain(row: dict[str, Any]) -> float:
    action = TURNED_BY.get(row["truth"])
    return float(row[action]) if action else 0.0
