"""One small example of every result class of the library, by class name."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import torch
from torch import nn

import eigenscape
import eigenscape_studies
from eigenscape.ablation import AblationResult, ablate
from eigenscape.adapters import rank_pattern
from eigenscape.allocation import allocate
from eigenscape.balancing import BalancingTrace
from eigenscape.balancing._trace import TraceRow
from eigenscape.checkup import CheckupResult
from eigenscape.diagnosis import (
    Diagnosis,
    EvaluationResult,
    MDTree,
    Measurement,
    Population,
    Prescription,
    diagnose,
    evaluate,
    fingerprint_of,
    prescribe,
)
from eigenscape.landscape import CurveOptions, HessianResult, Landscape, PathResult
from eigenscape.landscape.curvature._density import SpectralDensity
from eigenscape.landscape.curvature._trace import GroupTrace
from eigenscape.landscape.paths._path_result import PathValues
from eigenscape.models import Objective, Perplexity
from eigenscape.pruning import prune
from eigenscape.results import Environment, Finding, Result
from eigenscape.spectra import (
    ComparisonResult,
    MeasuredWith,
    Placement,
    Reference,
    ReferenceModel,
    SpectraOptions,
    SpectraResult,
    analyze,
    compare,
)
from eigenscape.topology import GridReport, TopologyResult, check_grid, examine_topology
from eigenscape_studies import StudyResult
from eigenscape_studies.laboratory import LabOptions, LabResult, run_experiment

STAMP = Environment.capture(seed=0)


def all_results() -> list[type[Result]]:
    """Return every result class of the two packages that has a schema."""
    for package in (eigenscape, eigenscape_studies):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return [kind for kind in _below(Result) if kind.__module__.startswith("eigenscape")]


def _below(kind: type) -> Iterator[type[Result]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


# ------------------------------------------------------------------ topology and landscape


def topology() -> TopologyResult:
    values = np.random.default_rng(0).random((7, 6))
    values[0, 0] = np.nan
    return examine_topology(values, simplify=0.05)


def grid_report() -> GridReport:
    values = np.random.default_rng(0).random((7, 6))
    values[:, 1] = np.inf
    values[2, 2] = np.nan
    return check_grid(values)


def landscape() -> Landscape:
    values = np.add.outer(np.linspace(-1, 1, 5) ** 2, np.linspace(-1, 1, 5) ** 4)
    values[0, 0] = np.inf
    return Landscape(
        environment=STAMP,
        model="Net",
        values=values,
        coordinates=(np.linspace(-1, 1, 5), np.linspace(-1, 1, 5)),
        names=("one", "two"),
        kind="random",
        normalization="filter",
        unit="direction",
        norms=(1.0, 2.0),
        gram=((1.0, 0.1), (0.1, 1.0)),
        rayleigh=None,
        parameters=10,
        samples=4,
        data_hash="ab",
        batch_norm="frozen",
        dtype="torch.float32",
        loss_at_center=0.0,
        noise=1e-7,
        seconds=0.1,
        evaluations=25,
        notes=("a note",),
    )


def hessian() -> HessianResult:
    density = SpectralDensity(
        nodes=((0.0, 1.0, 2.0), (0.5, 2.0)),
        weights=((0.2, 0.3, 0.5), (0.5, 0.5)),
        parameters=5,
        width=0.1,
        products=6,
    )
    return HessianResult(
        environment=STAMP,
        matrix="hessian",
        model="Net",
        parameters=5,
        samples=3,
        data_hash="ab",
        loss=0.5,
        gradient_norm=math.nan,
        top_eigenvalues=(2.0, 1.0),
        residuals=(1e-6, 1e-7),
        smallest_eigenvalues=(-0.1,),
        smallest_residuals=(1e-5,),
        tolerance=1e-3,
        hessian_trace=3.0,
        trace_stderr=0.2,
        trace_probes=10,
        trace_method="hutchinson",
        groups=(GroupTrace(name="fc", parameters=5, value=3.0, standard_error=0.2),),
        density=density,
        products=20,
        seconds=0.1,
    )


def path() -> PathResult:
    along = PathValues((1.0, 0.5, 1.0), (10.0, 20.0, 10.0), (1.0, 2.0, 1.0), (10.0, 30.0, 10.0))
    return PathResult(
        environment=STAMP,
        options=CurveOptions(points=3),
        t=(0.0, 0.5, 1.0),
        curve=along,
        line=PathValues(along.train_loss, along.train_error),
        error_name="error (%)",
        training_loss=(2.0, 1.0),
        distance=3.0,
        samples=4,
        data_hash="ab",
        bend=torch.zeros(3),
    )


# ------------------------------------------------------------------ diagnosis


@lru_cache(maxsize=1)
def population() -> Population:
    rng = np.random.default_rng(0)
    rows = [
        {
            "width": width,
            "data": data,
            "lr": rate,
            "bs": 64.0,
            "test_acc": 70 - 9 * abs(math.log10(rate) + 1) + math.log(width * data),
            "test_acc_sd": 0.3,
            "train_error": max(0.0, 8 - 8 * (math.log10(rate) + 2)),
            "mode_connectivity_peak": -20 / width - rng.random(),
            "mode_connectivity": math.nan,
            "train_loss": 0.5,
            "test_loss": 1.0,
            "test_error": 30.0,
            "hessian_t": 8 - 2 * math.log10(rate) + rng.random(),
            "CKA": 0.5,
        }
        for width in (2, 8, 32)
        for data in (100, 400)
        for rate in (0.01, 0.03, 0.1, 0.3, 1.0)
    ]
    protocol = {"classes": 10, "curve_rate": 0.02, "hessian": "mean", "refreshed": True}
    fingerprint = fingerprint_of(
        [nn.Linear(3, 2), nn.Linear(3, 4)], torch.eye(3), classes=2, loss="cross-entropy"
    )
    return Population.from_rows(rows, protocol=protocol, name="small", fingerprint=fingerprint)


MODEL = {"train_error": 4.0, "mode_connectivity_peak": -6.0, "hessian_t": 4.5, "CKA": 0.5}


def md_tree() -> MDTree:
    return MDTree.fit(population())


def diagnosis() -> Diagnosis:
    return diagnose(md_tree(), MODEL)


def prescription() -> Prescription:
    return prescribe(population(), MODEL)


def evaluation() -> EvaluationResult:
    return evaluate(population(), population(), seeds=(1, 2), cells=4, baselines=("validation",))


def measurement() -> Measurement:
    return Measurement(
        environment=STAMP,
        metrics={"train_error": 1.0, "hessian_t": math.nan},
        protocol={"classes": 2, "curve": "quadratic", "rate": 0.1},
        networks=2,
        trace_error=math.nan,
        curve=(1.0, 2.0, 1.0),
        sizes={"data_amount": 8.0},
        fingerprint=fingerprint_of([nn.Linear(3, 2)], torch.eye(3), classes=2),
    )


# ------------------------------------------------------------------ spectra, and what follows


@lru_cache(maxsize=2)
def weights(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "layers.0.weight": torch.randn(24, 20, generator=generator),
        "layers.1.weight": torch.randn(20, 20, generator=generator),
        "bias": torch.zeros(20),
    }


def spectra() -> SpectraResult:
    return analyze(weights(0))


def small_reference() -> Reference:
    layers = {f"h.{n}.attn.q_proj.weight": torch.randn(20 + n, 24) for n in range(8)}
    model = ReferenceModel.of(analyze(layers), name="Net", licence="MIT", note="a note")
    options = MeasuredWith.of(SpectraOptions())
    return Reference(environment=STAMP, options=options, models=(model,))


def placement() -> Placement:
    layers = {"h.0.attn.q_proj.weight": torch.randn(20, 24), "h.1.b.weight": torch.randn(20, 24)}
    return small_reference().compare(analyze(layers))


def comparison() -> ComparisonResult:
    return compare(weights(0), weights(1))


def allocation() -> Result:
    return allocate(spectra(), kind="sparsity", total=0.5, checkpoint=weights(0))


def pruning() -> Result:
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    return prune(model, torch.eye(8), sparsity=0.5)


def ranks() -> Result:
    names = (f"h.{block}.{kind}.weight" for block in range(2) for kind in ("up", "down"))
    weights = {
        n: torch.randn(24, 24 + i, generator=torch.Generator().manual_seed(i))
        for i, n in enumerate(names)
    }
    return rank_pattern(analyze(weights), 3)


def trace() -> BalancingTrace:
    rows = (
        TraceRow(0, "fc", "fc", math.nan, math.nan, 1.0, note="no exponent"),
        TraceRow(5, "fc", "fc", 2.0, 2.5, 0.9, fresh=False),
    )
    return BalancingTrace(
        environment=STAMP,
        options={"every": 5, "settings": {"s": 0.5}},
        rows=rows,
        left_out={"bias": "one axis"},
        seconds=0.1,
        overhead=0.01,
    )


def checkup() -> CheckupResult:
    return CheckupResult(
        environment=STAMP,
        title="net",
        statements=(
            Finding(text="It was measured.", basis="measurement", layers=("fc",)),
            Finding(
                text="Raise it.",
                basis="guess",
                knob="rate",
                direction="raise",
                todo="Try",
                command="ls",
            ),
        ),
        facts={"size": "small"},
        examined={"net": spectra()},
        around={"Curvature": hessian(), "Plane": landscape(), "Advice": prescription()},
    )


def perplexity() -> Perplexity:
    return Perplexity(
        environment=STAMP,
        window_nll=(1.0, 3.0),
        window_tokens=(30, 10),
        model="GPT",
        text="ids",
        data_hash="ab",
    )


# ------------------------------------------------------------------ studies


def laboratory() -> LabResult:
    return run_experiment(LabOptions(n=40, d=20, h=30, n_test=20, steps=1))


def study() -> StudyResult:
    from tests.test_study_populations import STUDY, numbers

    return STUDY.result(STUDY.plan("small", 3), numbers(), scale="small", command="c")


def ablation() -> AblationResult:
    model = torch.nn.Linear(4, 4, bias=False)
    data = (torch.eye(4), torch.zeros(4, 4))
    return ablate(Objective(model, torch.nn.functional.mse_loss, data))


EXAMPLES: dict[str, Callable[[], Result]] = {
    "AblationResult": ablation,
    "Allocation": allocation,
    "BalancingTrace": trace,
    "CheckupResult": checkup,
    "ComparisonResult": comparison,
    "Diagnosis": diagnosis,
    "EvaluationResult": evaluation,
    "GridReport": grid_report,
    "HessianResult": hessian,
    "LabResult": laboratory,
    "Landscape": landscape,
    "MDTree": md_tree,
    "Measurement": measurement,
    "PathResult": path,
    "Perplexity": perplexity,
    "Placement": placement,
    "Population": population,
    "Prescription": prescription,
    "Pruning": pruning,
    "RankPattern": ranks,
    "Reference": small_reference,
    "SpectraResult": spectra,
    "StudyResult": study,
    "TopologyResult": topology,
}
