"""The loss around a model: curvature and landscape, with what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigenscape.landscape import HessianResult, Landscape, hessian, sample
from eigenscape.models import Objective
from eigenscape.runs import single_thread
from eigenscape.topology import suggested_threshold

if TYPE_CHECKING:
    from eigenscape.results import Result
    from eigenscape.runs import Engine, ProgressCallback

#: Samples along each direction: enough to see one basin or many, in a quarter of the time of 41.
_STEPS = 21
_TRACE_PROBES = 50


def look_around(
    objective: Objective,
    *,
    seed: int = 0,
    jobs: int | None = None,
    engine: Engine = "local",
    address: str | None = None,
    progress: ProgressCallback | None = None,
) -> tuple[dict[str, Result], str]:
    """Measure the Hessian and a plane of filter-normalised random directions.

    Args:
        objective: the loss around the model.
        seed: of directions and probes.
        jobs: points of the plane at once; see :func:`eigenscape.landscape.sample`.
        engine: see there.
        address: see there.
        progress: told as the plane is sampled.

    Returns:
        What was measured, by heading, and one sentence.
    """
    with single_thread(objective.space.count * objective.data.count):
        curvature = hessian(objective, n_eigenvalues=3, trace_probes=_TRACE_PROBES, seed=seed)
    plane = sample(
        objective,
        "random",
        steps=_STEPS,
        seed=seed,
        jobs=jobs,
        engine=engine,
        address=address,
        progress=progress,
    )
    results: dict[str, Result] = {
        "Curvature of the loss": curvature,
        "Landscape of the loss": plane,
    }
    return results, _sentence(curvature, plane)


def _sentence(curvature: HessianResult, plane: Landscape) -> str:
    tree = plane.merge_tree()
    threshold = suggested_threshold(tree, plane.noise)
    deep = tree.simplify(threshold).n_minima
    low = float(plane.values.min())
    gap = plane.loss_at_center - low
    place = (
        "the model is the lowest point"
        if gap <= threshold
        else f"a point of the plane lies {gap:.3g} below the model"
    )
    return (
        f"Around it (loss {curvature.loss:.4g} on {curvature.samples} samples): largest Hessian "
        f"eigenvalue {curvature.top_eigenvalues[0]:.4g}, trace {curvature.hessian_trace:.4g} ± "
        f"{curvature.trace_stderr:.2g}, gradient norm {curvature.gradient_norm:.2g}; in a random "
        f"filter-normalised plane {deep} {'minimum' if deep == 1 else 'minima'} deeper than "
        f"{threshold:.2g}, and {place}."
    )
