"""Watching a training, comparing two checkpoints."""

import csv
import math

import pandas as pd
import pytest
import torch
from torch import nn

from eigenscape.checkpoints import save_checkpoint
from eigenscape.errors import InputError
from eigenscape.spectra import (
    ComparisonResult,
    SpectralMonitor,
    analyze,
    compare,
    tensorboard_sink,
    trainer_callback,
)
from eigenscape.theory import hill_shift


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32))


def test_monitor_sees_what_analyze_sees(tmp_path):
    model = network()
    monitor = SpectralMonitor(model, every=5, path=tmp_path / "spectra.csv", tolerance=0)
    for _ in range(11):
        monitor.step()
        with torch.no_grad():
            model[0].weight.add_(0.1 * torch.randn(64, 32))
    history = monitor.history()
    assert history["step"].unique().tolist() == [0, 5, 10]
    assert history["fresh"].all()
    written = pd.read_csv(tmp_path / "spectra.csv")
    assert len(written) == len(history) == 6
    before = analyze(network())
    first = history[history["step"] == 0].set_index("name")["alpha_hill"]
    assert first["0"] == before["0"].alpha_hill


def test_unmoved_layers_are_carried_and_the_bound_holds():
    model = network()
    monitor = SpectralMonitor(model, every=1, tolerance=0.01)
    exact = SpectralMonitor(model, every=1, tolerance=0)
    carried, worst = 0, 0.0
    generator = torch.Generator().manual_seed(1)
    for _ in range(40):
        rows, truth = monitor.step(), exact.step()
        for row, true in zip(rows, truth, strict=True):
            worst = max(worst, abs(row.alpha_hill - true.alpha_hill))
        carried += int((~monitor.history()["fresh"].tail(2)).sum())
        with torch.no_grad():
            for layer in (model[0], model[2]):
                layer.weight.add_(3e-6 * torch.randn(layer.weight.shape, generator=generator))
    assert carried > 20
    assert worst <= 0.01


@pytest.mark.parametrize(("share", "fresh"), [(0.98, False), (1.02, True)])
def test_by_default_a_layer_is_carried_while_alpha_can_move_by_a_hundredth(share, fresh):
    model = nn.Sequential(nn.Linear(32, 64, bias=False, dtype=torch.float64))
    monitor = SpectralMonitor(model, every=1)
    (row,) = monitor.step()
    change = torch.randn(64, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    unit = hill_shift(row.alpha_hill, row.hill_threshold, float(change.norm()))
    with torch.no_grad():
        model[0].weight.add_(change * (share * 0.01 / unit))
    monitor.step()
    assert monitor.history()["fresh"].tolist() == [True, fresh]


def test_monitor_survives_nan_and_leaves_the_model_alone():
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    attributes = set(vars(model))
    state = torch.get_rng_state()
    monitor = SpectralMonitor(model, every=1)
    monitor.step()
    assert torch.equal(torch.get_rng_state(), state)
    assert set(vars(model)) == attributes
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    with torch.no_grad():
        model[0].weight[0, 0] = math.nan
    rows = monitor.step()
    assert [row.label == "not-finite" for row in rows] == [True, False]
    with torch.no_grad():
        model[0].weight[0, 0] = 0.0
    assert math.isfinite(monitor.step()[0].alpha_hill)


def test_monitor_logs_to_any_sink():
    seen = []
    monitor = SpectralMonitor(
        network(), every=2, log=lambda numbers, step: seen.append((numbers, step))
    )
    for step in range(3):
        monitor.step(step)
    assert [step for _, step in seen] == [0, 2]
    assert "spectra/0/alpha_hill" in seen[0][0]


def test_tensorboard_sink(tmp_path):
    tensorboard = pytest.importorskip(
        "torch.utils.tensorboard", reason='pip install "eigenscape[track]"'
    )
    with tensorboard.SummaryWriter(str(tmp_path)) as writer:
        SpectralMonitor(network(), every=1, log=tensorboard_sink(writer)).step()
    assert any(tmp_path.iterdir())


def test_monitor_appends_to_its_own_file_only(tmp_path):
    path = tmp_path / "spectra.csv"
    SpectralMonitor(network(), every=1, path=path).step()
    SpectralMonitor(network(), every=1, path=path).step(1)
    with path.open() as handle:
        assert len(list(csv.DictReader(handle))) == 4
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="other columns"):
        SpectralMonitor(network(), path=path)
    assert path.read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize(
    ("model", "options", "word"),
    [
        (nn.LayerNorm(8), {}, "no layer"),
        (nn.Linear(32, 32), {"every": 0}, "at least 1"),
        (nn.Linear(32, 32), {"tolerance": -1}, "not negative"),
    ],
)
def test_monitor_teaches(model, options, word):
    with pytest.raises(InputError, match=word):
        SpectralMonitor(model, **options)


@pytest.mark.filterwarnings("ignore")  # the trainer's own
def test_trainer_callback(tmp_path):
    transformers = pytest.importorskip("transformers", reason='pip install "eigenscape[hf]"')
    pytest.importorskip("accelerate", reason='pip install "eigenscape[hf]"')

    class Toy(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(32, 32)

        def forward(self, x, labels=None):
            out = self.fc(x)
            return {"loss": (out - labels).square().mean(), "logits": out}

    data = [{"x": torch.randn(32), "labels": torch.randn(32)} for _ in range(32)]
    callback = trainer_callback(every=2, path=tmp_path / "spectra.csv", tolerance=0)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=4,
        per_device_train_batch_size=8,
        report_to=[],
        use_cpu=True,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        model=Toy(), args=arguments, train_dataset=data, callbacks=[callback]
    )
    trainer.train()
    assert callback.monitor.history()["step"].tolist() == [0, 2, 4]


# --- compare --------------------------------------------------------------------------------------


def test_compare_names_what_happened(tmp_path):
    torch.manual_seed(0)
    base = {name: torch.randn(64, 80) for name in ("same", "noise", "spike", "pruned", "gone")}
    after = {
        "same": base["same"],
        "noise": base["noise"] + 1e-3 * torch.randn(64, 80),
        "spike": base["spike"] + 0.5 * torch.outer(torch.randn(64), torch.randn(80)),
        "pruned": base["pruned"] * (torch.rand(64, 80) > 0.9),
        "new": torch.randn(64, 80),
    }
    before_path = save_checkpoint(base, tmp_path / "a.safetensors")
    result = compare(before_path, after)
    states = {change.name: change.state for change in result.changes}
    assert states.pop("pruned") in ("weights", "spectrum")  # random zeros leave noise of noise
    assert states == {
        "same": "same",
        "noise": "weights",
        "spike": "spectrum",
        "gone": "removed",
        "new": "added",
    }
    by_name = {change.name: change for change in result.changes}
    assert by_name["same"].weight_change == 0
    assert by_name["noise"].weight_change == pytest.approx(1e-3, rel=0.05)
    assert by_name["pruned"].sparsity_after == pytest.approx(0.9, abs=0.02)
    assert by_name["spike"].spikes_change == 1
    saved = result.save(tmp_path / "c.json")
    back = ComparisonResult.load(saved)
    assert [c.state for c in back.changes] == [c.state for c in result.changes]
    result.plot().savefig(tmp_path / "c.png")


def test_compare_quantized_copy():
    torch.manual_seed(0)
    W = torch.randn(64, 64)
    change = compare({"w": W}, {"w": W.bfloat16()}).changes[0]
    assert change.state == "weights"
    assert 0 < change.weight_change < 0.01


def test_compare_refuses_strangers():
    with pytest.raises(InputError, match="no examined layer in common"):
        compare({"a": torch.randn(32, 32)}, {"b": torch.randn(32, 32)})


def test_compare_flags_nan():
    W = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    bad = W.clone()
    bad[0, 0] = math.nan
    assert compare({"w": W}, {"w": bad}).changes[0].state == "unreadable"
