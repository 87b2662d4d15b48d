"""Numbers behind an abstention, by hand: promises of gains, distances between two sets of data."""

import math

import numpy as np
import pytest
import torch

from eigenscape.diagnosis._fingerprint import _apart, _sums
from eigenscape.diagnosis._promise import Followed, promises, shrunk


def followed(cells, gains, errors):
    return Followed(np.array(gains, float), np.array(errors, float), np.array(cells))


def test_the_spread_around_a_promise_counts_what_was_fitted():
    # a mean alone of four: 5 / 3; a mean and a slope of six, here misfits of 1: 6 / 4
    (flat,) = promises([followed([0, 0, 1, 1], [1, 2, 3, 4], [5, 6, 7, 8])])
    assert (flat.slope, flat.spread) == (0, pytest.approx(math.sqrt(5 / 3)))
    errors = np.array([-2.0, -2.0, 0.0, 0.0, 2.0, 2.0])
    misfit = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    (line,) = promises([followed([0, 1, 2, 0, 1, 2], 3 * errors + misfit, errors)])
    assert line.slope == pytest.approx(3)
    assert line.spread == pytest.approx(math.sqrt(6 / 4))


def test_means_without_any_variance_stay():
    assert shrunk([np.array([5.0, 5.0]), np.array([5.0, 5.0])]) == [5.0, 5.0]


def test_the_first_sum_of_an_example_is_its_mean():
    inputs = torch.arange(24.0).reshape(4, 2, 3)
    assert _sums(inputs)[:, 0] == pytest.approx([2.5, 8.5, 14.5, 20.5])


def test_how_far_two_sets_of_examples_are_apart_by_hand():
    # means 1 and 3, deviations 0 and 2, of 4 and 9 examples; then deviations 1 and e
    def apart(s, t, count, other_count):
        found = _apart(*(np.array([x]) for x in (1.0, 3.0, s, t)), count, other_count)
        return [way for way, _ in found]

    assert apart(0.0, 2.0, 4, 9) == pytest.approx([2 / (4 * math.sqrt(4 / 9))])  # 4 errors
    assert apart(0.0, 2.0, 10**6, 10**6) == pytest.approx([2 / math.sqrt(2) / 0.2])  # a fifth
    turn = 1 / (4 * math.sqrt(0.5 / 4 + 0.5 / 9))
    assert apart(1.0, math.e, 4, 9)[1] == pytest.approx(turn)
    assert apart(math.e, 1.0, 9, 4)[1] == pytest.approx(turn)
    assert apart(1.0, math.e, 10**6, 10**6)[1] == pytest.approx(1 / 0.2)
