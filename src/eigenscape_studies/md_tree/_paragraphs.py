"""The findings in plain words."""

from __future__ import annotations

from eigenscape_studies.md_tree._numbers import ALL, EXACT, PAPER, Numbers


def make_paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return heading to text."""
    case = "temperature, few"
    zero = numbers.words(case, 8, "zero-shot constants")
    random = numbers.rows["constants"][0]
    margins = numbers.rows["margin"]
    small, large = margins[0], margins[-2]
    return {
        "In one sentence": (
            f"Fitted to 96 configurations (520 networks and 104 curves, since each configuration "
            f"is five networks and a curve), the tree is right for {numbers.words(case, 8, PAPER)} "
            f"% of 1,560 networks trained on noisy labels; a tree on validation metrics for "
            f"{numbers.words(case, 8, 'validation')} %, as published."
        ),
        "What the headline hides": (
            f"The centre of the paper's search box, with no data at all, is right for {zero} %. A "
            f"fit to 12 configurations is right for {numbers.words(case, 1, PAPER)} % with the "
            f"paper's one-pass search and for {numbers.words(case, 1, EXACT)} % with the exact "
            f"one; to all 1,560, for {numbers.words(*ALL, PAPER)} and "
            f"{numbers.words(*ALL, EXACT)} %. "
            f"Random thresholds in the box: median {random['median']:.1f} %, 5 to 95 % of draws "
            f"{random['p5']:.1f} to {random['p95']:.1f} %."
        ),
        "Where it errs": (
            f"Where less than half a point of accuracy is at stake it is right for "
            f"{100 * small['right'] / small['n']:.0f} % (n = {small['n']}); between 4 and 8 points "
            f"for {100 * large['right'] / large['n']:.0f} % (n = {large['n']})."
        ),
    }
