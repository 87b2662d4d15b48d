"""The published allocations: seven LLaMA models, from the exponents that AlphaPruning ships."""

import numpy as np
import pytest

from eigenscape.allocation import allocate
from tests._data import data_file

# model: hidden, intermediate, width of k and v
SHAPES = {
    "llama-7b": (4096, 11008, 4096),
    "llama-13b": (5120, 13824, 5120),
    "llama-30b": (6656, 17920, 6656),
    "llama-65b": (8192, 22016, 8192),
    "llama2-7b": (4096, 11008, 4096),
    "llama2-13b": (5120, 13824, 5120),
    "llama2-70b": (8192, 28672, 1024),
}
PARTS = ("q", "k", "v", "o", "gate", "down", "up")

# LLaMA-7B, mean over the seven matrices of a block, from the same file
BLOCK_ALPHA = """
2.622161 2.889890 2.968962 2.964461 3.089984 3.063815 2.960608 2.745569 2.775207 2.608615 2.716712
2.729706 2.784302 2.851670 2.896570 3.176652 3.123034 3.446092 3.871534 3.606035 3.894475 4.065989
3.755078 3.714630 3.994079 4.220435 4.102447 4.160386 3.850811 4.093433 4.160116 3.537446"""

# LLaMA-7B: (sparsity, epsilon) -> (scaler, sparsity of each block), by the published formula
LLAMA_7B = {
    (0.7, 0.2): (
        0.71004336,
        """
0.570422 0.617598 0.631531 0.630738 0.652856 0.648245 0.630059 0.592167 0.597390 0.568035 0.587082
0.589372 0.598992 0.610863 0.618775 0.668128 0.658680 0.715606 0.790572 0.743789 0.794615 0.824837
0.770052 0.762925 0.812166 0.852052 0.831261 0.841471 0.786921 0.829673 0.841423 0.731703""",
    ),
    (0.7, 0.3): (
        0.71517389,
        """
0.504228 0.575504 0.596555 0.595356 0.628774 0.621807 0.594331 0.537082 0.544972 0.500622 0.529400
0.532859 0.547394 0.565329 0.577282 0.651847 0.637572 0.723578 0.836840 0.766158 0.842948 0.888609
0.805837 0.795069 0.869465 0.929726 0.898315 0.913739 0.831323 0.895915 0.913668 0.747898""",
    ),
    (0.8, 0.2): (
        0.81147812,
        """
0.651910 0.705826 0.721750 0.720843 0.746122 0.740852 0.720068 0.676763 0.682731 0.649182 0.670951
0.673568 0.684563 0.698129 0.707171 0.763575 0.752777 0.817835 0.903511 0.850045 0.908131 0.942671
0.880059 0.871914 0.928190 0.973774 0.950013 0.961681 0.899338 0.948198 0.961626 0.836232""",
    ),
    (0.8, 0.1): (
        0.80569818,
        """
0.726483 0.753249 0.761154 0.760704 0.773253 0.770636 0.760318 0.738820 0.741783 0.725128 0.735935
0.737234 0.742693 0.749427 0.753916 0.781917 0.776557 0.808854 0.851387 0.824844 0.853681 0.870827
0.839745 0.835701 0.863638 0.886268 0.874472 0.880265 0.849315 0.873571 0.880238 0.817987""",
    ),
}

# model -> epsilon, scaler, first three blocks, smallest, block of the largest, the largest; at 0.7
OTHERS = {
    "llama-13b": (0.3, 0.683759, (0.4786, 0.5690, 0.5766), 0.4786, 30, 0.8889),
    "llama-30b": (0.3, 0.619211, (0.4334, 0.4780, 0.5802), 0.4334, 32, 0.8050),
    "llama-65b": (0.3, 0.607932, (0.4256, 0.4555, 0.5301), 0.4256, 49, 0.7903),
    "llama2-7b": (0.3, 0.659815, (0.4619, 0.5647, 0.6397), 0.4619, 20, 0.8578),
    "llama2-13b": (0.3, 0.664444, (0.4651, 0.5313, 0.6029), 0.4651, 29, 0.8638),
    "llama2-70b": (0.3, 0.665405, (0.4658, 0.4718, 0.5094), 0.4658, 60, 0.8650),
}

EXPERTS_7B = [
    3,
    3,
    4,
    3,
    4,
    4,
    3,
    3,
    3,
    3,
    3,
    3,
    3,
    3,
    3,
    4,
    4,
    5,
    7,
    6,
    7,
    8,
    6,
    6,
    7,
    8,
    8,
    8,
    7,
    8,
    8,
    5,
]
EXPERTS_2_7B = [
    1,
    3,
    4,
    4,
    4,
    4,
    3,
    3,
    3,
    3,
    3,
    2,
    3,
    3,
    3,
    4,
    5,
    5,
    7,
    6,
    8,
    8,
    8,
    7,
    8,
    7,
    6,
    8,
    7,
    7,
    8,
    5,
]
REFERENCE_2_7B = [
    1,
    3,
    4,
    4,
    4,
    4,
    3,
    4,
    3,
    3,
    3,
    2,
    3,
    3,
    3,
    4,
    5,
    6,
    7,
    6,
    6,
    8,
    8,
    7,
    8,
    7,
    6,
    8,
    7,
    7,
    8,
    5,
]


def exponents(model):
    alphas = np.load(data_file(f"alphapruning/{model}-hf.alpha_peak.npy"))
    wide, inner, narrow = SHAPES[model]
    sizes = [wide * wide, wide * narrow, wide * narrow, wide * wide, *[wide * inner] * 3]
    return {
        f"model.layers.{block}.{part}": {"alpha": alpha, "parameters": size}
        for block, row in enumerate(alphas.reshape(-1, 7))
        for part, alpha, size in zip(PARTS, row, sizes, strict=True)
    }


def sparsities(model, total, epsilon, **options):
    return allocate(exponents(model), kind="sparsity", total=total, epsilon=epsilon, **options)


def scaler(result, epsilon):
    """The factor from the rule's scores to the sparsities: at the mean alpha range's ends."""
    groups = list(result.groups.values())
    low, high = min(groups) / (1 - epsilon), max(groups) / (1 + epsilon)
    assert low == pytest.approx(high, rel=1e-12)
    return low


def test_block_exponents():
    rows = exponents("llama-7b")
    means = np.array([row["alpha"] for row in rows.values()]).reshape(-1, 7).mean(1)
    assert means == pytest.approx([float(x) for x in BLOCK_ALPHA.split()], abs=1e-6)
    assert sum(row["parameters"] for row in rows.values()) == 6_476_005_376


@pytest.mark.parametrize("case", LLAMA_7B)
def test_llama_7b_by_the_published_formula(case):
    total, epsilon = case
    factor, expected = LLAMA_7B[case]
    result = sparsities("llama-7b", total, epsilon, rule="alphapruning", reference=True)
    assert list(result.groups.values()) == pytest.approx(
        [float(x) for x in expected.split()], abs=1e-6
    )
    assert scaler(result, epsilon) == pytest.approx(factor, abs=1e-8)
    ours = sparsities("llama-7b", total, epsilon)
    assert list(ours.groups.values()) == pytest.approx(list(result.groups.values()), abs=1e-12)
    assert ours.clipped == ()
    assert sum(ours.entries_to_prune().values()) == round(total * 6_476_005_376)


def test_an_impossible_published_allocation_is_filled():
    legacy = sparsities("llama-7b", 0.8, 0.3, reference=True)
    groups = list(legacy.groups.values())
    assert [groups[i] for i in (21, 25, 26, 27, 29, 30)] == pytest.approx(
        [1.015553, 1.062544, 1.026645, 1.044274, 1.023903, 1.044192], abs=1e-6
    )
    assert scaler(legacy, 0.3) == pytest.approx(0.81734159, abs=1e-8)
    assert "6 of 32 groups exceed 1" in legacy.notes[-1]
    ours = sparsities("llama-7b", 0.8, 0.3)
    groups = list(ours.groups.values())
    assert groups[:3] == pytest.approx([0.5851, 0.6678, 0.6922], abs=5e-5)
    assert [i for i, s in enumerate(groups) if s == 0.99] == [21, 24, 25, 26, 27, 29, 30]
    assert ours.total == pytest.approx(0.8, abs=1e-14)
    assert sum(ours.entries_to_prune().values()) == round(0.8 * 6_476_005_376)


@pytest.mark.parametrize(
    ("total", "factor", "blocks"),
    [
        (
            0.7,
            0.72902531,
            {
                0: (0.5843, 0.5832, 0.7189, 0.7150, 0.6046, 0.7478, 0.6072),
                1: (0.5894, 0.5876, 0.6290, 0.7488, 0.6468, 0.7665, 0.6905),
                31: (0.6330, 0.6418, 0.7368, 0.7111, 0.7147, 0.7316, 0.7254),
            },
        ),
        (
            0.8,
            0.83317178,
            {
                0: (0.6678, 0.6665, 0.8216, 0.8171, 0.6910, 0.8546, 0.6940),
                31: (0.7234, 0.7335, 0.8420, 0.8127, 0.8168, 0.8361, 0.8290),
            },
        ),
    ],
)
def test_llama_7b_matrix_by_matrix(total, factor, blocks):
    result = sparsities("llama-7b", total, 0.2, group="matrix", reference=True)
    for block, expected in blocks.items():
        got = [result[f"model.layers.{block}.{part}"] for part in PARTS]
        assert got == pytest.approx(expected, abs=1e-4)
    assert scaler(result, 0.2) == pytest.approx(factor, abs=1e-8)


@pytest.mark.parametrize("model", OTHERS)
def test_other_models(model):
    epsilon, factor, first, smallest, where, largest = OTHERS[model]
    result = sparsities(model, 0.7, epsilon, reference=True)
    groups = np.array(list(result.groups.values()))
    assert scaler(result, epsilon) == pytest.approx(factor, abs=1e-6)
    assert groups[:3] == pytest.approx(first, abs=5e-5)
    assert (groups.argmin(), groups.argmax()) == (0, where)
    assert (groups.min(), groups.max()) == pytest.approx((smallest, largest), abs=5e-5)
    assert sparsities(model, 0.7, epsilon).total == pytest.approx(0.7, abs=1e-14)


def test_experts_of_two_models():
    def experts(model, **options):
        return allocate(exponents(model), kind="experts", rule="alphalora", **options)

    assert list(experts("llama-7b", total=160).groups.values()) == EXPERTS_7B
    assert list(experts("llama-7b", total=160, reference=True).groups.values()) == EXPERTS_7B
    ours = experts("llama2-7b", total=160)
    assert list(ours.groups.values()) == EXPERTS_2_7B
    assert ours.total == 160
    legacy = experts("llama2-7b", total=160, reference=True)
    assert list(legacy.groups.values()) == REFERENCE_2_7B
    # the published repair visits one block again and again: 9 becomes 14
    legacy = experts("llama2-7b", total=224, beta=1, reference=True)
    assert legacy.groups["model.layers.27"] == 14
    assert max(experts("llama2-7b", total=224, beta=1).groups.values()) == 9
