"""The small U-Net, the shapes it is tried on, and the measure it is judged by."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from eigenscape import zoo
from eigenscape.errors import InputError
from eigenscape.models import build
from eigenscape_studies import networks
from eigenscape_studies.networks._shapes import _inside
from tests._properties import examples

# ---- shapes


def test_shapes_have_the_promised_form():
    split = networks.shapes(20, size=24, test_fraction=0.2)
    assert (split.train_inputs.shape, split.train_inputs.dtype) == ((16, 1, 24, 24), torch.float32)
    assert (split.test_labels.shape, split.test_labels.dtype) == ((4, 24, 24), torch.int64)
    assert split.train_labels.unique().tolist() == [0, 1, 2, 3]
    assert bool((split.train_labels.flatten(1).max(dim=1).values > 0).all())  # never empty


def test_shapes_follow_the_seed_only():
    state = torch.get_rng_state()
    first, second, other = (networks.shapes(8, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.train_inputs, second.train_inputs)
    assert torch.equal(first.test_labels, second.test_labels)
    assert not torch.equal(first.train_inputs, other.train_inputs)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_every_shape_has_the_area_of_the_circle(kind):
    step = 0.01
    axis = torch.arange(-2.5, 2.5, step, dtype=torch.float64).numpy()
    covered = _inside(kind, axis[None, :], axis[:, None], 1.0)
    assert covered.sum() * step**2 == pytest.approx(torch.pi, rel=0.01)


def test_a_triangle_points_up_and_a_square_has_corners():
    axis = torch.arange(-2.0, 2.0, 0.05).double().numpy()
    triangle, square, circle = (_inside(k, axis[None, :], axis[:, None], 1.0) for k in (3, 2, 1))
    widths = triangle.sum(axis=1)[triangle.any(axis=1)]
    assert (widths[1:] >= widths[:-1]).all()  # row 0 is the top
    assert set(square.sum(axis=1).tolist()) == {0, int(square.sum(axis=1).max())}
    assert (circle & ~square).any()
    assert (square & ~circle).any()


def test_shapes_stand_out_from_the_background():
    split = networks.shapes(60)
    for image, mask in zip(split.train_inputs[:, 0], split.train_labels, strict=True):
        inside, outside = image[mask > 0], image[mask == 0]
        assert (inside - outside.mean()).abs().mean() > 0.25


@pytest.mark.parametrize(
    "options",
    [
        {"count": 1},
        {"count": 10, "test_fraction": 0.0},
        {"count": 10, "test_fraction": 1.0},
        {"count": 10, "size": 7},
    ],
)
def test_empty_parts_and_tiny_pictures_are_refused(options):
    with pytest.raises(InputError, match="at least one picture in each part, and a size of 8"):
        networks.shapes(**options)


# ---- the network


def test_the_parameters_of_the_formula():
    def pair(inputs, outputs):
        return 9 * (inputs * outputs + outputs * outputs) + 4 * outputs

    model = networks.UNet(channels=3, classes=5, width=4, depth=3)
    down = pair(3, 4) + pair(4, 8) + pair(8, 16) + pair(16, 32)
    up = pair(32 + 16, 16) + pair(16 + 8, 8) + pair(8 + 4, 4)
    head = 4 * 5 + 5
    assert sum(weight.numel() for weight in model.parameters()) == down + up + head
    assert model(torch.zeros(2, 3, 16, 24)).shape == (2, 5, 16, 24)


def test_every_level_and_every_skip_matters():
    model = build(networks.UNet).eval()
    image = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    model(image)[0, 0, 16, 16].backward()
    reach = (image.grad[0, 0] != 0).nonzero()
    # The receptive field: 2 pairs of 3x3 at each of the sizes 32, 16, 8 on the way down and up.
    assert (reach.max(0).values - reach.min(0).values + 1).min() > 24
    before = model(torch.ones(1, 1, 32, 32))
    with torch.no_grad():  # the input channels of the last block that come over the skip
        model.up[1][0].weight[:, :8] = 0
    assert not torch.equal(before, model(torch.ones(1, 1, 32, 32)))


@pytest.mark.parametrize("shape", [(1, 1, 30, 32), (1, 32, 32)])
def test_pictures_that_cannot_be_halved_are_refused(shape):
    with pytest.raises(InputError, match="multiples of 4"):
        networks.UNet()(torch.zeros(shape))


def test_a_size_below_one_is_refused():
    with pytest.raises(InputError, match="depth=0; give each 1 or more"):
        networks.UNet(depth=0)


# ---- the measure


def logits_of(guess, classes):
    return nn.functional.one_hot(guess, classes).movedim(-1, 1).float()


@examples(40)
@given(seed=st.integers(0, 999), classes=st.integers(1, 5), batch_size=st.integers(1, 4))
def test_mean_iou_counts_sets_of_pixels(seed, classes, batch_size):
    generator = torch.Generator().manual_seed(seed)
    guess, truth = torch.randint(classes, (2, 3, 2, 3), generator=generator)
    where = [
        ({*map(tuple, (m == c).nonzero().tolist())}) for c in range(classes) for m in (guess, truth)
    ]
    ratios = [
        len(a & b) / len(a | b) for a, b in zip(where[::2], where[1::2], strict=True) if a | b
    ]
    measured = networks.mean_iou(
        nn.Identity(), logits_of(guess, classes), truth, batch_size=batch_size
    )
    assert measured == pytest.approx(sum(ratios) / len(ratios))


def test_a_perfect_guess_is_one_and_the_mode_is_restored():
    masks = torch.tensor([[[0, 1], [2, 2]]])
    model = nn.Dropout(0.9)
    assert networks.mean_iou(model, logits_of(masks, 4), masks) == 1.0
    assert model.training


@pytest.mark.parametrize(
    ("logits", "masks"),
    [
        (torch.zeros(0, 2, 4, 4), torch.zeros(0, 4, 4).long()),
        (torch.zeros(2, 2, 4, 4), torch.zeros(1, 4, 4).long()),
        (torch.zeros(2, 2, 4, 4), torch.zeros(2, 4, 5).long()),
        (torch.zeros(2, 2), torch.zeros(2).long()),
        (torch.zeros(2, 2, 4, 4), torch.full((2, 4, 4), 2)),
        (torch.zeros(2, 2, 4, 4), torch.full((2, 4, 4), -1)),
    ],
)
def test_masks_must_fit_the_logits(logits, masks):
    with pytest.raises(InputError, match="mean_iou has"):
        networks.mean_iou(nn.Identity(), logits, masks)


# ---- training


def trained(learning_rate, split):
    model = build(lambda: networks.UNet(width=6))
    options = {"epochs": 8, "batch_size": 8, "optimizer": "adam", "weight_decay": 0.0}
    inputs, masks = split.train_inputs, split.train_labels
    log = zoo.train(model, inputs, masks, learning_rate=learning_rate, **options)
    return networks.mean_iou(model, split.test_inputs, split.test_labels), log


@pytest.mark.slow
def test_train_takes_masks_and_a_tiny_rate_learns_less():
    split = networks.shapes(240)
    good, log = trained(1e-2, split)
    poor, slow = trained(1e-4, split)
    assert log.steps == 8 * 23
    assert log.losses[0] > 2 * log.final_loss
    assert good > poor + 0.05
    assert slow.final_loss > log.final_loss


def test_training_repeats_and_the_first_loss_is_the_mean_over_pixels():
    split = networks.shapes(24)
    expected = nn.functional.cross_entropy(
        build(networks.UNet)(split.train_inputs).movedim(1, -1).flatten(0, 2),
        split.train_labels.flatten(),
    )
    logs = []
    for _ in range(2):
        model = build(networks.UNet)
        options = {"epochs": 1, "batch_size": 18, "learning_rate": 1e-3}
        logs.append(zoo.train(model, split.train_inputs, split.train_labels, **options))
    assert logs[0] == logs[1]
    assert logs[0].final_loss == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "low", "high"), [(1e-4, 0, 0.3), (1e-2, 0.6, 1), (1.0, 0, 0.4)])
def test_learning_rates_too_small_and_too_large_are_worse(rate, low, high):
    split = networks.shapes()
    model = build(networks.UNet)
    options = {"epochs": 15, "batch_size": 16, "optimizer": "adam", "weight_decay": 0.0}
    zoo.train(model, split.train_inputs, split.train_labels, learning_rate=rate, **options)
    assert low < networks.mean_iou(model, split.test_inputs, split.test_labels) < high
