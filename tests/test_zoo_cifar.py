"""CIFAR ResNets: the architecture by formula, and the published checkpoints."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from eigenscape import zoo
from eigenscape.errors import CheckpointError, InputError, UnsafeCheckpointError
from eigenscape.models import build
from eigenscape.zoo._cifar_resnet import CifarResNet, cifar_resnet, load_cifar_resnet


def data_file(name):
    """Return a file of the folder of real data, or skip the test with the reason."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("EIGENSCAPE_DATA", beside)) / name
    if not path.is_file():
        pytest.skip(f"real data: {path} is absent; set EIGENSCAPE_DATA to the folder that holds it")
    return path


def formula(blocks):
    """Trainable parameters: stem, 3 stages of 2 * blocks convolutions with norms, head."""
    stem = 3 * 16 * 9 + 2 * 16
    stages = 0
    for inputs, outputs in ((16, 16), (16, 32), (32, 64)):
        convolutions = inputs * outputs * 9 + (2 * blocks - 1) * outputs * outputs * 9
        stages += convolutions + 2 * blocks * 2 * outputs
    return stem + stages + 64 * 10 + 10


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_parameter_counts_follow_the_formula(depth):
    model = cifar_resnet(depth)
    assert sum(weight.numel() for weight in model.parameters()) == formula((depth - 2) // 6)
    layers = [weight for weight in model.parameters() if weight.ndim > 1]
    assert len(layers) == depth  # a depth counts the layers with weights
    assert "layer3.0.conv2.weight" in model.state_dict()


def test_shapes_and_classes():
    model = cifar_resnet(20, classes=7).eval()
    shapes = []
    for stage in (model.layer1, model.layer2, model.layer3):
        stage.register_forward_hook(
            lambda _module, _inputs, output: shapes.append(output.shape[1:])
        )
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_the_shortcut_slices_and_pads_with_zeros():
    block = cifar_resnet(20).layer2[0].eval()
    torch.nn.init.zeros_(block.bn2.weight)  # silences the residual branch
    images = torch.rand(2, 16, 6, 6, generator=torch.Generator().manual_seed(0))
    output = block(images)
    assert torch.equal(output[:, 8:24], images[:, :, ::2, ::2])
    assert output[:, :8].abs().max() == output[:, 24:].abs().max() == 0


@pytest.mark.parametrize("depth", [0, 18, 26, 50])
def test_other_depths_are_refused(depth):
    with pytest.raises(InputError, match=rf"depth={depth}.*6 n \+ 2.*20, 32, 44, 56"):
        cifar_resnet(depth)


def saved(path, model, prefix="module.", edit=None):
    state = {f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()}
    if edit is not None:
        edit(state)
    torch.save({"state_dict": state, "best_prec1": 50.0}, path)
    return path


@pytest.mark.parametrize(("depth", "prefix"), [(20, "module."), (32, "")])
def test_a_checkpoint_is_read_back_as_it_was(tmp_path, depth, prefix):
    state = torch.get_rng_state()
    model = build(lambda: cifar_resnet(depth, classes=5), seed=4)
    loaded = load_cifar_resnet(saved(tmp_path / "model.th", model, prefix))
    assert torch.equal(state, torch.get_rng_state())
    assert not any(module.training for module in loaded.modules())
    expected = model.state_dict()
    assert list(expected) == list(loaded.state_dict())
    assert all(torch.equal(expected[name], t) for name, t in loaded.state_dict().items())


def test_a_bare_state_dict_without_counters_fits(tmp_path):
    model = cifar_resnet(20)
    state = {k: v for k, v in model.state_dict().items() if "num_batches" not in k}
    torch.save(state, tmp_path / "bare.th")
    assert torch.equal(load_cifar_resnet(tmp_path / "bare.th").linear.weight, model.linear.weight)


def spoil(state):
    del state["module.layer2.1.bn1.weight"]
    state["module.layer2.0.shortcut.0.weight"] = torch.zeros(32, 16, 1, 1)
    state["module.conv1.weight"] = torch.zeros(16, 1, 3, 3)


def test_tensors_that_do_not_fit_are_all_named(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        load_cifar_resnet(saved(tmp_path / "odd.th", cifar_resnet(20), edit=spoil))
    message = str(caught.value)
    assert "ResNet-20" in message
    assert "1 missing: layer2.1.bn1.weight" in message
    assert "1 not of this network: layer2.0.shortcut.0.weight" in message
    assert "conv1.weight (16, 1, 3, 3) instead of (16, 3, 3, 3)" in message


def test_another_network_is_refused(tmp_path):
    path = saved(tmp_path / "mlp.th", zoo.MLP(4, [3], 2))
    with pytest.raises(CheckpointError, match=r"not a CIFAR ResNet.*no linear\.weight.*layers\.0"):
        load_cifar_resnet(path)
    path = saved(tmp_path / "26.th", CifarResNet(4))
    with pytest.raises(CheckpointError, match=r"it has 4 blocks in layer1"):
        load_cifar_resnet(path)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    torch.save({"state_dict": Bomb(tmp_path / "went off")}, tmp_path / "bomb.th")
    with pytest.raises(UnsafeCheckpointError, match="save its state_dict alone"):
        load_cifar_resnet(tmp_path / "bomb.th")
    assert not (tmp_path / "went off").exists()


@pytest.mark.parametrize(
    "content", [b"", b"hello world\n", b'{"a": 1}', bytes(range(256)) * 8, b"PK\x03\x04 cut"]
)
def test_foreign_bytes_are_refused(tmp_path, content):
    path = tmp_path / "foreign.th"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"is {len(content)} bytes that torch cannot read"):
        load_cifar_resnet(path)


def test_absent_files_and_other_contents_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint file at"):
        load_cifar_resnet(tmp_path / "absent.th")
    torch.save([1, 2], tmp_path / "list.th")
    with pytest.raises(CheckpointError, match="holds a list without a mapping"):
        load_cifar_resnet(tmp_path / "list.th")


@pytest.mark.parametrize(
    ("name", "depth", "entries", "best", "right"),
    [
        ("resnet20-12fca82f.th", 20, 271_098, 91.78, 94),
        ("resnet56-4bfd9763.th", 56, 857_082, 93.62, 96),
    ],
)
def test_published_checkpoints_classify_real_images(name, depth, entries, best, right):
    path = data_file(f"cifar_resnet/{name}")
    images = data_file("cifar10/test100_exact.npz")
    content = torch.load(path, weights_only=True, map_location="cpu")
    assert round(content["best_prec1"], 2) == best
    model = load_cifar_resnet(path)
    trainable = sum(weight.numel() for weight in model.parameters())
    statistics = sum(t.numel() for n, t in model.named_buffers() if "running" in n)
    assert trainable == formula((depth - 2) // 6)
    # the file's entries are the trainable parameters and the running means and variances
    assert (
        trainable + statistics == entries == sum(t.numel() for t in content["state_dict"].values())
    )
    with np.load(images) as arrays:
        pixels = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2) / 255
        labels = torch.from_numpy(arrays["labels"]).long()
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    assert zoo.accuracy(model, (pixels - mean) / std, labels) == pytest.approx(right / 100)
