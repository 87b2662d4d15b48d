"""How torch runs: one thread for a while, where the work is small; several processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

#: Parameters x samples of a pass below which one thread is faster. From ``benchmarks/threads.py``
#: on two cores: below it a step took 3 to 27 times as long on two threads while other processes
#: ran; the smallest step that gained from the second thread, by a third, was one of 4.4e7.
SMALL_WORK = 3e7


@contextmanager
def single_thread(work: float = 0.0) -> Iterator[None]:
    """Let torch use one thread within the block if the work is small; restore the number after it.

    Operations on small tensors gain nothing from more threads, and on a busy machine they lose:
    threads that wait for each other spin. Sums are then also the same on every machine.

    Args:
        work: parameters x samples (x positions, where weights are shared over positions) of one
            pass; with ``SMALL_WORK`` or more the number of threads stays. By default always one.

    >>> import torch
    >>> with single_thread(1000 * 64):  # a network of 1000 parameters, batches of 64
    ...     torch.get_num_threads()
    1
    """
    import torch  # not at the top: this package does without torch otherwise

    before = torch.get_num_threads()
    if work < SMALL_WORK:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def is_first_process() -> bool:
    """Tell whether this process writes: rank 0 of a process group of torch, or the only one.

    >>> is_first_process()
    True
    """
    from torch import distributed

    together = distributed.is_available() and distributed.is_initialized()
    return not together or distributed.get_rank() == 0
