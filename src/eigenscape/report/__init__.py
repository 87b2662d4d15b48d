"""Report: one self-contained HTML page of any results."""

from eigenscape.report._figure import inline_svg as inline_svg
from eigenscape.report._page import write_page as write_page
from eigenscape.report._places import Page as Page

__all__ = [
    "Page",
    "inline_svg",
    "write_page",
]
