"""What can be wrong with a grid of losses: one function for each check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from eigenscape.topology._check_zigzag import find_zigzag, unzigzag
from eigenscape.topology._graph import countable
from eigenscape.topology._grid import measured, precision
from eigenscape.topology._merge import merge_tree

FloatArray = NDArray[np.float64]
Evidence = dict[str, float | int | str]

#: Class counts whose chance-level cross-entropy ln K is looked for.
CLASSES = (2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 37, 50, 100, 101, 200, 257, 365, 1000, 10_000, 50_257)
#: All losses within this fraction of ln K is a plateau at chance level.
CHANCE_BAND = 0.01
#: Pairs that persist no longer than this many units in the last place are rounding.
ULPS = 8


@dataclass(frozen=True)
class Suspicion:
    """One possible fault, with the evidence for it.

    Args:
        name: the kind of finding.
        severity: "fault" (counts on this grid mislead) or "note" (worth knowing, no fault).
        sentence: what was found.
        remedy: what to do about it.
        evidence: the numbers behind it.
    """

    name: str
    severity: str
    sentence: str
    remedy: str
    evidence: Evidence = field(default_factory=dict)


def not_finite(values: FloatArray) -> Suspicion | None:
    """Count NaN and infinite samples, and the connected patches that they form."""
    from scipy.ndimage import generate_binary_structure, label

    bad = ~np.isfinite(values)
    count = int(bad.sum())
    if not count:
        return None
    patches = int(label(bad, generate_binary_structure(values.ndim, values.ndim))[1])
    return Suspicion(
        "not-finite",
        "fault",
        f"{count} of {values.size} samples are NaN or infinite, in {patches} patch(es)",
        "sample a smaller neighbourhood, or in float64; the tree puts them above all others",
        {"samples": count, "share": count / values.size, "patches": patches},
    )


def constant(values: FloatArray) -> Suspicion | None:
    """Find a grid without any variation."""
    finite = values[np.isfinite(values)]
    if finite.min() != finite.max():
        return None
    return Suspicion(
        "constant",
        "fault",
        f"all {finite.size} finite samples equal {finite[0]:.6g}",
        "check that the directions are not zero and that the perturbed weights reach the model",
        {"value": float(finite[0])},
    )


def duplicated(values: FloatArray) -> list[Suspicion]:
    """Find neighbouring slices that are equal to the last bit."""
    finite = values[np.isfinite(values)]
    found = []
    for axis, size in enumerate(values.shape):
        if values.ndim < 2 or size < 2 or finite.min() == finite.max():
            continue
        rows = np.moveaxis(values, axis, 0).reshape(size, -1)
        same = sum(
            bool(np.isfinite(a).any()) and np.array_equal(a, b, equal_nan=True)
            for a, b in pairwise(rows)
        )
        if same:
            whole = same == size - 1
            found.append(
                Suspicion(
                    "duplicated-rows",
                    "fault",
                    f"the loss does not change along axis {axis}"
                    if whole
                    else f"{same} of {size} slices across axis {axis} equal the one before",
                    "check that the direction is not zero and that its step is large enough for "
                    "the floating-point type",
                    {"axis": axis, "slices": same, "of": size},
                )
            )
    return found


def zigzag(values: FloatArray) -> Suspicion | None:
    """Find rows that a zig-zag sampler shifted; count minima before and after moving back."""
    hit = find_zigzag(values)
    if hit is None:
        return None
    repaired = unzigzag(values, hit.axis, hit.shift, rows=hit.rows)
    names = countable(np.ndim(values))
    before = {c: merge_tree(measured(values), c).n_minima for c in names}
    after = {c: merge_tree(measured(repaired), c).n_minima for c in names}
    return Suspicion(
        "zig-zag",
        "fault",
        f"every second row across axis {hit.rows} lies one step off along axis {hit.axis}: moved "
        f"back, the grid is {hit.drop:.3g} times smoother across rows; minima "
        + ", ".join(f"{before[c]} -> {after[c]} ({c})" for c in names),
        f"sample again without the zig-zag, or unzigzag(values, axis={hit.axis}, "
        f"shift={hit.shift}, rows={hit.rows})",
        {
            "rows": hit.rows,
            "axis": hit.axis,
            "shift": hit.shift,
            "drop": hit.drop,
            "roughness": hit.roughness,
            "roughness_repaired": hit.repaired,
            **{f"minima_{c}": before[c] for c in names},
            **{f"minima_repaired_{c}": after[c] for c in names},
        },
    )


def noise_floor(values: FloatArray) -> Suspicion | None:
    """Count the minima that are no deeper than rounding.

    The unit is that of the type which holds the values exactly, and never finer than float32:
    networks compute in it, whatever the file says.
    """
    tree = merge_tree(measured(values), "full")
    kind = precision(values)
    unit = np.float16 if kind == "float16" else np.float32
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.maximum(np.abs(tree.births), np.abs(tree.deaths)).astype(unit)
        ulp = np.spacing(size).astype(np.float64)
        shallow = int((tree.persistence <= ULPS * ulp).sum())
    if not shallow:
        return None
    left, name = tree.n_minima - shallow, np.dtype(unit).name
    return Suspicion(
        "noise-floor",
        "note" if kind == "float64" else "fault",
        f"{shallow} of {tree.n_minima} minima are no deeper than {ULPS} {name} rounding steps "
        f"(about {ULPS * float(np.median(ulp)):.2g}); {left} are left above",
        "count minima after --simplify "
        f"{ULPS * float(ulp[np.isfinite(ulp)].max(initial=0.0)):.1e}, or evaluate in float64"
        + (" (in which case these may be real)" if kind == "float64" else ""),
        {
            "minima": tree.n_minima,
            "above": left,
            "ulps": ULPS,
            "type": name,
            "stored_as": kind,
            "floor": ULPS * float(np.median(ulp)),
        },
    )


def chance_level(values: FloatArray) -> Suspicion | None:
    """Find a classification loss that never leaves chance level."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    classes = min(CLASSES, key=lambda k: abs(2 * math.log(k) - low - high))
    level = math.log(classes)
    if max(abs(low - level), abs(high - level)) > CHANCE_BAND * level or low == high:
        return None
    return Suspicion(
        "chance-level",
        "fault",
        f"all losses lie between {low:.5g} and {high:.5g}: that is guessing among "
        f"{classes} classes (ln {classes} = {level:.5g})",
        "check that the trained weights were loaded, the labels and the preprocessing",
        {"classes": classes, "level": level, "low": low, "high": high},
    )


def axes_fit(values: FloatArray, axes: Sequence[FloatArray]) -> Suspicion | None:
    """Compare the numbers of coordinates with the shape of the values."""
    lengths = tuple(map(len, axes))
    if lengths == values.shape:
        return None
    told = f"coordinates {'×'.join(map(str, lengths))}, values {'×'.join(map(str, values.shape))}"
    if sorted(lengths) == sorted(values.shape):
        return Suspicion(
            "swapped-axes",
            "fault",
            f"the axes are swapped: {told}",
            "transpose the values (numpy.transpose), or swap the coordinates",
            {"coordinates": str(lengths), "values": str(values.shape)},
        )
    return Suspicion(
        "axes-mismatch",
        "fault",
        f"the coordinates do not belong to the values: {told}",
        "write coordinates and values together again",
        {"coordinates": str(lengths), "values": str(values.shape)},
    )


def spacing(axes: Sequence[FloatArray]) -> list[Suspicion]:
    """Find coordinates that do not rise in equal steps, and axes of very different extent."""
    found = []
    for k, axis in enumerate(axes):
        steps = np.diff(axis)
        even = len(axis) < 3 or np.allclose(steps, steps.mean(), rtol=1e-3, atol=0.0)
        if not np.isfinite(axis).all() or (steps == 0).any() or not even:
            found.append(
                Suspicion(
                    "uneven-axis",
                    "note",
                    f"the coordinates of axis {k} do not go in equal steps "
                    f"({np.min(np.abs(steps)):.3g} to {np.max(np.abs(steps)):.3g})",
                    "count minima, but read no fraction of samples as an area",
                    {
                        "axis": k,
                        "least": float(np.min(np.abs(steps))),
                        "largest": float(np.max(np.abs(steps))),
                    },
                )
            )
    extents = [float(np.ptp(axis)) for axis in axes]
    if len(extents) > 1 and min(extents) > 0 and max(extents) > 10 * min(extents):
        found.append(
            Suspicion(
                "unequal-extents",
                "note",
                f"the axes span {', '.join(f'{e:.3g}' for e in extents)}: over a factor of ten",
                "check the scale of the directions, or that coordinates were not swapped",
                {f"extent_{k}": e for k, e in enumerate(extents)},
            )
        )
    return found


def centre(values: FloatArray, axes: Sequence[FloatArray] | None) -> list[Suspicion]:
    """Check whether the trained model is a sample, and whether the lowest loss is near it."""
    found = []
    if axes is not None:
        found += [hit for k, axis in enumerate(axes) if (hit := _zero(k, axis))]
    else:
        even = [k for k, size in enumerate(values.shape) if size % 2 == 0]
        if even:
            found.append(
                Suspicion(
                    "even-steps",
                    "note",
                    f"axis {', '.join(map(str, even))} has an even number of samples: no sample "
                    "lies in the middle, so the trained model itself is not on a symmetric grid",
                    "sample an odd number of steps",
                    {"axes": str(tuple(even))},
                )
            )
    place = np.unravel_index(
        int(np.argmin(np.where(np.isfinite(values), values, np.inf))), values.shape
    )
    half = [(size - 1) / 2 for size in values.shape]
    away = max(abs(p - h) / h for p, h in zip(place, half, strict=True) if h > 0)
    if away >= 0.5:
        border = any(p in (0, size - 1) for p, size in zip(place, values.shape, strict=True))
        spot = tuple(map(int, place))
        found.append(
            Suspicion(
                "off-centre-minimum",
                "note",
                f"the lowest loss is at index {spot}, {away:.0%} of the way to the border"
                + (": on it, so the minimum may lie outside" if border else ""),
                "if the grid should be centred on a trained model: check where its centre is",
                {"index": str(spot), "away": away},
            )
        )
    return found


def _zero(k: int, axis: FloatArray) -> Suspicion | None:
    step = float(np.median(np.abs(np.diff(axis)))) or 1.0
    nearest = float(np.abs(axis).min())
    low, high = float(axis.min()), float(axis.max())
    outside = low > 0 or high < 0
    lopsided = abs(low + high) / step
    if nearest <= 1e-6 * step and lopsided <= 0.5:
        return None
    if nearest > 1e-6 * step:
        sentence = f"no sample of axis {k} has the coordinate 0: the nearest is {nearest:.3g} away"
    else:
        sentence = f"axis {k} runs from {low:.4g} to {high:.4g}: not the same on both sides of 0"
    return Suspicion(
        "off-centre",
        "fault" if outside else "note",
        sentence + ("; 0 is not even inside" if outside else ""),
        "sample an odd number of steps, symmetric around the trained model",
        {"axis": k, "nearest": nearest, "low": low, "high": high, "steps_off": lopsided / 2},
    )
