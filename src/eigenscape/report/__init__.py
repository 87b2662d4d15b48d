"""Report: results in, one self-contained HTML page out."""

from eigenscape.report._figure import inline_svg as inline_svg
from eigenscape.report._page import Page as Page
from eigenscape.report._page import render as render
from eigenscape.report._page import write_page as write_page
from eigenscape.report._panel import spectrum_panel as spectrum_panel

__all__ = ["Page", "inline_svg", "render", "spectrum_panel", "write_page"]
