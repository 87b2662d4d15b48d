"""What holds for every test, wherever it stands (tests/, doctests in src/, docs/ and README.md).

One thread for each process: xdist already fills the cores, and threads that wait for each other
spin. The numbers are set before numpy or torch is imported, and every worker inherits them.

Every test finds the global random states at seed 0, whatever ran before it.

Property tests draw the same examples in every run. `pytest --hypothesis-profile=explore` draws new
ones, twenty times as many.
"""

import os
import random
from importlib.util import find_spec

import pytest
from hypothesis import settings

for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM"):
    os.environ[f"{name}_NUM_THREADS"] = "1"

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("explore", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("repeatable")


#: Pages whose examples need an extra, and those that train for more than a few seconds.
collect_ignore = [] if find_spec("gguf") else ["docs/gguf.md"]
SLOW_PAGES = ("gallery.md",)


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pages have no place for marks."""
    for item in items:
        if item.path.name in SLOW_PAGES:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def one_thread_for_torch() -> None:
    """Also for a torch that was imported before this file, or told otherwise by its user."""
    import torch

    torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """The same random numbers, in whatever order and process a test runs."""
    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - it is the global state that is meant
    torch.manual_seed(0)
