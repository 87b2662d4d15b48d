"""A straight line through many runs, with the interval of its slope."""

from eigenscape.stats import Line as Line
from eigenscape.stats import fit_line as fit_line
