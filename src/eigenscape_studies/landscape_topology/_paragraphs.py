"""The study in plain words, computed from the measurements."""

from __future__ import annotations

from eigenscape_studies.landscape_topology._numbers import METRICS, QUOTED, Numbers


def paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return heading to text."""
    return {
        "What topology says about PINNs": _pinns(numbers),
        "What it says about shortcuts": _shortcuts(numbers),
        "How far a count can be trusted": _trust(numbers),
    }


def _pinns(numbers: Numbers) -> str:
    minima = numbers.by_beta(f"minima_{QUOTED}")
    error = numbers.by_beta("relative_l2")
    easy, hard = min(minima), max(minima)
    ranked = {name: numbers.against("relative_l2", metric) for metric, name in METRICS.items()}
    known = {name: found for name, found in ranked.items() if found.rho == found.rho}
    best = max(known, key=lambda name: abs(known[name].rho))
    return (
        f"From beta {easy:g} to {hard:g} the relative error goes from {error[easy].mean:.3f} to "
        f"{error[hard].mean:.2f} and the mean number of minima in the plane of the top two Hessian "
        f"eigenvectors from {minima[easy].mean:.1f} to {minima[hard].mean:.1f}. Of the metrics "
        f"here, {best} follows the error most closely ({known[best].words()}); the largest "
        f"eigenvalue: {ranked['largest eigenvalue'].words()}."
    )


def _shortcuts(numbers: Numbers) -> str:
    accuracy, saddles = numbers.means("accuracy"), numbers.means(f"saddles_{QUOTED}")
    gap = numbers.paired(f"saddles_{QUOTED}")
    plain = (
        "a difference" if gap.low > 0 or gap.high < 0 else "a difference that is not significant"
    )
    return (
        f"Residual networks read {accuracy[0]:.1%} of the held-out digits, plain ones "
        f"{accuracy[1]:.1%}. Their landscapes have {saddles[0]:.1f} and {saddles[1]:.1f} saddles "
        f"on average: {plain} ({gap.words(1)} more in plain ones)."
    )


def _trust(numbers: Numbers) -> str:
    table = numbers.pinns
    cross, full = table["minima_cross"].sum(), table["minima_full"].sum()
    kept = table["significant_full"].sum()
    return (
        f"The count depends on which samples are neighbours: over all PINNs here {cross} minima "
        f"with the 4 axis neighbours, {table[f'minima_{QUOTED}'].sum()} with the 6 of the "
        f"Freudenthal triangulation, {full} with all 8; {kept} of the last are deeper than a "
        "thousandth of the range of the loss. It also depends on the half-width of the plane "
        "(here a tenth of the norm of the parameters). Counts can be compared only where all of "
        "these are the same."
    )
