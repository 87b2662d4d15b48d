"""Two measurements that need the weights themselves: many ridges at once, and overlap maps."""

from __future__ import annotations

from typing import Any

from eigenscape.spectra import TopVectors, decompose
from eigenscape_studies.laboratory import LabOptions, SingleIndex, State, readout_losses, train


def ridge_task(settings: dict[str, Any], ridges: tuple[float, ...]) -> list[dict[str, float]]:
    """Train once and fit the read-out with each ridge, before and after."""
    options = LabOptions.from_dict(settings)
    problem = SingleIndex.draw(options)
    rows: list[dict[str, float]] = []

    def look(state: State) -> None:
        if state.step not in (0, options.steps):
            return
        losses = {
            scale: readout_losses(
                state.W, problem.probe, problem.test, ridge=ridges, feature_scale=scale
            )
            for scale in ("paper", "reference_code")
        }
        rows.extend(
            {
                "value": ridge,
                "step": state.step,
                "readout_test": losses["paper"][i].test,
                "readout_test_reference": losses["reference_code"][i].test,
            }
            for i, ridge in enumerate(ridges)
        )

    train(problem, options, look)
    return rows


def overlap_task(settings: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """Return the squared overlaps of the leading right vectors of W and of the next update."""
    options = LabOptions.from_dict(settings)
    maps: list[dict[str, Any]] = []
    before: TopVectors | None = None

    def look(state: State) -> None:
        nonlocal before
        if before is not None and state.update is not None:
            _, moved = decompose(state.update, size)
            squares = (before.right.T @ moved.right).square()
            rows = [[round(float(x), 4) for x in row] for row in squares]
            maps.append({"step": state.step, "rate": options.learning_rate, "squares": rows})
        _, before = decompose(state.W, size)

    train(SingleIndex.draw(options), options, look, updates=True)
    return maps
