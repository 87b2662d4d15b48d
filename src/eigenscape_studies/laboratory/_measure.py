"""From a state of the student to the numbers of its step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eigenscape.spectra import TopVectors, decompose, fit_power_law, overlap, stable_rank
from eigenscape.theory import alpha_hill, marchenko_pastur_alpha, noise_edge
from eigenscape_studies.laboratory._options import LabOptions
from eigenscape_studies.laboratory._readout import kernel_alignment, readout_losses
from eigenscape_studies.laboratory._record import StepRecord
from eigenscape_studies.laboratory._single_index import SingleIndex, features
from eigenscape_studies.laboratory._train import State

#: Below this many eigenvalues an exponent is not reported.
FEWEST_EIGENVALUES = 16


@dataclass(frozen=True)
class Measured:
    """A record, the spectrum behind it, and the leading vectors where they were computed.

    Args:
        record: the numbers.
        eigenvalues: squared singular values of W, ascending.
        top: leading singular vectors, or None.
    """

    record: StepRecord
    eigenvalues: NDArray[np.float64]
    top: TopVectors | None


def measure(
    state: State, problem: SingleIndex, options: LabOptions, before: TopVectors | None
) -> Measured:
    """Measure one state; the costly measures only at probed steps.

    Args:
        state: with finite weights.
        problem: where it comes from.
        options: what to measure.
        before: the leading vectors of W one step earlier, for the overlaps with the update.
    """
    probed = options.probed(state.step)
    wanted = set(options.measures) if probed else set()
    if needs_vectors(state.step, options):
        eigenvalues, top = decompose(state.W, options.block)
    else:
        eigenvalues, top = _eigenvalues(state.W), None
    numbers: dict[str, Any] = {"loss": state.loss}
    if state.step:
        numbers["learning_rate"] = options.learning_rate_at(state.step)
    numbers |= spectrum_numbers(eigenvalues, options.h, options.d, full=probed)
    if top is not None and "teacher" in wanted:
        numbers |= _teacher(top, problem)
    if "alignment" in wanted:
        found = kernel_alignment(features(state.W, problem.probe.X), problem.probe.y)
        numbers |= {"kta": found.plain, "kta_centred": found.centred}
    if "readout" in wanted:
        numbers |= _readout(state.W, problem, options)
    if top is not None and state.update is not None and "overlap" in wanted:
        numbers |= _overlaps(state.update, before, top, options.block)
    return Measured(StepRecord(step=state.step, **numbers), eigenvalues, top)


def needs_vectors(step: int, options: LabOptions) -> bool:
    """Whether the singular vectors of W at ``step`` are used, at this step or the next."""
    here = options.probed(step) and bool({"teacher", "overlap"} & set(options.measures))
    return here or ("overlap" in options.measures and options.probed(step + 1))


def spectrum_numbers(
    eigenvalues: NDArray[np.float64], h: int, d: int, *, full: bool = True
) -> Mapping[str, Any]:
    """Return everything that follows from the eigenvalues of an h x d matrix alone.

    Args:
        eigenvalues: ascending.
        h: rows.
        d: columns.
        full: with the fitted power law.

    >>> spectrum_numbers(np.ones(4), 4, 4)["note"]
    'no alpha: 4 eigenvalues above rounding, at least 16 are needed'
    """
    n, m = min(h, d), max(h, d)
    top = float(eigenvalues[-1])
    kept = eigenvalues[eigenvalues > np.finfo(np.float64).eps * m * top]
    numbers: dict[str, Any] = {
        "spectral_norm": math.sqrt(top),
        "second": math.sqrt(float(eigenvalues[-2])) if n > 1 else math.nan,
        "outliers": int((eigenvalues > noise_edge(n, m) * m).sum()),
        "stable_rank": stable_rank(eigenvalues) if top > 0 else math.nan,
        "dropped": n - len(kept),
        "alpha_null": marchenko_pastur_alpha(n / m),
    }
    if len(kept) < FEWEST_EIGENVALUES or kept[0] == kept[-1]:
        numbers["note"] = (
            f"no alpha: {len(kept)} eigenvalues above rounding, at least {FEWEST_EIGENVALUES} "
            "are needed"
        )
        return numbers
    alpha = alpha_hill(kept).alpha
    numbers["alpha_hill"] = alpha
    numbers["alpha_excess"] = (alpha - 1) / (numbers["alpha_null"] - 1)
    numbers["alpha_hat"] = alpha * math.log10(top)
    if full:
        fit = fit_power_law(kept)
        numbers |= {"alpha_ks": fit.alpha, "ks_tail": fit.tail_size}
    return numbers


def _eigenvalues(W: torch.Tensor) -> NDArray[np.float64]:
    A = W.double()
    gram = A.T @ A if A.shape[0] >= A.shape[1] else A @ A.T
    values: NDArray[np.float64] = torch.linalg.eigvalsh(gram).clamp_min(0.0).numpy()
    return values


def _teacher(top: TopVectors, problem: SingleIndex) -> dict[str, float]:
    along = top.right.T @ problem.beta.double()
    return {
        "similarity": abs(float(along[0])),
        "subspace_similarity": float(torch.linalg.vector_norm(along)),
    }


def _readout(W: torch.Tensor, problem: SingleIndex, options: LabOptions) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for scale, ending in (("paper", ""), ("reference_code", "_reference")):
        if options.feature_scale in (scale, "both"):
            [found] = readout_losses(
                W, problem.probe, problem.test, ridge=options.ridge, feature_scale=scale
            )
            numbers |= {
                f"readout_train{ending}": found.train,
                f"readout_test{ending}": found.test,
            }
    return numbers


def _overlaps(
    update: torch.Tensor, before: TopVectors | None, after: TopVectors, block: int
) -> dict[str, float]:
    squares, moved = decompose(update, block)
    top = float(squares[-1])
    numbers = {
        "update_norm": math.sqrt(top),
        "update_stable_rank": stable_rank(squares) if top > 0 else math.nan,
    }
    for ending, vectors in (("_before", before), ("", after)):
        if vectors is not None:
            found = overlap(vectors, moved)
            numbers |= {
                f"overlap_left{ending}": found.left,
                f"overlap_right{ending}": found.right,
                f"block_left{ending}": found.left_block,
                f"block_right{ending}": found.right_block,
            }
    return numbers
