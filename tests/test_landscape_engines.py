"""A grid is the same to the last bit on every engine, whatever happens to its workers."""

import os
import signal
import threading
from functools import lru_cache, partial, wraps
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eigenscape.errors import InputError, TaskError
from eigenscape.landscape import sample
from eigenscape.models import Objective, code_of, load_probe
from eigenscape.runs import CannotTravelError

CE = nn.functional.cross_entropy
CLUSTERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("dask", "ray")]
PACKAGES = {"dask": "distributed", "ray": "ray"}


def data(n=24):
    generator = torch.Generator().manual_seed(7)
    return torch.randn(n, 1, 6, 6, generator=generator), torch.arange(n) % 3


class Network(nn.Module):
    """Convolutions with batch norm; the first of them, a linear layer, is taken from memory."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.second, self.head = nn.Conv2d(4, 4, 3), nn.Linear(16, 3)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return self.head(torch.relu(self.second(x)).flatten(1))


class Fatal(Network):
    """Ends the process of a worker: the first one only, or every one that comes to a point."""

    def __init__(self, marker, *, always):
        super().__init__()
        self.driver, self.marker, self.always = os.getpid(), str(marker), always

    def forward(self, x):
        out = super().forward(x)
        if os.getpid() != self.driver and (self.always or not os.path.exists(self.marker)):
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return out


class Loud(Network):
    """Writes and moves about, in workers."""

    def __init__(self):
        super().__init__()
        self.driver = os.getpid()

    def forward(self, x):
        if os.getpid() != self.driver:
            os.chdir("/")
            print("from the model")  # noqa: T201
        return super().forward(x)


class Closed(Network):
    """Does not pickle."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def objective(model=None, policy="frozen", **options):
    inputs, targets = data()
    batches = [(inputs[:10], targets[:10]), (inputs[10:], targets[10:])]
    return Objective(model or Network(), CE, batches, batch_norm=policy, **options)


def closed(seed=0):
    torch.manual_seed(seed)
    model = Closed()
    with torch.no_grad():
        model.head.bias.add_(seed)
    return objective(model)


GRID = {"steps": 7, "chunk": 6, "seed": 3}


@pytest.fixture(scope="module")
def plain():
    return {
        policy: sample(objective(policy=policy), jobs=1, **GRID).values
        for policy in ("frozen", "batch", "recompute")
    }


@pytest.mark.parametrize("engine", ["threads", "local", *CLUSTERS])
@pytest.mark.parametrize(
    "policy", ["frozen", *(pytest.param(p, marks=pytest.mark.slow) for p in ("batch", "recompute"))]
)
def test_every_engine_gives_the_same_bits(engine, policy, plain, tmp_path):
    if engine in PACKAGES:
        pytest.importorskip(PACKAGES[engine])
        if policy != "frozen":
            pytest.skip("one policy is enough for an engine that takes seconds to start")
    found = sample(objective(policy=policy), jobs=2, engine=engine, folder=tmp_path, **GRID)
    assert np.array_equal(found.values, plain[policy])
    assert found.evaluations == 49
    if policy != "recompute":
        assert "first precomputed" in " ".join(found.notes)


def test_other_pieces_give_the_same_bits(plain):
    found = sample(objective(), jobs=1, **{**GRID, "chunk": 49})
    assert np.array_equal(found.values, plain["frozen"])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", *CLUSTERS])
def test_a_worker_killed_on_the_way_leaves_no_trace(engine, plain, tmp_path):
    if engine in PACKAGES:
        pytest.importorskip(PACKAGES[engine])
    model = Fatal(tmp_path / "marker", always=False)
    found = sample(objective(model), jobs=2, engine=engine, **GRID)
    assert (tmp_path / "marker").exists()
    assert np.array_equal(found.values, plain["frozen"])


@pytest.mark.slow
def test_points_that_kill_every_worker_are_named(tmp_path):
    model = Fatal(tmp_path / "marker", always=True)
    options = {**GRID, "steps": 3, "chunk": 5}
    with pytest.raises(TaskError, match=r"points 0 to 4: WorkerLostError(.|\n)*points 5 to 8"):
        sample(objective(model), jobs=2, **options)


@pytest.mark.slow
def test_a_model_that_prints_and_changes_the_folder(plain, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    found = sample(objective(Loud()), jobs=2, folder="run", **GRID)
    assert np.array_equal(found.values, plain["frozen"])
    assert len(list((tmp_path / "run").glob("points_*.npz"))) == 9
    out, err = capfd.readouterr()
    assert out == ""
    assert "from the model" in err


@pytest.mark.slow
def test_what_does_not_pickle_is_made_again_or_refused(plain):
    with pytest.raises(CannotTravelError, match=r"cannot be pickled: TypeError.*jobs=1"):
        sample(closed(), jobs=2, **GRID)
    alone = sample(closed(), jobs=1, **GRID).values
    assert np.array_equal(sample(closed(), jobs=2, rebuild=closed, **GRID).values, alone)
    with pytest.raises(TaskError, match=r"the probe gives other center when a worker"):
        sample(closed(), jobs=2, rebuild=partial(closed, seed=1), **GRID)


PROBE = """
import torch
from torch import nn
from helper_of_the_probe import SCALE

class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        return self.layer(x * SCALE).tanh()

def build():
    return Mine(), lambda outputs, targets: nn.functional.mse_loss(outputs, targets), (
        torch.randn(8, 4), torch.randn(8, 3))
"""


@pytest.mark.slow
def test_classes_of_a_users_own_file_reach_the_workers(tmp_path):
    (tmp_path / "probe.py").write_text(PROBE)
    (tmp_path / "helper_of_the_probe.py").write_text("SCALE = 0.5\n")
    built = load_probe(f"{tmp_path / 'probe.py'}:build")
    alone, beside = (sample(Objective(*built), jobs=jobs, **GRID).values for jobs in (1, 2))
    assert np.array_equal(alone, beside)


def plain_loss(outputs, targets, weight=0.0, *, power=2):
    return CE(outputs, targets) + weight * 0 * outputs.abs().pow(power).sum()


class HeldLoss:
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, outputs, targets):
        return plain_loss(outputs, targets, self.weight)

    def method(self, outputs, targets):
        return self(outputs, targets)


class ModuleLoss(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, outputs, targets):
        return plain_loss(outputs, targets, self.weight)


def closing_over(weight):
    return lambda outputs, targets: plain_loss(outputs, targets, weight)


@pytest.mark.parametrize(
    "make",
    [
        lambda w: partial(plain_loss, weight=w),
        HeldLoss,
        lambda w: HeldLoss(w).method,
        ModuleLoss,
        lambda w: closing_over(torch.tensor(w)),
        lambda w: closing_over(HeldLoss(w).weight),
        lambda w: lru_cache(closing_over(w)),
        lambda w: wraps(plain_loss)(closing_over(w)),
        lambda w: nn.CrossEntropyLoss(ignore_index=int(-100 - w)),
    ],
    ids=range(9),
)
def test_losses_that_agree_at_the_center_are_told_apart(make):
    one, same, other = (Objective(Network(), make(weight), data()) for weight in (1.0, 1.0, 2.0))
    assert one.value() == other.value()
    assert code_of(one) == code_of(same) != code_of(other)


WEIGHT = 1.0


def using_a_global(outputs, targets):
    return plain_loss(outputs, targets, WEIGHT)


def test_globals_and_what_layers_were_made_with_are_part_of_the_code(monkeypatch):
    def objective(*between):
        torch.manual_seed(0)
        return Objective(
            nn.Sequential(nn.Flatten(), nn.Linear(36, 3), *between), using_a_global, data()
        )

    first = code_of(objective())
    monkeypatch.setitem(globals(), "WEIGHT", 2.0)
    assert code_of(objective()) != first
    slopes = {code_of(objective(nn.LeakyReLU(slope))) for slope in (0.1, 0.2)}
    orders = {code_of(objective(*two)) for two in permutations((nn.ReLU(), nn.Tanh()))}
    assert len(slopes) == len(orders) == 2


def test_another_code_of_the_model_or_the_loss_is_refused(tmp_path):
    def loss(scale):
        return lambda outputs, targets: scale * CE(outputs, targets)

    inputs_targets = data()
    sample(Objective(Network(), loss(1.0), inputs_targets), folder=tmp_path, **GRID)
    sample(Objective(Network(), loss(1.0), inputs_targets), folder=tmp_path, **GRID)
    with pytest.raises(InputError, match=r"changed: (loss at the center .*)?code"):
        sample(Objective(Network(), loss(2.0), inputs_targets), folder=tmp_path, **GRID)
    with pytest.raises(InputError, match=r"changed: (loss at the center .*)?code"):
        sample(Objective(Network(), nn.CrossEntropyLoss(), inputs_targets), folder=tmp_path, **GRID)

    class Network2(Network):
        def forward(self, x):
            return super().forward(x) + 0.0

    Network2.__name__ = "Network"
    with pytest.raises(InputError, match=r"changed: (loss at the center .*)?code"):
        sample(Objective(Network2(), loss(1.0), inputs_targets), folder=tmp_path, **GRID)


@pytest.mark.slow
def test_data_that_lie_at_odd_addresses_give_the_same_bits():
    array = np.random.default_rng(0).normal(size=24 * 6 + 1)
    inputs = torch.from_numpy(array[1:].reshape(24, 6))
    model = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 3)).double()
    found = Objective(model, CE, (inputs, torch.arange(24) % 3))
    alone, beside = (sample(found, jobs=jobs, **GRID).values for jobs in (1, 2))
    assert np.array_equal(alone, beside)


@pytest.mark.slow
def test_costly_grids_take_the_cores_and_cheap_ones_this_process(monkeypatch):
    from eigenscape.landscape.grid import _sample as sampling

    jobs = []
    execute = sampling.execute
    monkeypatch.setattr(
        sampling, "execute", lambda *a, **o: jobs.append(o["jobs"]) or execute(*a, **o)
    )
    costs = []
    sample(objective(), on_estimate=costs.append, **GRID)
    monkeypatch.setattr(sampling, "_WORTH_PROCESSES", 0.0)
    monkeypatch.setattr(sampling, "usable_cores", lambda: 3)
    sample(objective(), on_estimate=costs.append, **GRID)
    alone = sample(closed(), **GRID)  # cannot leave this process, and says so
    assert jobs == [1, 3, 3, 1]
    assert [cost.workers for cost in costs] == [1, 3]
    assert "on 3 workers" in str(costs[1])
    assert "sampled by this process alone" in alone.notes[-1]
