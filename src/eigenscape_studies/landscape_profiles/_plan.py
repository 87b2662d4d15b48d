"""Which networks the study trains and examines, at which size."""

from __future__ import annotations

from dataclasses import dataclass

from eigenscape_studies import Plan

#: The speeds around the transition from success to failure, where most seeds are run.
BETAS = (1.0, 5.0, 10.0, 14.0, 20.0, 30.0)


@dataclass(frozen=True, kw_only=True)
class ProfilesPlan(Plan):
    """Sizes of a scale; each speed and each learning rate has a network of every seed.

    Args:
        betas: speeds of the convection problem.
        steps: dimension to samples along each direction (41 in the paper).
        deep_betas: speeds examined in 3 and 4 dimensions, too.
        rates: learning rates of the segmentation network.
        epochs: of its training.
        unet_steps: samples along each direction around it.
        pictures: that the segmentation network is trained and tested on.
        iterations: of the PINNs' L-BFGS, at most.
    """

    betas: tuple[float, ...] = BETAS
    steps: dict[int, int]
    deep_betas: tuple[float, ...]
    rates: tuple[float, ...]
    epochs: int
    unet_steps: int
    pictures: int = 320
    iterations: int = 2500


#: "small" takes minutes on two cores; "full" has the paper's 41 samples in 2-D and 3-D.
PLANS = {
    "small": ProfilesPlan(
        seeds=tuple(range(3)),
        steps={2: 41, 3: 15, 4: 9},
        deep_betas=(1.0, 10.0, 30.0),
        rates=(1e-4, 1e-3, 1e-2),
        epochs=12,
        unet_steps=21,
    ),
    "full": ProfilesPlan(
        seeds=tuple(range(6)),
        steps={2: 41, 3: 41, 4: 17},
        deep_betas=BETAS,
        rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        epochs=30,
        unet_steps=41,
    ),
}
