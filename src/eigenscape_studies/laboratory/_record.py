"""One step of an experiment in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

_NAN = math.nan


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """What was measured after one step; NaN where it was not asked for, or has no value.

    Args:
        step: 0 is the untrained student.
        learning_rate: of the update that led here; NaN at the start.
        loss: mean squared error on the training set.
        spectral_norm: the largest singular value of W.
        second: the next one.
        outliers: eigenvalues above the edge of standard normal noise of this shape (the
            Tracy-Widom edge, passed by chance once in a thousand matrices).
        alpha_hill: PL_Alpha_Hill over the upper half of the spectrum.
        alpha_null: that of an infinite random matrix of this shape.
        alpha_excess: (alpha_hill - 1) / (alpha_null - 1): 1 is random, below 1 heavier-tailed.
        alpha_ks: the fitted power law's exponent. Without a least tail size: read ``ks_tail`` too.
        ks_tail: eigenvalues in that fit.
        alpha_hat: alpha_hill times log10 of the largest eigenvalue.
        stable_rank: squared Frobenius over squared spectral norm.
        dropped: eigenvalues that were too small to be told from zero, and left out.
        similarity: cosine of the first right singular vector and the teacher.
        subspace_similarity: norm of the teacher's projection on the first ``block`` vectors.
        kta: kernel-target alignment on the probe set.
        kta_centred: with the means taken out.
        readout_train: ridge read-out's loss on the probe set, features as in the paper.
        readout_test: on the test set.
        readout_train_reference: likewise with the features of the published code.
        readout_test_reference: on the test set.
        overlap_left_before: squared cosine of the first left singular vectors of the last update
            and of W before it.
        overlap_right_before: of the right ones.
        overlap_left: of the last update and W after it.
        overlap_right: of the right ones.
        block_left_before: mean mass of the update's first ``block`` left vectors in those of W
            before it.
        block_right_before: of the right ones.
        block_left: in those of W after it.
        block_right: of the right ones.
        update_norm: the last update's largest singular value.
        update_stable_rank: the last update's stable rank.
        note: why there is no alpha, or empty.
    """

    step: int
    learning_rate: float = _NAN
    loss: float = _NAN
    spectral_norm: float = _NAN
    second: float = _NAN
    outliers: int = 0
    alpha_hill: float = _NAN
    alpha_null: float = _NAN
    alpha_excess: float = _NAN
    alpha_ks: float = _NAN
    ks_tail: int = 0
    alpha_hat: float = _NAN
    stable_rank: float = _NAN
    dropped: int = 0
    similarity: float = _NAN
    subspace_similarity: float = _NAN
    kta: float = _NAN
    kta_centred: float = _NAN
    readout_train: float = _NAN
    readout_test: float = _NAN
    readout_train_reference: float = _NAN
    readout_test_reference: float = _NAN
    overlap_left_before: float = _NAN
    overlap_right_before: float = _NAN
    overlap_left: float = _NAN
    overlap_right: float = _NAN
    block_left_before: float = _NAN
    block_right_before: float = _NAN
    block_left: float = _NAN
    block_right: float = _NAN
    update_norm: float = _NAN
    update_stable_rank: float = _NAN
    note: str = ""
