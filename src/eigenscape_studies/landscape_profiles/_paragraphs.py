"""The study in plain words, computed from the measurements."""

from __future__ import annotations

from eigenscape_studies.landscape_profiles._numbers import Numbers


def paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return heading to text."""
    low, high = numbers.transition
    minima = numbers.by(numbers.frame("convection", dim=2), "beta", "significant_full")
    easy, hard = min(minima), max(minima)
    final = numbers.frame("unet", last=True)
    iou, depth = numbers.by(final, "rate", "iou"), numbers.by(final, "rate", "depth")
    best = max(iou, key=lambda rate: iou[rate].mean)
    deepest = max(depth, key=lambda rate: depth[rate].mean)
    return {
        "What profiles show of PINNs": (
            f"At beta {easy:g} a network has {minima[easy].mean:.1f} minima that are deeper than a "
            f"thousandth of the range, at beta {hard:g} {minima[hard].mean:.1f} (means over seeds, "
            f"2-D). Most networks succeed up to beta {low:g} and fail from {high:g}."
        ),
        "What they show of a U-Net": (
            f"The best learning rate is {best:g} (IoU {iou[best].words(2)}); the deepest basin is "
            f"that of {deepest:g} ({depth[deepest].mean:.3g} against {depth[best].mean:.3g} at the "
            "best)."
        ),
        "How to read a profile": (
            "The width of a basin at a height is the exact share of samples in that basin with a "
            "smaller loss, so area means volume of parameter space in the sampled cube; the cube "
            "has the stated half-width in units of the norm of the parameters. A profile says "
            "nothing about where a basin lies, and counts of minima depend on spacing and on "
            "which samples are neighbours."
        ),
    }
