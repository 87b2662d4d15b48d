"""How many examples a property test draws."""

from hypothesis import HealthCheck, settings


def examples(count: int) -> settings:
    """So many examples, and in the profile `explore` as many times more as that one draws.

    The first draw of a file pays for its imports, so that being slow is no reason to fail.
    """
    factor = settings().max_examples / 100
    return settings(
        max_examples=round(count * factor), suppress_health_check=[HealthCheck.too_slow]
    )
