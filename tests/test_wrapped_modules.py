"""Modules as trainings wrap and shard them: plain names, whole tensors, one process that writes."""

import os
import socket
from functools import partial

import pandas as pd
import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

from eigenscape.allocation import allocate
from eigenscape.balancing import TempBalance
from eigenscape.checkpoints import named_tensors, open_checkpoint
from eigenscape.spectra import SpectralMonitor, UpdateRecorder, analyze, compare


def network():
    torch.manual_seed(0)
    block = lambda: nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64), nn.Linear(64, 64))  # noqa: E731
    return nn.Sequential(block(), block(), block())


class Fsdp(nn.Module):
    """Named as FSDP names its inside."""

    def __init__(self, inner):
        super().__init__()
        self._fsdp_wrapped_module = inner


WRAPPERS = [nn.DataParallel, partial(torch.compile, backend="eager"), checkpoint_wrapper, Fsdp]


@pytest.fixture(params=range(5), ids=["data", "compile", "recompute", "fsdp", "all"])
def wrapped(request):
    model = network()
    if request.param < 4:
        model[1] = WRAPPERS[request.param](model[1])
    else:
        model[0], model[1] = nn.DataParallel(Fsdp(model[0])), checkpoint_wrapper(Fsdp(model[1]))
    return model


def test_a_wrapped_and_a_plain_model_compare(wrapped):
    plain = network()
    assert list(open_checkpoint(wrapped)) == list(open_checkpoint(plain))
    assert {change.state for change in compare(plain, wrapped).changes} == {"same"}
    assert {change.state for change in compare(plain, wrapped.state_dict()).changes} == {"same"}
    rows, others = analyze(plain), analyze(wrapped)
    assert [(row.name, row.block, row.inferred) for row in rows] == [
        (row.name, row.block, row.inferred) for row in others
    ]
    held = {id(tensor) for tensor in named_tensors(wrapped).values()}
    assert held == {id(tensor) for tensor in wrapped.parameters()}


def test_everything_that_follows_a_training_sees_the_wrapped_layers(wrapped):
    rows = SpectralMonitor(wrapped, every=1).step()
    assert [row.name for row in rows] == [row.name for row in analyze(network())]
    assert all(row.description for row in rows)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    balance = TempBalance(optimizer, wrapped)
    assert list(balance.factors) == ["0.2", "1.0", "1.2", "2.0"]
    assert sum(len(group["params"]) for group in balance.param_groups) == 18
    recorder = UpdateRecorder(wrapped, every=1)
    recorder.step()
    assert len(recorder.step()) == 6
    groups = allocate(analyze(network())).param_groups(wrapped, 0.1)
    assert [len(group["params"]) for group in groups] == [2] * 6 + [6]


def test_a_monitor_never_raises_into_training(tmp_path):
    model = network()

    def broken(numbers, step):
        raise RuntimeError("no connection")

    monitor = SpectralMonitor(model, every=1, path=tmp_path / "s.csv", log=broken)
    with pytest.warns(RuntimeWarning, match="no connection"):
        assert len(monitor.step()) == 6
    bad = next(layer for layer in monitor._layers if layer.name == "1.0")
    object.__setattr__(bad, "build", lambda tensors: 1 / 0)
    monitor = SpectralMonitor(model, every=1, tolerance=0)
    monitor._layers = (bad, *monitor._layers[:2])
    rows = monitor.step()
    assert "not examined: ZeroDivisionError" in rows[0].notes[0]
    assert rows[1].description
    assert len(monitor.history()) == 3


def test_weights_beyond_the_range_of_their_squares_do_not_raise():
    model = nn.Sequential(nn.Linear(32, 32)).double()
    with torch.no_grad():
        model[0].weight.mul_(1e170)
    monitor = SpectralMonitor(model, every=1)
    monitor.step()
    with torch.no_grad():
        model[0].weight.mul_(2)
    (row,) = monitor.step()
    assert row.spectral_norm > 1e168
    assert len(monitor.history()) == 2


def in_two_processes(rank, port, folder):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    model = network()
    before = analyze(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    balance = TempBalance(
        optimizer, nn.parallel.DistributedDataParallel(model), path=f"{folder}/balance.csv"
    )
    assert balance.factors
    mesh = init_device_mesh("cpu", (2,))
    for layer in (model[0][0], model[1][2]):
        layer.weight = nn.Parameter(distribute_tensor(layer.weight.detach(), mesh, [Shard(0)]))
    after = analyze(model)
    assert [row.spectral_norm for row in after] == [row.spectral_norm for row in before]
    monitor = SpectralMonitor(model, every=1, path=f"{folder}/spectra.csv")
    rows = [*monitor.step(), *monitor.step()]
    assert all(row.description for row in rows)
    assert len(monitor.history()) == 12
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_sharded_weights_are_gathered_and_the_first_process_writes(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(in_two_processes, (port, str(tmp_path)), nprocs=2)
    spectra = pd.read_csv(tmp_path / "spectra.csv")
    assert len(spectra) == 12
    assert not spectra.duplicated(["step", "name"]).any()
    assert not pd.read_csv(tmp_path / "balance.csv").duplicated(["step", "name"]).any()
