"""The content hash: equal content, equal hash; any change of content, another one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from eigenscape.errors import InputError
from eigenscape.results import ContentHash, content_hash

DIFFERENT = [
    None,
    0,
    0.0,
    -0.0,
    False,
    "",
    b"",
    Path("."),
    [],
    (),
    {},
    set(),
    np.zeros(2),
    np.zeros((2, 1)),
    np.zeros(2, dtype=np.float32),
    np.float64(0),
    torch.zeros(2),
    torch.zeros(2, 1),
    torch.zeros(2, dtype=torch.bfloat16),
    torch.zeros(2, dtype=torch.float16),
    torch.tensor(0.0),
    torch.tensor([0.0, -0.0]),
    ["ab", "c"],
    ["a", "bc"],
    ["abc"],
    [["abc"]],
]


def test_different_contents_have_different_hashes():
    assert len({content_hash(value) for value in DIFFERENT}) == len(DIFFERENT)
    assert len({content_hash(value, value) for value in DIFFERENT}) == len(DIFFERENT)


def test_how_a_tensor_lies_in_memory_does_not_count():
    tensor = torch.arange(12.0).reshape(3, 4)
    turned = tensor.T.contiguous().T
    assert not turned.is_contiguous()
    assert content_hash(turned) == content_hash(tensor)
    assert content_hash(tensor.requires_grad_()) == content_hash(tensor.detach().clone())
    complex_ = torch.tensor([1 + 2j, 3 - 1j])
    assert content_hash(complex_.conj()) == content_hash(torch.tensor([1 - 2j, 3 + 1j]))
    assert content_hash(complex_.conj().imag) == content_hash(torch.tensor([-2.0, 1.0]))
    assert content_hash(np.asfortranarray(tensor.detach())) == content_hash(tensor.detach().numpy())


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantized_tensors_differ_by_their_scale():
    values = torch.tensor([0.0, 1.0, 2.0])
    one, two = (torch.quantize_per_tensor(values * s, s, 0, torch.qint8) for s in (0.5, 0.25))
    assert torch.equal(one.int_repr(), two.int_repr())
    assert content_hash(one) != content_hash(two)


def test_values_one_by_one_are_values_together():
    state = ContentHash()
    for value in DIFFERENT:
        state.add(value)
    assert state.hexdigest() == content_hash(*DIFFERENT) != content_hash(DIFFERENT)


@pytest.mark.parametrize("value", [object(), lambda: 0, torch.zeros(2).to_sparse(), [object()]])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(InputError, match=r"Try: "):
        content_hash(value)


def test_another_process_gives_the_same_hash():
    code = (
        "import numpy as np; from eigenscape.results import content_hash;"
        "print(content_hash({'b': {3, 1, 2}, 'a': np.arange(3)}, 'x'))"
    )
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert seen == content_hash({"a": np.arange(3), "b": {2, 1, 3}}, "x")
