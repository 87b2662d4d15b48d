"""What two paths between two models say in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigenscape.landscape.paths._path_metrics import path_barrier
from eigenscape.results import Finding

if TYPE_CHECKING:
    from eigenscape.landscape.paths._path_result import PathResult


def path_answer(result: PathResult) -> str:
    """Return the barriers of both paths in one sentence."""
    return (
        f"From the first model to the second, the training {result.error_name} rises by "
        f"{result.line_barrier:.3g} above its ends along the straight line and by "
        f"{result.barrier:.3g} along the trained curve; mode connectivity "
        f"{result.mode_connectivity:.3g}, at {len(result.t)} points of each path."
    )


def path_findings(result: PathResult) -> tuple[Finding, ...]:
    """Return what was measured, and how the sign of the connectivity is read."""
    found = (_no_better(result), _test(result), _above(result))
    return tuple(one for one in found if one is not None)


def _no_better(result: PathResult) -> Finding | None:
    if not 0 < result.line_barrier <= result.barrier:
        return None
    return Finding(
        text=f"The curve of {result.options.epochs} epochs is no better than the straight line.",
        basis="measurement",
        todo="Train the bend for more epochs, of both models that are compared (a guess: more were "
        "not tried)",
    )


def _test(result: PathResult) -> Finding | None:
    if not (result.curve.test_error and result.line.test_error):
        return None
    line, curve = map(path_barrier, (result.line.test_error, result.curve.test_error))
    return Finding(
        text=f"On the test data the error rises by {line:.3g} along the line and by {curve:.3g} "
        "along the curve.",
        basis="measurement",
    )


def _above(result: PathResult) -> Finding | None:
    if not result.mode_connectivity > 0:
        return None
    ends = (result.curve.train_error[0], result.curve.train_error[-1])
    if min(result.curve.train_error) >= min(ends):
        return None
    return Finding(
        text=f"The curve comes down to {min(result.curve.train_error):.3g}, below both ends "
        f"({ends[0]:.3g} and {ends[1]:.3g}); Yang et al. (2021) read this as ends that have not "
        "converged.",
        basis="description",
    )
