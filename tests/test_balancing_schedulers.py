"""TempBalance beside schedulers: the rate of every step is the base rate times the factor."""

import itertools
import math
import warnings

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from eigenscape.balancing import TempBalance
from eigenscape.errors import InputError
from tests.test_balancing import assert_partition, geometric, stack

STEPS = 1000


def warm_up(optimizer):
    transformers = pytest.importorskip("transformers", reason='pip install "eigenscape[hf]"')
    return transformers.get_linear_schedule_with_warmup(optimizer, 60, STEPS)


SCHEDULERS = {
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + 0.01 * t)),
    "step": lambda o: lr_scheduler.StepLR(o, 50, 0.8),
    "multiplicative": lambda o: lr_scheduler.MultiplicativeLR(o, lambda t: 0.999),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, 0.998),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 200, 1e-4),
    "restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 70),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.3, total_steps=STEPS + 1),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=30),
    "polynomial": lambda o: lr_scheduler.PolynomialLR(o, STEPS),
    "sequential": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, 0.1, total_iters=20), lr_scheduler.ExponentialLR(o, 0.99)],
        [20],
    ),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=5, factor=0.9),
    "warm-up": warm_up,
}


class Spy(torch.optim.SGD):
    """Notes the rate that each parameter is stepped with."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.used = []

    @torch.no_grad()
    def step(self, closure=None):
        self.used.append(
            {id(p): float(group["lr"]) for group in self.param_groups for p in group["params"]}
        )


def spied(model, **options):
    """Two groups, with and without decay, as usual."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    return Spy(
        [{"params": weights, "weight_decay": 0.1}, {"params": others, "lr": 0.05}],
        lr=0.1,
        momentum=0.9,
        **options,
    )


def advance(scheduler, step):
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        scheduler.step(1.0 + math.sin(step))
    else:
        scheduler.step()


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")
@pytest.mark.parametrize("late", [False, True], ids=["scheduler first", "scheduler after"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_nothing_compounds(name, late):
    model, plain = stack((2, 3, 4), n=50), stack((2, 3, 4), n=50)
    optimizer, alone = spied(model), spied(plain)
    alone_schedule = SCHEDULERS[name](alone)
    if not late:
        scheduler = SCHEDULERS[name](optimizer)
    balance = TempBalance(optimizer, model, rule="tb_linear", every=100)
    if late:
        scheduler = SCHEDULERS[name](optimizer)
    ids = [id(p) for p in model.parameters()]
    generator = torch.Generator().manual_seed(0)
    for step in range(STEPS):
        if step % 100 == 50:  # other factors at each update
            with torch.no_grad():
                for layer in list(model)[1:-1]:
                    alpha = 2 + 3 * float(torch.rand((), generator=generator))
                    layer.weight.copy_(geometric(alpha, 50))
        factor = {id(p): group["factor"] for group in balance.param_groups for p in group["params"]}
        promised = sorted(balance.get_last_lr())
        optimizer.step()
        alone.step()
        base = [group["lr"] for group in alone.param_groups]
        assert [group["lr"] for group in optimizer.param_groups] == base
        used = optimizer.used[-1]
        eta = dict(zip(ids, itertools.cycle(base)))
        assert all(used[i] == eta[i] * factor[i] for i in ids)
        assert sorted(set(used.values())) == sorted(set(promised))
        for one in (scheduler, alone_schedule):
            advance(one, step)
        balance.step()
    assert len(balance.trace().steps) == 11
    assert scheduler.get_last_lr() == alone_schedule.get_last_lr()
    assert_partition(balance, optimizer)


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW, torch.optim.NAdam])
def test_uniform_factors_change_nothing(make):
    def train(balanced):
        torch.manual_seed(0)
        model = nn.Sequential(*(nn.Linear(64, 64) for _ in range(4)))
        optimizer = make(model.parameters(), lr=1e-3)
        if balanced:
            TempBalance(optimizer, model, rule="uniform")
        for _ in range(5):
            optimizer.zero_grad()
            model(torch.ones(8, 64)).square().mean().backward()
            optimizer.step()
        return model.state_dict(), optimizer.state_dict()

    (weights, state), (same, kept) = train(True), train(False)
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert state["param_groups"] == kept["param_groups"]
    assert set(state["state"]) == set(kept["state"])
    for at, entries in state["state"].items():
        assert all(torch.equal(value, kept["state"][at][name]) for name, value in entries.items())


def test_a_step_is_that_of_groups_made_by_hand():
    model, twin = stack((2, 3, 4)), stack((2, 3, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    balance = TempBalance(optimizer, model, rule="tb_linear", scale=("lr", "weight_decay"))
    factors = {"0": 1.0, **balance.factors, "4": 1.0}
    by_hand = torch.optim.AdamW(
        [
            {"params": layer.parameters(), "lr": 0.01 * f, "weight_decay": 0.1 * f}
            for layer, f in zip(twin, factors.values(), strict=True)
        ]
    )
    for _ in range(4):
        for net, its in ((model, optimizer), (twin, by_hand)):
            its.zero_grad()
            net(torch.ones(4, 64)).square().mean().backward()
            its.step()
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True)
    )
    assert optimizer.param_groups[0]["weight_decay"] == 0.1


@pytest.mark.parametrize("skip", [("first", "last"), ()])  # (): every part has a factor
def test_what_the_optimizer_writes_into_its_group_stays(skip):
    class Counting(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                group["k"] = group.get("k", 0) + 1
                group["lr"] = group["lr"] * 0.5

    model = stack((2, 2.5, 4), ends=bool(skip))
    optimizer = Counting(model.parameters(), lr=0.8)
    balance = TempBalance(optimizer, model, rule="tb_linear", skip=skip)
    assert all(group["factor"] != 1 for group in balance.param_groups if not skip)
    for _ in range(3):
        optimizer.step()
    assert optimizer.param_groups[0]["k"] == 3
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


def test_tensor_rates():
    model = stack((2, 3, 4))
    rate = torch.tensor(0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, foreach=False)
    balance = TempBalance(optimizer, model, rule="tb_linear")
    model(torch.ones(4, 64)).square().mean().backward()
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert balance.get_last_lr() == pytest.approx([0.1, 0.05, 0.1, 0.15], abs=1e-5)
    with pytest.raises(InputError, match="lr=None"):
        TempBalance(torch.optim.SGD([{"params": model.parameters(), "lr": None}], lr=1.0), model)


def test_a_failed_step_leaves_no_trace():
    class Failing(torch.optim.SGD):
        def step(self, closure=None):
            raise RuntimeError("out of memory")

    model = stack((2, 3, 4))
    optimizer = Failing(model.parameters(), lr=0.1)
    balance = TempBalance(optimizer, model, rule="tb_linear")
    for recover in (balance.step, balance.get_last_lr, optimizer.state_dict, balance.remove):
        with pytest.raises(RuntimeError, match="out of memory"):
            optimizer.step()
        recover()
        assert [group["lr"] for group in optimizer.param_groups] == [0.1]


class Breaking(torch.optim.SGD):
    """Fails inside each second step, when the groups are split."""

    calls = 0

    def step(self, closure=None):
        self.calls += 1
        if self.calls == 2:
            raise RuntimeError("out of memory")
        return super().step(closure)


@pytest.mark.parametrize("first", ["scheduler", "balance"])
@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.5),
        lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5**epoch),
        lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [1, 2], 0.5),
    ],
)
def test_a_scheduler_steps_after_a_failed_step(make, first):
    model = stack((2, 3, 4))
    optimizer = Breaking(model.parameters(), lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch's, of a step that was overridden
        if first == "scheduler":
            scheduler = make(optimizer)
            balance = TempBalance(optimizer, model, rule="tb_linear")
        else:
            balance = TempBalance(optimizer, model, rule="tb_linear")
            scheduler = make(optimizer)
        optimizer.step()
        scheduler.step()
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05])
        with pytest.raises(RuntimeError, match="out of memory"):
            optimizer.step()
        scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.025])
    assert balance.get_last_lr() == pytest.approx([0.025, 0.0125, 0.025, 0.0375], abs=1e-5)


def test_removed_is_the_optimizer_as_it_was():
    model = stack((2, 3, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = set(vars(optimizer))
    TempBalance(optimizer, model, rule="tb_linear").remove()
    assert set(vars(optimizer)) == before
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    kept = optimizer.step
    TempBalance(optimizer, model, rule="tb_linear").remove()
    assert optimizer.step is kept
    assert scheduler.optimizer is optimizer


# --- saved and resumed ----------------------------------------------------------------------------


def train(steps, saved=None, **options):
    torch.manual_seed(1)
    model = nn.Sequential(*(nn.Linear(64, 64) for _ in range(5)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = lr_scheduler.StepLR(optimizer, 4, 0.5)
    balance = TempBalance(optimizer, model, every=3, average=0.5, **options)
    if saved:
        for part, state in zip((model, optimizer, scheduler, balance), saved, strict=True):
            part.load_state_dict(state)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(8, 64).cumsum(0)).square().mean().backward()
        optimizer.step()
        scheduler.step()
        balance.step()
    return [
        {k: v.clone() for k, v in model.state_dict().items()},
        optimizer.state_dict(),
        scheduler.state_dict(),
        balance.state_dict(),
    ], balance


def test_resumed_is_uninterrupted(tmp_path):
    (whole, *_, end), one = train(11)
    half, _ = train(5)
    torch.save(half, tmp_path / "half.pt")
    (resumed, *_, same), two = train(6, torch.load(tmp_path / "half.pt", weights_only=True))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert end == same
    assert one.trace().rows == two.trace().rows


def test_saved_factors_act_at_once():
    states, balance = train(3)
    model = nn.Sequential(*(nn.Linear(64, 64) for _ in range(5)))
    other = TempBalance(torch.optim.SGD(model.parameters(), lr=1.0), model)
    other.load_state_dict(states[3])
    assert other.factors == balance.factors
    assert other.get_last_lr() == [1.0, *balance.factors.values()]


def test_wrong_states_teach():
    states, balance = train(1)
    with pytest.raises(InputError, match="are missing"):
        balance.load_state_dict({"step": 1})
    with pytest.raises(InputError, match="other layers: fc"):
        balance.load_state_dict({**states[3], "averages": {"fc": 2.0}})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("factors", {"2": math.nan}, "the factor of 2 is nan"),
        ("factors", {"2": -1.0}, "the factor of 2 is -1.0"),
        ("factors", {"2": 1e300}, "1e[+]300, expected 0 to"),
        ("factors", {"2": "1"}, "expected a number"),
        ("factors", [1.0], "expected an object"),
        ("factors", {"fc": 1.0}, "other layers: fc"),
        ("averages", {"2": math.inf}, "the average of 2 is inf"),
        ("averages", {"2": None}, "the average of 2 is nan"),
        ("step", -1, "step is -1"),
        ("step", 1.5, "whole number"),
        ("last", 7, "last is 7"),
        ("version", 2, "version is 2"),
        ("rows", [{"step": 1}], "missing"),
    ],
)
def test_damaged_states_change_nothing(key, value, said):
    (*_, state), balance = train(1)
    with pytest.raises(InputError, match=said):
        balance.load_state_dict({**state, key: value})
    assert balance.state_dict() == state
