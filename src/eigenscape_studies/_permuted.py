"""A control for trees: permuted metrics."""

from __future__ import annotations

import numpy as np

from eigenscape.diagnosis import MDTree, Population, scores


def permuted_scores(
    part: Population, test: Population, question: str, seed: int
) -> dict[str, float]:
    """Score a tree whose training metrics were permuted among the configurations.

    Args:
        part: what is fitted to; its labels stay.
        test: what is diagnosed.
        question: of the tree.
        seed: of the permutation.
    """
    table = part.table.copy()
    order = np.random.default_rng(seed).permutation(len(table))
    metrics = list(part.metrics)
    table[metrics] = table[metrics].to_numpy()[order]
    tree = MDTree.fit(part.with_table(table), question=question, search="exact")
    labels = test.labels(question)
    rows = labels != "optimal"
    return scores(tree.predict(test.select(rows)), labels[rows])
