"""How many examples a property test draws, and how close is close."""

import numpy as np
import pytest
from hypothesis import HealthCheck, settings


def examples(count: int) -> settings:
    """So many examples, and in the profile `explore` as many times more as that one draws.

    The first draw of a file pays for its imports, so that being slow is no reason to fail.
    """
    factor = settings().max_examples / 100
    return settings(
        max_examples=round(count * factor), suppress_health_check=[HealthCheck.too_slow]
    )


def near(expected, relative: float, scale: float | None = None):
    """Equal up to ``relative`` times the scale: by default of the largest expected number."""
    if scale is None:
        scale = float(np.abs(np.asarray(expected, dtype=float)).max(initial=0.0))
    return pytest.approx(expected, rel=0, abs=relative * scale)
