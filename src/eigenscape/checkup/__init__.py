"""Check-up: examine a checkpoint and report the findings on one page."""

from eigenscape.checkup._checkup import checkup as checkup
from eigenscape.checkup._checkup import checkup_twins as checkup_twins
from eigenscape.checkup._page import checkup_page as checkup_page
from eigenscape.checkup._reconciled import reconciled as reconciled
from eigenscape.checkup._result import CheckupResult as CheckupResult

__all__ = ["CheckupResult", "checkup", "checkup_page", "checkup_twins", "reconciled"]
