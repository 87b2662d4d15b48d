"""What it costs to start: python benchmarks/start.py"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def seconds(*words: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    helps = [seconds("-m", "eigenscape", "--help") for _ in range(9)]
    print(f"eigenscape --help: {statistics.median(helps):.2f} s, at most {max(helps):.2f} s (of 9)")
    pairs = [
        seconds("-c", "import torch, eigenscape") - seconds("-c", "import torch") for _ in range(7)
    ]
    print(f"import eigenscape, beyond torch: {statistics.median(pairs):+.2f} s (median of 7 pairs)")


if __name__ == "__main__":
    main()
