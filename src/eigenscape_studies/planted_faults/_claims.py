"""What the diagnoses were worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from eigenscape_studies._claim import Claim
from eigenscape_studies.planted_faults._plan import WORDS

Rows = list[dict[str, Any]]


def make_claims(table: Rows, command: str) -> tuple[Claim, ...]:
    """Return what a user would want to rely on, with verdicts computed from the table."""
    made = (found_faults, gain_is_got, advice_is_good)
    return tuple(Claim(**make(table), command=command, seeds=3) for make in made)


def _verdict(share: float) -> str:
    return "holds" if share >= 0.8 else "in part" if share >= 0.5 else "fails"


def _said(row: dict[str, Any]) -> str:
    return WORDS.get(row["diagnosis"], str(row["diagnosis"]))


def found_faults(table: Rows) -> dict[str, Any]:
    """Are planted faults found?"""
    rows = [row for row in table if row["truth"] != "none"]
    right = sum(row["right"] for row in rows)
    words = "; ".join(f"{row['fault']} -> {_said(row)}" for row in table)
    return {
        "name": "the fault is found",
        "statement": "A network that was trained wrongly on purpose is diagnosed with the fault "
        "that was planted.",
        "figure": "none (our test)",
        "measured": f"{right} of {len(rows)} faults. {words}.",
        "verdict": _verdict(right / len(rows)),
    }


def gain_is_got(table: Rows) -> dict[str, Any]:
    """Is the expected gain got?"""
    rows = [row for row in table if row["action"] != "none"]
    words = "; ".join(
        f"{row['fault']}: {row['action']} x{row['ratio']:.2g}, expected {row['expected']:.1f}, got "
        f"{row['got']:+.1f}"
        for row in rows
    )
    better = sum(row["got"] > 0 for row in rows)
    return {
        "name": "the advice helps",
        "statement": "A network that is trained anew as advised is better on held-out data.",
        "figure": "none (our test)",
        "measured": f"{better} of {len(rows)} are better, by "
        f"{np.mean([row['got'] for row in rows]):.1f} points on average (expected "
        f"{np.mean([row['expected'] for row in rows]):.1f}). {words}.",
        "verdict": _verdict(better / len(rows)),
    }


def advice_is_good(table: Rows) -> dict[str, Any]:
    """Is the advised knob the one that gains most?"""
    rows = [row for row in table if row["truth"] != "none"]
    best = sum(row["action"] == row["best_action"] for row in rows)
    words = "; ".join(
        f"{row['fault']}: best {row['best_action']} ({row['best_gain']:+.1f}), advised "
        f"{row['action']}"
        for row in rows
    )
    return {
        "name": "the knob that gains most",
        "statement": "The advised knob is the one that gains most when each is turned (temperature "
        "by 8, width and data by 4).",
        "figure": "none (our test)",
        "measured": f"{best} of {len(rows)}. {words}.",
        "verdict": _verdict(best / len(rows)),
    }


def make_paragraphs(table: Rows, left_out: str) -> dict[str, str]:
    """Return heading to text."""
    rows = [row for row in table if row["truth"] != "none"]
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
    if left_out:
        found["Left out"] = f"The faults on MNIST: {left_out}"
    return found


def _planted_gain(row: dict[str, Any]) -> float:
    action = {"small": "raise temperature", "large": "lower temperature", "width": "widen",
              "data": "add data"}.get(row["truth"])  # fmt: skip
    return float(row[action]) if action else 0.0
