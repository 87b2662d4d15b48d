"""How numbers are written down in the studies."""

from eigenscape.stats import Interval as Interval
from eigenscape.stats import interval as interval


def rate_words(value: float) -> str:
    """Write a learning rate: three digits, and no exponent where none is needed.

    >>> rate_words(0.04664), rate_words(1174.2), rate_words(27841.0)
    ('0.0466', '1174', '27841')
    """
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
