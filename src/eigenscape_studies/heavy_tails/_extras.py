"""Two measurements that need the weights themselves: many ridges at once, and overlap maps."""

from __future__ import annotations

from typing import Any

import torch

from eigenscape.spectra import decompose
from eigenscape_studies.laboratory import LabOptions, draw_world, readout_losses, walk


def ridge_task(settings: dict[str, Any], ridges: tuple[float, ...]) -> list[dict[str, float]]:
    """Train once and fit the read-out with each ridge, before and after."""
    options = LabOptions.from_dict(settings)
    world = draw_world(options)
    rows = []
    with torch.no_grad():
        for state in walk(world, options):
            if state.step not in (0, options.steps):
                continue
            losses = {
                scale: readout_losses(
                    state.W, world.probe, world.test, ridge=ridges, feature_scale=scale
                )
                for scale in ("paper", "reference_code")
            }
            rows += [
                {
                    "value": ridge,
                    "step": state.step,
                    "readout_test": losses["paper"][i].test,
                    "readout_test_reference": losses["reference_code"][i].test,
                }
                for i, ridge in enumerate(ridges)
            ]
    return rows


def overlap_task(settings: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """Return the squared overlaps of the leading right vectors of W and of the next update."""
    options = LabOptions.from_dict(settings)
    maps: list[dict[str, Any]] = []
    before = None
    with torch.no_grad():
        for state in walk(draw_world(options), options, updates=True):
            if before is not None and state.update is not None:
                _, moved = decompose(state.update, size)
                squares = (before.right.T @ moved.right).square()
                rows = [[round(float(x), 4) for x in row] for row in squares]
                maps.append({"step": state.step, "rate": options.learning_rate, "squares": rows})
            _, before = decompose(state.W, size)
    return maps
