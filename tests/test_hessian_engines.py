"""The curvature is the same whether its parts are measured in one process or in several."""

import pytest
import torch
from torch import nn

from eigenscape.errors import InputError, TaskError
from eigenscape.landscape import hessian
from eigenscape.models import Objective


def objective():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    return Objective(
        model, nn.functional.cross_entropy, (torch.randn(24, 6).double(), torch.arange(24) % 3)
    )


def figures(result):
    return (
        result.top_eigenvalues,
        result.residuals,
        result.hessian_trace,
        result.trace_stderr,
        result.groups,
        result.density,
        result.products,
        result.trace_probes,
        result.trace_method,
    )


@pytest.mark.parametrize(
    "options",
    [
        {"trace_probes": 25, "density": True},
        {"trace_probes": 30, "trace_method": "hutch++", "groups": "block"},
        {"trace_probes": 1000, "ends": "both", "matrix": "ggn", "groups": None},
    ],
    ids=["hutchinson", "hutch++", "exact"],
)
def test_parts_in_tasks_give_the_same_figures(options):
    found = objective()
    alone, beside = (
        hessian(found, n_eigenvalues=2, jobs=jobs, engine="threads", **options) for jobs in (1, 2)
    )
    assert figures(alone) == figures(beside)


@pytest.mark.slow
def test_processes_give_the_same_figures_and_progress_is_told():
    told = []
    found = objective()
    beside = hessian(
        found, n_eigenvalues=1, trace_probes=25, density=True, jobs=2, progress=told.append
    )
    alone = hessian(found, n_eigenvalues=1, trace_probes=25, density=True)
    assert figures(alone) == figures(beside)
    assert (told[0].done, told[-1].done, told[-1].total) == (0, 8, 8)


def test_what_is_wrong_is_said_before_any_process_is_started():
    with pytest.raises(InputError, match="probes is 1"):
        hessian(objective(), trace_probes=1, jobs=2)
    with pytest.raises(TaskError, match="eigenvalues: InputError: n_eigenvalues is 500"):
        hessian(objective(), n_eigenvalues=500, jobs=2, engine="threads")
