"""The page of a check-up."""

from __future__ import annotations

from eigenscape.checkup._result import CheckupResult
from eigenscape.report import Page


def checkup_page(result: CheckupResult) -> Page:
    """Return the page of a check-up: its answer, then every result that it holds."""
    return Page(
        result.title,
        {**result.examined, **result.around},
        lead=result,
        statements=result.statements,
        facts=result.facts,
    )
