"""The command line: one file for each verb; parsing and printing only."""

from eigenscape.cli._main import main as main

__all__ = ["main"]
