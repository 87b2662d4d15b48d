"""One thread for torch, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread within the block, and as many as before afterwards.

    Many small tensors gain nothing from more threads, and on a busy machine they lose: threads that
    wait for each other spin.

    >>> import torch
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    import torch  # not at the top: this room does without torch otherwise

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
