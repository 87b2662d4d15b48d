"""TempBalance: which layers, which factors, which parameters; safety; the trace."""

import csv
import math
import warnings
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from eigenscape.allocation import allocate
from eigenscape.balancing import (
    BalancingTrace,
    SpectralNormRegularizer,
    TempBalance,
)
from eigenscape.balancing._meter import Meter
from eigenscape.balancing._options import BalanceOptions
from eigenscape.checkpoints import open_checkpoint
from eigenscape.errors import InputError
from eigenscape.layers import find_layers
from eigenscape.results import load
from eigenscape.spectra import SpectraOptions, analyze, tensorboard_sink
from eigenscape.zoo._cifar_resnet import cifar_resnet
from tests._properties import examples

LN10 = math.log(10)


def geometric(alpha, n=64):
    """A diagonal matrix whose PL_Alpha_Hill is exactly alpha: alpha = 1 + 2 / (h (n/2 - 1))."""
    h = 2 / ((alpha - 1) * (n / 2 - 1))
    return torch.exp(h / 2 * torch.arange(n, dtype=torch.float64)).diag().float()


def stack(alphas, n=64, ends=True):
    """Linear layers of known alphas, between two ends that are not balanced."""
    chosen = [2.5, *alphas, 2.5] if ends else list(alphas)
    model = nn.Sequential(*(nn.Linear(n, n) for _ in chosen))
    with torch.no_grad():
        for layer, alpha in zip(model, chosen, strict=True):
            layer.weight.copy_(geometric(alpha, n))
            layer.bias.zero_()
    return model


def sgd(model, lr=0.1, **options):
    return torch.optim.SGD(model.parameters(), lr=lr, **options)


def random_model(seed=0, n=64, depth=5):
    torch.manual_seed(seed)
    return nn.Sequential(*(nn.Linear(n, n) for _ in range(depth)))


# --- factors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "options", "alphas", "factors"),
    [
        ("tb_linear", {}, (2, 3, 4), (0.5, 1, 1.5)),
        ("tb_linear", {"s1": 0.6, "s2": 1.4}, (2, 3, 4), (0.6, 1, 1.4)),
        ("tb_sigmoid", {}, (2.0, 2.1, 2.2), (0.5874, 1, 1.7024)),
        ("tb_sigmoid", {"s": (2, 1)}, (1.5, 3.5, 5.5), (0.1, 1, 10**0.5)),
        ("tb_step", {}, (2, 3, 4), (0.5, 0.5 + 1 / 3, 0.5 + 2 / 3)),
        ("reversed", {"of": "tb_linear"}, (2, 3, 4), (1.5, 1, 0.5)),
        ("uniform", {}, (2, 3, 4), (1, 1, 1)),
        ("tb_linear", {}, (3, 3, 3), (1, 1, 1)),
        ("tb_sigmoid", {}, (3,), (1,)),
    ],
)
def test_golden_factors(rule, options, alphas, factors):
    model = stack(alphas)
    balance = TempBalance(sgd(model), model, rule=rule, **options)
    assert list(balance.factors.values()) == pytest.approx(factors, abs=2e-4)
    if rule != "uniform":
        values = [row.value for row in balance.trace().rows]
        assert values == pytest.approx(alphas, rel=1e-5)


@pytest.mark.parametrize(("rule", "function"), [("tb_sqrt", math.sqrt), ("tb_log2", math.log2)])
def test_shares_have_mean_one(rule, function):
    alphas = (1.5, 2.0, 3.7)
    model = stack(alphas)
    factors = list(TempBalance(sgd(model), model, rule=rule).factors.values())
    assert sum(factors) / 3 == pytest.approx(1, abs=1e-12)
    wanted = [3 * function(a) / sum(map(function, alphas)) for a in alphas]
    assert factors == pytest.approx(wanted, rel=1e-5)


def test_shuffled_hands_out_the_same_factors_and_depends_on_the_seed():
    model = stack((2, 2.4, 2.8, 3.2, 3.6, 4))
    plain, *others = (
        TempBalance(sgd(model), model, rule=rule, **options).factors
        for rule, options in (
            ("tb_linear", {}),
            *(("shuffled", {"of": "tb_linear", "seed": seed}) for seed in range(3)),
        )
    )
    assert all(sorted(plain.values()) == sorted(other.values()) for other in others)
    assert len({tuple(other.values()) for other in others}) > 1


@examples(25)
@given(st.lists(st.floats(1.3, 6), min_size=1, max_size=5))
def test_factors_are_those_of_allocate_and_rise_with_alpha(alphas):
    model = stack(alphas, n=50)
    balance = TempBalance(sgd(model), model, tau=3.0)
    rows = balance.trace().rows
    expected = allocate({row.name: row.value for row in rows}, rule="tb_sigmoid", tau=3.0).layers
    assert balance.factors == expected
    ordered = sorted(rows, key=lambda row: row.value)
    assert all(a.factor <= b.factor for a, b in pairwise(ordered))


def test_every_metric_is_that_of_the_layer_table():
    torch.manual_seed(0)
    model = nn.ModuleDict(
        {
            "wide": nn.Linear(96, 48),
            "conv": nn.Conv2d(24, 32, 3),
            "fp16": nn.Linear(64, 64, dtype=torch.float16),
            "brain": nn.Linear(64, 64, dtype=torch.bfloat16),
            "fp64": nn.Linear(64, 80, dtype=torch.float64),
            "attention": nn.MultiheadAttention(64, 4),
        }
    )
    with torch.no_grad():
        model["wide"].weight[:3] = 0  # zeros take the slow way
    for metric in ("alpha_hill", "alpha_excess", "alpha_ks", "stable_rank"):
        table = analyze(model, min_eigenvalues=40)
        choice = SpectraOptions(min_eigenvalues=40)
        balance = TempBalance(
            sgd(model), model, metric=metric, rule="tb_linear", skip=(), spectra=choice
        )
        found = {row.name: row.value for row in balance.trace().rows}
        assert set(found) == {row.name for row in table}
        for row in table:
            assert found[row.name] == pytest.approx(getattr(row, metric), rel=1e-9)


def test_float32_route_agrees_and_falls_back():
    torch.manual_seed(0)
    single = BalanceOptions(spectra=SpectraOptions(precision="float32"))
    double = BalanceOptions()
    for weights in (torch.randn(64, 200), torch.randn(64, 64), geometric(1.2)):
        layer = find_layers(open_checkpoint({"w": weights}), double.spectra).layers[0]
        one, two = (Meter(options).read(layer, [weights]) for options in (single, double))
        assert one.value == pytest.approx(two.value, rel=1e-4)


def test_noise_gate_closes_on_equal_layers_and_opens_on_real_differences():
    same = random_model(depth=12, n=96)
    loud = TempBalance(sgd(same), same, rule="tb_linear").factors.values()
    gated = TempBalance(sgd(same), same, rule="tb_linear", noise_aware=True).factors.values()
    assert max(loud) - min(loud) == pytest.approx(1)
    assert set(gated) == {1.0}
    real = stack((2, 3, 4))
    factors = TempBalance(sgd(real), real, rule="tb_linear", noise_aware=True).factors.values()
    assert max(factors) - min(factors) > 0.8


# --- which layers, which parameters ---------------------------------------------------------------


def factor_by_name(balance, model):
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[parameter]: (group["name"], group["factor"])
        for group in balance.param_groups
        for parameter in group["params"]
    }


def assert_partition(balance, optimizer):
    held = [p for group in balance.param_groups for p in group["params"]]
    own = [p for group in optimizer.param_groups for p in group["params"]]
    assert len(held) == len(set(held)) == len(own)
    assert set(held) == set(own)


def test_resnet_follows_the_published_rule():
    torch.manual_seed(0)
    model = cifar_resnet(20)
    optimizer = sgd(model)
    balance = TempBalance(optimizer, model, rule="tb_linear")
    assert_partition(balance, optimizer)
    where = factor_by_name(balance, model)
    convs = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d)]
    twins = {n for n in convs if n.rpartition(".")[2].startswith("conv")}
    names = [name for name, _ in model.named_parameters()]
    assert where[names[0]] == ("base", 1.0)  # the first convolution
    assert where[names[-2]] == where[names[-1]] == ("base", 1.0)  # the classifier and its bias
    followed = 0
    for name in twins - {convs[0]}:
        norm = name.replace("conv", "bn") + ".weight"
        assert where[name + ".weight"][0] == name
        assert where[norm] == where[name + ".weight"]
        followed += 1
    assert followed == 18
    factors = set(balance.factors.values())
    assert min(factors) == 0.5
    assert max(factors) == 1.5


def test_sequential_norms_follow_by_order():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3),
        nn.BatchNorm2d(16),
        nn.Conv2d(16, 16, 3),
        nn.BatchNorm2d(16),
        nn.Conv2d(16, 16, 3),
        nn.GroupNorm(2, 16),
        nn.Flatten(),
        nn.Linear(16, 64),
        nn.LayerNorm(64),
        nn.Linear(64, 10),
    )
    where = factor_by_name(TempBalance(sgd(model), model), model)
    assert where["1.weight"][0] == "base"  # follows the first convolution
    assert (where["3.weight"][0], where["5.bias"][0]) == ("2", "4")
    assert where["8.weight"][0] == "base"
    choice = SpectraOptions(min_eigenvalues=16)
    every = factor_by_name(TempBalance(sgd(model), model, norms="all", spectra=choice), model)
    assert every["8.weight"][0] == every["7.weight"][0] == "7"
    none = factor_by_name(TempBalance(sgd(model), model, norms="none"), model)
    assert none["3.weight"][0] == "base"


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.fc = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(2 * width, width)


class Transformer(nn.Module):
    def __init__(self, width=64, depth=3, vocabulary=100):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.embed.weight


def test_blocks_share_the_mean_and_take_all_their_parameters():
    torch.manual_seed(0)
    model = Transformer()
    optimizer = torch.optim.AdamW(model.parameters())
    balance = TempBalance(optimizer, model, rule="tb_linear", group="block")
    assert_partition(balance, optimizer)
    where = factor_by_name(balance, model)
    assert list(balance.factors) == ["blocks.0", "blocks.1", "blocks.2"]
    assert all(
        label == (".".join(name.split(".")[:2]) if name.startswith("blocks.") else "base")
        for name, (label, _) in where.items()
    )
    rows = balance.trace().rows
    means = {
        block: sum(row.value for row in rows if row.group == block) / 6 for block in balance.factors
    }
    assert balance.factors == pytest.approx(allocate(means, rule="tb_linear").layers)


def test_fused_tensor_gets_the_mean_of_its_rows():
    torch.manual_seed(0)
    model = Transformer()
    balance = TempBalance(sgd(model), model, rule="tb_linear")
    where = factor_by_name(balance, model)
    thirds = [f for name, f in balance.factors.items() if name.startswith("blocks.1.attn.in_proj")]
    assert len(thirds) == 3
    assert where["blocks.1.attn.in_proj_weight"][1] == pytest.approx(sum(thirds) / 3)
    assert where["blocks.1.attn.in_proj_bias"] == where["blocks.1.attn.in_proj_weight"]
    assert where["embed.weight"] == ("base", 1.0)  # tied with the head


def test_kinds_can_share():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(32, 32, 3), nn.Conv2d(32, 64, 3), nn.Linear(64, 64), nn.Linear(64, 64)
    )
    balance = TempBalance(sgd(model), model, group="kind", skip=())
    assert set(balance.factors) == {"conv2d", "linear"}


class Spectral(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc0 = nn.Linear(64, 64)
        self.spectral = nn.ParameterDict(
            {"weights": nn.Parameter(torch.randn(8, 8, 12, dtype=torch.complex64))}
        )
        self.fc1, self.fc2, self.out = (nn.Linear(64, 64) for _ in range(3))


def test_complex_spectral_weights_are_an_option():
    torch.manual_seed(0)
    model = Spectral()
    optimizer = torch.optim.Adam(model.parameters())
    without = TempBalance(optimizer, model, dry_run=True)
    assert "spectral_convolutions" in without.left_out["spectral.weights"]
    balance = TempBalance(optimizer, model, spectral_convolutions=True)
    assert "spectral.weights" in balance.factors
    W = model.spectral["weights"]
    W.grad = torch.ones_like(W)
    before = W.detach().clone()
    optimizer.step()
    moved = (W.detach() - before).abs().mean()
    assert float(moved) == pytest.approx(1e-3 * balance.factors["spectral.weights"], rel=1e-3)


class Adapted(nn.Module):
    def __init__(self, base):
        super().__init__()
        self.base_layer = base.requires_grad_(False)
        self.lora_A, self.lora_B = nn.Linear(64, 4, bias=False), nn.Linear(4, 64, bias=False)
        nn.init.zeros_(self.lora_B.weight)


def test_adapters_follow_the_merged_matrix():
    torch.manual_seed(0)
    model = nn.Sequential(*(Adapted(layer) for layer in stack((2, 3, 4))))
    optimizer = sgd(model)
    balance = TempBalance(optimizer, model, rule="tb_linear")
    assert_partition(balance, optimizer)
    assert [f"{at}[merged]" for at in (1, 2, 3)] == list(balance.factors)
    assert list(balance.factors.values()) == pytest.approx([0.5, 1, 1.5], abs=1e-4)
    where = factor_by_name(balance, model)
    assert where["1.lora_A.weight"] == where["1.lora_B.weight"] == ("1[merged]", 0.5)
    assert where["0.lora_A.weight"] == where["4.lora_B.weight"] == ("base", 1.0)


def test_left_out_layers_say_why():
    model = nn.ModuleDict(
        {
            "a": nn.Linear(64, 64),
            "frozen": nn.Linear(64, 64),
            "small": nn.Linear(64, 20),
            "loose": nn.Linear(64, 64),
            "kept": nn.Linear(64, 64),
            "z": nn.Linear(64, 64),
        }
    )
    model["frozen"].requires_grad_(False)
    held = [p for name, p in model.named_parameters() if not name.startswith("loose")]
    optimizer = torch.optim.SGD(held, lr=0.1)
    balance = TempBalance(optimizer, model)
    assert list(balance.factors) == ["kept"]
    reasons = {name: reason.split()[0] for name, reason in balance.left_out.items()}
    assert reasons == {
        "a": "the",
        "z": "the",
        "frozen": "frozen,",
        "loose": "frozen,",
        "small": "20",
    }
    assert_partition(balance, optimizer)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": 0, "average": 1}, ("every", "average")),
        ({"max_overhead": -1}, ("max_overhead",)),
        ({"rule": "tb_best"}, ("tb_best", "tb_linear")),
        ({"tua": 3}, ("tua", "tau")),
        ({"group": "row", "norms": "some", "skip": "middle"}, ("group", "norms", "middle")),
        ({"scale": ("momentum_",)}, ("momentum_", "Try")),
        ({"tolerance": 0.1, "metric": "stable_rank"}, ("tolerance", "stable_rank")),
        ({"spectra": 3}, ("SpectraOptions",)),
        ({"rule": "tb_log2", "metric": "nonsense"}, ("nonsense",)),
        ({"group": "block"}, ("no layer", "matrix")),
        ({"spectra": SpectraOptions(min_eigenvalues=999)}, ("999", "Try")),
    ],
)
def test_bad_options_teach(options, words):
    model = stack((2, 3))
    with pytest.raises(InputError) as error:
        TempBalance(sgd(model), model, **options)
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.filterwarnings("ignore:optimizer contains:UserWarning")
def test_bad_optimizers_teach():
    model = stack((2, 3))
    W = model[1].weight
    with pytest.raises(InputError, match=r"shape \(64, 64\) twice"):
        TempBalance(torch.optim.SGD([model[1].bias, W, W], lr=0.1), model)
    with pytest.raises(InputError, match="one group only"):
        TempBalance(torch.optim.LBFGS(model.parameters()), model)
    with pytest.raises(InputError, match="torch optimizer"):
        TempBalance(model, model)
    optimizer = sgd(model)
    balance = TempBalance(optimizer, model)
    with pytest.raises(InputError, match="balanced already"):
        TempBalance(optimizer, model)
    balance.remove()
    TempBalance(optimizer, model)


# --- safe in training -----------------------------------------------------------------------------


def test_nan_keeps_the_factors_and_warns_once():
    model = stack((2, 3, 4))
    optimizer = sgd(model)
    balance = TempBalance(optimizer, model, rule="tb_linear", every=1)
    before, rates = balance.factors, balance.get_last_lr()
    kept = model[1].weight.detach().clone()
    with torch.no_grad():
        model[1].weight[0, 0] = math.nan
    with pytest.warns(UserWarning, match=r"weights of 1 are not finite"):
        assert balance.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        balance.step()
    assert balance.factors == before
    assert balance.get_last_lr() == rates
    notes = {row.name: row.note for row in balance.trace().rows if row.step == 2}
    assert notes == {"1": "weights not finite", "2": "factors kept", "3": "factors kept"}
    with torch.no_grad():
        model[1].weight.copy_(kept)
        model[3].weight.copy_(geometric(2.5))
    balance.step()
    assert list(balance.factors.values()) == pytest.approx([0.5, 1.5, 1.0], abs=1e-4)


def test_layers_without_an_exponent_keep_the_base_rate():
    model = stack((2, 3, 4, 5))
    with torch.no_grad():
        model[2].weight.zero_()
        model[3].weight.copy_(torch.eye(64))
    balance = TempBalance(sgd(model), model, rule="tb_linear")
    assert balance.factors == pytest.approx({"1": 0.5, "4": 1.5})
    assert factor_by_name(balance, model)["2.weight"] == ("base", 1.0)
    assert all("no exponent" in row.note for row in balance.trace().rows if row.name in "23")


def test_layers_may_freeze_and_appear():
    model = stack((2, 3, 4))
    optimizer = sgd(model)
    balance = TempBalance(optimizer, model, rule="tb_linear", every=1)
    model[3].requires_grad_(False)
    balance.step()
    assert balance.factors == pytest.approx({"1": 0.5, "2": 1.5})
    new = nn.Linear(64, 64)
    with torch.no_grad():
        new.weight.copy_(geometric(5.0))
    model.insert(1, new)
    optimizer.add_param_group({"params": list(new.parameters()), "lr": 0.3})
    assert_partition(balance, optimizer)  # even before the next update
    balance.step()
    assert balance.factors == pytest.approx({"1": 1.5, "2": 0.5, "3": 0.5 + 1 / 3}, abs=1e-4)
    assert factor_by_name(balance, model)["1.weight"] == ("1", pytest.approx(1.5))
    assert_partition(balance, optimizer)
    for layer in model:
        layer.requires_grad_(False)
    balance.step()
    assert balance.factors == {}


def test_a_rule_that_fails_in_training_keeps_the_factors():
    model = stack((2, 3, 4))
    balance = TempBalance(sgd(model), model, rule="tb_sqrt", metric="log_norm", every=1)
    before = balance.factors
    with torch.no_grad():
        model[2].weight.mul_(1e-4)  # a negative logarithm has no square root
    with pytest.warns(UserWarning, match="no factors can be had"):
        balance.step()
    assert balance.factors == before


def test_nothing_else_is_touched(capsys):
    model = random_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    attributes = [set(vars(module)) for module in model.modules()]
    state = torch.get_rng_state()
    optimizer = sgd(model)
    held = [dict(group) for group in optimizer.param_groups]
    runs = [TempBalance(optimizer, model, dry_run=True, noise_aware=True) for _ in range(2)]
    assert runs[0].factors == runs[1].factors
    assert torch.equal(torch.get_rng_state(), state)
    assert [set(vars(module)) for module in model.modules()] == attributes
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert [dict(group) for group in optimizer.param_groups] == held
    assert capsys.readouterr() == ("", "")


def test_dry_run_reports_only():
    model = stack((2, 3, 4))
    optimizer = sgd(model)
    balance = TempBalance(optimizer, model, rule="tb_linear", dry_run=True)
    assert list(balance.factors.values()) == pytest.approx([0.5, 1, 1.5], abs=1e-4)
    assert balance.get_last_lr() == [0.1]
    before = [layer.weight.detach().clone() for layer in model]
    for layer in model:
        layer.weight.grad = torch.ones_like(layer.weight)
    optimizer.step()
    for layer, old in zip(model, before, strict=True):
        assert torch.allclose(old - layer.weight.detach(), torch.tensor(0.1), atol=1e-5)
    assert not balance.trace().applied


# --- when -----------------------------------------------------------------------------------------


def test_interval_and_start():
    model = stack((2, 3))
    balance = TempBalance(sgd(model), model, every=3)
    assert [balance.step() for _ in range(7)] == [False, False, True] * 2 + [False]
    late = TempBalance(sgd(model), model, every=3, start=2)
    assert late.factors == {}
    assert [late.step() for _ in range(6)] == [False, True, False, False, True, False]


def test_overhead_is_kept_under_its_limit(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("eigenscape.balancing._meter.perf_counter", lambda: clock[0])
    model = stack((2, 3))
    balance = TempBalance(sgd(model), model, every=1, max_overhead=0.05, dry_run=True)
    costs = iter([0.3, 0.1, 0.5] * 100)
    read = balance._meter.read

    def slow(layer, tensors):
        clock[0] += next(costs)
        return read(layer, tensors)

    monkeypatch.setattr(balance._meter, "read", slow)
    updates = 0
    for _ in range(2000):
        clock[0] += 0.1
        updates += balance.step()
    assert balance.overhead > 0.03
    assert balance.overhead <= 0.05 * 1.05  # the worst cost of the first updates is not yet known
    assert updates < 30


def test_running_mean():
    model = stack((2.0, 3.0))
    balance = TempBalance(sgd(model), model, every=1, average=0.75, dry_run=True)
    with torch.no_grad():
        model[1].weight.copy_(geometric(4.0))
    balance.step()
    balance.step()
    averages = [row.average for row in balance.trace().rows if row.name == "1"]
    assert averages == pytest.approx([2.0, 2.5, 2.875], abs=1e-4)


def test_unmoved_layers_are_carried_within_the_tolerance():
    model = random_model()
    quick = TempBalance(sgd(model), model, every=1, tolerance=0.01, dry_run=True)
    exact = TempBalance(sgd(model), model, every=1, dry_run=True)
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        with torch.no_grad():
            for layer in model:
                layer.weight.add_(3e-6 * torch.randn(64, 64, generator=generator))
        quick.step()
        exact.step()
    pairs = list(zip(quick.trace().rows, exact.trace().rows, strict=True))
    assert sum(not row.fresh for row, _ in pairs) > 20
    assert max(abs(a.value - b.value) for a, b in pairs) <= 0.01
    assert all(b.fresh for _, b in pairs)


# --- the trace ------------------------------------------------------------------------------------


def drifting(**options):
    model = random_model()
    balance = TempBalance(sgd(model), model, every=2, **options)
    generator = torch.Generator().manual_seed(1)
    for _ in range(6):
        with torch.no_grad():
            for at, layer in enumerate(model):
                layer.weight.add_(0.02 * (at + 1) * torch.randn(64, 64, generator=generator))
        balance.step()
    return balance


def test_trace_round_trip_table_and_picture(tmp_path):
    trace = drifting().trace()
    assert trace.steps == (0, 2, 4, 6)
    back = load(trace.save(tmp_path / "trace.json"))
    assert isinstance(back, BalancingTrace)
    assert back == trace
    table = trace.frame()
    assert len(table) == 12
    for step, spread in trace.spread().items():
        assert spread == pytest.approx(table[table["step"] == step]["value"].std(ddof=0))
    trace.plot().savefig(tmp_path / "trace.png")
    many = random_model(depth=12)
    TempBalance(sgd(many), many).trace().plot().savefig(tmp_path / "many.png")


def test_trace_file_and_sinks(tmp_path):
    path, seen = tmp_path / "new" / "trace.csv", []
    balance = drifting(path=path, log=lambda numbers, step: seen.append((step, numbers)))
    with path.open() as handle:
        rows = list(csv.DictReader(handle))
    assert [float(row["factor"]) for row in rows] == [r.factor for r in balance.trace().rows]
    assert [step for step, _ in seen] == [0, 2, 4, 6]
    assert set(seen[0][1]) == {
        f"balancing/{n}/{what}" for n in "123" for what in ("alpha_hill", "factor")
    }
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="other columns"):
        drifting(path=path)
    with pytest.raises(InputError, match="folder"):
        drifting(path=tmp_path)


def test_tensorboard(tmp_path):
    tensorboard = pytest.importorskip(
        "torch.utils.tensorboard", reason='pip install "eigenscape[track]"'
    )
    with tensorboard.SummaryWriter(str(tmp_path)) as writer:
        drifting(log=tensorboard_sink(writer))
    assert any(tmp_path.iterdir())


# --- spectral-norm regularization -----------------------------------------------------------------


def test_penalty_is_the_gradient_of_half_the_squared_norm():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Linear(8, 5))
    with torch.no_grad():
        for layer in model:  # a clear leading direction, so that the iteration converges
            layer.weight.view(len(layer.weight), -1)[0] += 1.0
    expected = []
    for layer in model:
        norm = torch.linalg.matrix_norm(layer.weight.view(len(layer.weight), -1), ord=2)
        expected.append(torch.autograd.grad(0.2 / 2 * norm**2, layer.weight)[0])
    optimizer = sgd(model, lr=1.0)
    SpectralNormRegularizer(optimizer, 0.2, power_iterations=30)
    before = [layer.weight.detach().clone() for layer in model]
    bias = model[0].bias.detach().clone()
    state = torch.get_rng_state()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for layer, old, gradient in zip(model, before, expected, strict=True):
        assert torch.allclose(old - layer.weight.detach(), gradient, atol=1e-5)
    assert torch.equal(bias, model[0].bias.detach())
    assert torch.equal(torch.get_rng_state(), state)


def test_penalty_composes_with_balancing_and_resumes():
    def run(steps, saved=None):
        model = stack((2, 3, 4))
        optimizer = sgd(model, lr=0.01)
        balance = TempBalance(optimizer, model, rule="tb_linear")
        penalty = SpectralNormRegularizer(optimizer, 0.1, power_iterations=1)
        if saved is not None:
            model.load_state_dict(saved[0])
            penalty.load_state_dict(saved[1])
            balance.load_state_dict(saved[2])
        for _ in range(steps):
            for parameter in model.parameters():
                parameter.grad = torch.zeros_like(parameter)
            optimizer.step()
        states = {n: t.clone() for n, t in model.state_dict().items()}
        return states, penalty.state_dict(), balance.state_dict()

    whole, halves = run(6)[0], run(3, run(3))[0]
    assert all(torch.equal(whole[name], halves[name]) for name in whole)


def test_penalty_survives_what_training_brings():
    model = stack((2,), ends=False)
    optimizer = sgd(model)
    penalty = SpectralNormRegularizer(optimizer, 0.1)
    with torch.no_grad():
        model[0].weight[0, 0] = math.nan
    model[0].weight.grad = torch.zeros_like(model[0].weight)
    optimizer.step()
    assert torch.isfinite(model[0].weight.grad).all()
    penalty.remove()
    complex_ = nn.Parameter(torch.diag(torch.tensor([3.0, 1.0])).to(torch.complex64) * 1j)
    half = nn.Parameter(torch.diag(torch.tensor([3.0, 1.0])).half())
    other = torch.optim.SGD([complex_, half], lr=1.0)
    SpectralNormRegularizer(other, 0.1, power_iterations=30)
    for parameter in (complex_, half):
        parameter.grad = torch.zeros_like(parameter)
    other.step()
    assert abs(complex_.detach()[0, 0] - 2.7j) < 1e-4
    assert float(half.detach()[0, 0]) == pytest.approx(2.7, abs=2e-3)
    for bad in ({"strength": -1}, {"strength": 1, "power_iterations": 0}):
        with pytest.raises(InputError):
            SpectralNormRegularizer(other, **bad)
    with pytest.raises(InputError, match="generator"):
        penalty.load_state_dict({})
