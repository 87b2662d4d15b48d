"""The loss around a model: curvature and landscape, with a summary."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from eigenscape.errors import EigenscapeError
from eigenscape.landscape import HessianResult, Landscape, hessian, sample
from eigenscape.models import Objective
from eigenscape.results import Finding
from eigenscape.runs import single_thread
from eigenscape.topology import suggested_threshold

if TYPE_CHECKING:
    from eigenscape.results import Result
    from eigenscape.runs import Engine, ProgressCallback

#: Samples along each direction: enough to see one basin or many, in a quarter of the time of 41.
_STEPS = 21
_TRACE_PROBES = 50
#: What to do about an examination that failed.
AGAIN = "Correct what it names, and run the check-up again"
_FoundT = TypeVar("_FoundT")


def look_around(
    objective: Objective,
    *,
    seed: int = 0,
    jobs: int | None = None,
    engine: Engine = "local",
    address: str | None = None,
    progress: ProgressCallback | None = None,
) -> tuple[dict[str, Result], tuple[Finding, ...]]:
    """Measure the Hessian and a plane of filter-normalised random directions.

    Args:
        objective: the loss around the model.
        seed: of directions and probes.
        jobs: points of the plane at once; see :func:`eigenscape.landscape.sample`.
        engine: see there.
        address: see there.
        progress: called while the plane is sampled.

    Returns:
        What was measured, by heading, and the findings: what was found, and of each of the two
        that failed its name and the reason.
    """
    few = min(3, objective.space.count)

    def curve() -> HessianResult:
        with single_thread(objective.space.count * objective.data.count):
            return hessian(objective, n_eigenvalues=few, trace_probes=_TRACE_PROBES, seed=seed)

    def plain() -> Landscape:
        return sample(
            objective,
            "random",
            steps=_STEPS,
            seed=seed,
            jobs=jobs,
            engine=engine,
            address=address,
            progress=progress,
        )

    curvature, why_not = attempted("curvature of the loss", curve)
    plane, nor = attempted("landscape of the loss", plain)
    measured = {"Curvature of the loss": curvature, "Landscape of the loss": plane}
    results: dict[str, Result] = {name: one for name, one in measured.items() if one is not None}
    parts = [_of_curvature(curvature)] if curvature else []
    parts += [_of_plane(plane)] if plane else []
    place = f"loss {objective.loss_at_center:.4g} on {round(objective.data.count)} samples"
    text = f"Around it ({place}): {'; '.join(parts)}."
    said = (Finding(text=text, basis="measurement"),) if parts else ()
    return results, (*said, *why_not, *nor)


def attempted(
    name: str, examine: Callable[[], _FoundT]
) -> tuple[_FoundT | None, tuple[Finding, ...]]:
    """Return what an examination found, or None and a finding with the reason.

    The model, the loss and the data are the user's: whatever they raise, the rest stays.
    """
    try:
        return examine(), ()
    except Exception as error:
        kind = "" if isinstance(error, EigenscapeError) else f"{type(error).__name__}: "
        said = " ".join(str(error).split()).rstrip(".")
        text = f"Not examined: the {name}, because of: {kind}{said}."
        return None, (Finding(text=text, basis="measurement", todo=AGAIN),)


def _of_curvature(curvature: HessianResult) -> str:
    return (
        f"largest Hessian eigenvalue {curvature.top_eigenvalues[0]:.4g}, trace "
        f"{curvature.hessian_trace:.4g} ± {curvature.trace_stderr:.2g}, gradient norm "
        f"{curvature.gradient_norm:.2g}"
    )


def _of_plane(plane: Landscape) -> str:
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
        f"in a random filter-normalised plane {deep} {'minimum' if deep == 1 else 'minima'} "
        f"deeper than {threshold:.2g}, and {place}"
    )
