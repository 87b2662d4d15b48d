"""TempBalance within mixed precision, accumulation, distributed training, Trainer, accelerate."""

import math
import os
import re
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from eigenscape.balancing import TempBalance, balance_callback
from eigenscape.balancing import _meter as processes
from eigenscape.spectra import analyze
from tests.test_balancing import assert_partition, sgd, stack


def loss_of(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return model(torch.randn(8, 64, generator=generator)).square().mean() * 1e-6


def test_grad_scaler_skips_and_steps():
    model = stack((2, 3, 4))
    optimizer = sgd(model)
    balance = TempBalance(optimizer, model, rule="tb_linear")
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(loss_of(model)).backward()
    expected = {
        p: p.detach() - group["lr"] * p.grad / 4.0
        for group in balance.param_groups
        for p in group["params"]
    }
    scaler.step(optimizer)
    scaler.update()
    assert all(torch.allclose(p, new, rtol=1e-5, atol=1e-7) for p, new in expected.items())
    before = [p.detach().clone() for p in model.parameters()]
    optimizer.zero_grad()
    (scaler.scale(loss_of(model)) * math.inf).backward()
    scaler.step(optimizer)  # skipped
    scaler.update()
    balance.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True))
    assert [group["lr"] for group in optimizer.param_groups] == [0.1]


def test_gradient_accumulation_counts_optimizer_steps():
    model = stack((2, 3, 4))
    optimizer = sgd(model, lr=1e-3)
    balance = TempBalance(optimizer, model, every=2)
    for batch in range(12):
        (loss_of(model, batch) / 3).backward()
        if batch % 3 == 2:
            optimizer.step()
            optimizer.zero_grad()
            balance.step()
    assert balance.trace().steps == (0, 2, 4)


def test_training_under_autocast_in_bfloat16():
    model = stack((2, 3, 4)).bfloat16()
    optimizer = sgd(model, lr=1e-3)
    balance = TempBalance(optimizer, model, rule="tb_linear", every=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(torch.ones(8, 64, dtype=torch.bfloat16)).float().square().mean()
    loss.backward()
    optimizer.step()
    assert balance.step()
    table = analyze(model)
    found = {row.name: row.value for row in balance.trace().rows if row.step == 1}
    assert found == pytest.approx({name: table[name].alpha_hill for name in "123"})
    assert [min(balance.factors.values()), max(balance.factors.values())] == [0.5, 1.5]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
def test_compiled_wrapper_is_looked_through():
    model = stack((2, 3, 4))
    balance = TempBalance(sgd(model), torch.compile(model))
    assert list(balance.factors) == ["1", "2", "3"]


@pytest.fixture
def gloo(tmp_path):
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore")  # torch's own, by version
def test_distributed_wrapper(gloo):
    plain = stack((2, 3, 4))
    model = DistributedDataParallel(stack((2, 3, 4)))
    optimizer = sgd(model)
    balance = TempBalance(
        optimizer, model, rule="tb_linear", every=1, max_overhead=1e9, noise_aware=True
    )
    same = TempBalance(sgd(plain), plain, rule="tb_linear", noise_aware=True)
    assert balance.factors == same.factors
    assert processes.is_distributed(model)
    loss_of(model).backward()
    optimizer.step()
    assert balance.step()
    assert_partition(balance, optimizer)
    with torch.no_grad():
        model.module[1].weight[0, 0] = math.nan
    with pytest.warns(UserWarning, match="weights of 1 are not finite"):
        balance.step()


def _one_of_two(rank, folder):
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    model = stack((2, 3, 4))
    with torch.no_grad():
        model[1].weight.mul_(1 + 0.3 * rank * torch.rand(64, 64))  # as if machines differed
    balance = TempBalance(sgd(model), model, rule="tb_linear", synchronize=True)
    torch.save(balance.factors, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_processes_agree(tmp_path):
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.multiprocessing.spawn(_one_of_two, (str(tmp_path),), nprocs=2)
    one, two = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert one == two
    assert list(one.values()) == pytest.approx([0.5, 1, 1.5], abs=1e-4)


# --- the Trainer and accelerate -------------------------------------------------------------------


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = stack((2, 3, 4))

    def forward(self, x, labels=None):
        return {"loss": (self.net(x) * 1e-3 - labels).square().mean(), "logits": x}


def trainer_of(folder, callback, steps, **options):
    transformers = pytest.importorskip("transformers", reason='pip install "eigenscape[hf]"')
    pytest.importorskip("accelerate", reason='pip install "eigenscape[hf]"')
    generator = torch.Generator().manual_seed(0)
    data = [
        {"x": torch.randn(64, generator=generator), "labels": torch.zeros(64)} for _ in range(32)
    ]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=4,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        learning_rate=1e-3,
        warmup_steps=2,
        logging_steps=1,
        lr_scheduler_type="linear",
        **options,
    )
    return transformers.Trainer(
        model=Toy(), args=arguments, train_dataset=data, callbacks=[callback]
    )


@pytest.mark.filterwarnings("ignore")  # the trainer's own
def test_trainer(tmp_path, capsys):
    pytest.importorskip("transformers", reason='pip install "eigenscape[hf]"')
    callback = balance_callback(rule="tb_linear", every=2)
    trainer = trainer_of(tmp_path, callback, 6, save_strategy="no")
    trainer.train()
    balance = callback.balance
    assert balance.trace().steps == (0, 2, 4, 6)
    assert list(balance.factors) == ["net.1", "net.2", "net.3"]
    logged = [entry["learning_rate"] for entry in trainer.state.log_history if "loss" in entry]
    plain = trainer_of(tmp_path / "b", balance_callback(rule="uniform"), 6, save_strategy="no")
    plain.train()
    base = [entry["learning_rate"] for entry in plain.state.log_history if "loss" in entry]
    assert logged == base  # warm-up and decay as ever: nothing compounds


@pytest.mark.filterwarnings("ignore")
def test_trainer_resumes_with_its_factors(tmp_path):
    pytest.importorskip("transformers", reason='pip install "eigenscape[hf]"')
    options = {
        "save_steps": 3,
        "save_strategy": "steps",
        "restore_callback_states_from_checkpoint": True,
    }
    first = balance_callback(rule="tb_linear", every=2, average=0.5)
    trainer_of(tmp_path, first, 6, **options).train()
    again = balance_callback(rule="tb_linear", every=2, average=0.5)
    trainer = trainer_of(tmp_path, again, 6, **options)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    resumed = next(
        c for c in trainer.callback_handler.callbacks if type(c).__name__ == "TempBalanceCallback"
    )
    assert resumed.balance.state_dict()["step"] == 6
    assert resumed.balance.factors == first.balance.factors


@pytest.mark.filterwarnings("ignore")
def test_accelerate():
    accelerate = pytest.importorskip("accelerate", reason='pip install "eigenscape[hf]"')
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = stack((2, 3, 4))
    model, optimizer = accelerator.prepare(model, sgd(model, lr=1e-3))
    scheduler = accelerator.prepare(torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9))
    balance = TempBalance(optimizer, model, rule="tb_linear", every=2)
    before = {p: p.detach().clone() for p in model.parameters()}
    rates = {p: group["lr"] for group in balance.param_groups for p in group["params"]}
    for batch in range(8):
        with accelerator.accumulate(model):
            accelerator.backward(loss_of(model, batch))
            optimizer.step()
            if batch == 1:
                gradients = {p: p.grad.clone() for p in model.parameters()}
                assert all(
                    torch.allclose(before[p] - p.detach(), rates[p] * gradients[p], atol=1e-6)
                    for p in rates
                )
            scheduler.step()
            optimizer.zero_grad()
        if accelerator.sync_gradients:
            balance.step()
    assert balance.trace().steps == (0, 2, 4)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.9**4)


# --- the examples of the docs, word for word ------------------------------------------------------

DOCS = Path(__file__).parents[1] / "docs" / "tempbalance.md"


class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(stack((2 + i, 3)) for i in range(3))

    def forward(self, x, labels=None):
        for block in self.blocks:
            x = block(x) * 1e-2
        return {"loss": (x - labels).square().mean(), "logits": x}


def example_of_the_docs(word):
    """The fenced example that has a word in it."""
    (found,) = [
        text
        for text in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)
        if word in text and ">>>" not in text
    ]
    return found


@pytest.mark.filterwarnings("ignore")
def test_the_trainer_example_of_the_docs_runs(tmp_path):
    transformers = pytest.importorskip("transformers", reason='pip install "eigenscape[hf]"')
    trainer = trainer_of(tmp_path, balance_callback(), 4, save_strategy="no")
    given = {
        "Trainer": transformers.Trainer,
        "model": Blocks(),
        "args": trainer.args,
        "data": trainer.train_dataset,
    }
    exec(example_of_the_docs("balance_callback"), given)
    balance = given["callback"].balance
    assert balance.trace().steps == (0, 2, 4)
    assert list(balance.factors) == ["blocks.0", "blocks.1", "blocks.2"]
    assert len(set(balance.factors.values())) == 3


@pytest.mark.filterwarnings("ignore")
def test_the_accelerate_example_of_the_docs_runs():
    accelerate = pytest.importorskip("accelerate", reason='pip install "eigenscape[hf]"')
    model = Blocks()
    optimizer = sgd(model, lr=1e-3)
    given = {
        "accelerator": accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2),
        "model": model,
        "optimizer": optimizer,
        "scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
        "batches": [{"x": torch.ones(4, 64), "labels": torch.zeros(4, 64)}] * 8,
    }
    exec(example_of_the_docs("accelerator.prepare"), given)
    assert given["balance"].trace().steps == (0, 2, 4)
    assert list(given["balance"].factors) == ["blocks.0", "blocks.1", "blocks.2"]
