"""Fitting an MD tree: time of the two searches, next to CART trees on the same rows.

    EIGENSCAPE_DATA=FOLDER python benchmarks/diagnosis.py

FOLDER holds ``md_tree/dataframe_normal_public.csv`` (github.com/YefanZhou/ModelDiagnosis).
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from pathlib import Path

from eigenscape.diagnosis import (
    MDTree,
    Population,
    fit_baseline,
    get_shape,
    read_population,
    sample_cells,
)
from eigenscape.diagnosis._exact_search import exact_search
from eigenscape.diagnosis._paper_search import paper_search

REPEATS = 7
SIZES = {"temperature": (1, 8, 24, 130), "width": (1, 10), "data": (1, 13)}


def timed(function) -> str:
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return f"{statistics.median(times):8.2f} [{min(times):.2f}, {max(times):.2f}]"


def one(population: Population, question: str, cells: int) -> None:
    part = population.select(sample_cells(population, question, cells, 42))
    labels = part.labels(question)
    part, labels = part.select(labels != "optimal"), labels[labels != "optimal"]
    shape = get_shape(question)
    values = part.features(shape.features)
    print(f"{question}, {len(part)} configurations")
    print(f"  paper search    {timed(lambda: paper_search(shape, values, labels))}")
    print(f"  exact search    {timed(lambda: exact_search(shape, values, labels))}")
    print(f"  whole fit       {timed(lambda: MDTree.fit(part, question=question))}")
    for name in ("validation", "free landscape"):
        taken = timed(lambda n=name: fit_baseline(n, part, labels, part, question, 0))
        print(f"  CART {name:<14} {taken}")


def main() -> int:
    folder = os.environ.get("EIGENSCAPE_DATA")
    if not folder:
        print("set EIGENSCAPE_DATA to the folder that holds md_tree/", file=sys.stderr)
        return 2
    path = Path(folder) / "md_tree" / "dataframe_normal_public.csv"
    print(f"{platform.machine()}, {os.cpu_count()} cores; ms, median [min, max] of {REPEATS}")
    print(f"read and label  {timed(lambda: read_population(path))}")
    population = read_population(path)
    for question, sizes in SIZES.items():
        for cells in sizes:
            one(population, question, cells)
    return 0


if __name__ == "__main__":
    sys.exit(main())
