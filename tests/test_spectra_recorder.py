"""The recorder of updates and weights, against plain singular value decompositions."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from eigenscape.errors import InputError
from eigenscape.spectra import UpdateRecorder, decompose, overlap
from eigenscape_studies.laboratory import LabOptions, SingleIndex, run_experiment
from eigenscape_studies.laboratory._single_index import gradient


def matrix(rows, cols, seed):
    return torch.randn(rows, cols, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (30, 30)])
def test_decomposition_and_overlap_equal_full_svd(shape):
    A, B = matrix(*shape, 0), matrix(*shape, 1)
    values, top = decompose(A, 5)
    U, s, Vt = np.linalg.svd(A.double().numpy(), full_matrices=False)
    assert np.allclose(values, s[::-1] ** 2)
    assert np.allclose(top.values, s[:5])
    U2, _, V2t = np.linalg.svd(B.double().numpy(), full_matrices=False)
    found = overlap(top, decompose(B, 5)[1])
    assert found.left == pytest.approx((U[:, 0] @ U2[:, 0]) ** 2)
    assert found.right == pytest.approx((Vt[0] @ V2t[0]) ** 2)
    assert found.left_block == pytest.approx(((U[:, :5].T @ U2[:, :5]) ** 2).sum() / 5)
    assert found.right_block == pytest.approx(((Vt[:5] @ V2t[:5].T) ** 2).sum() / 5)
    assert (found.left_random, found.right_random) == (5 / shape[0], 5 / shape[1])


def test_a_singular_matrix_has_its_own_norm():
    model = nn.Linear(30, 30, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.diag(torch.linspace(0, 3, 30)))
    recorder = UpdateRecorder(model, every=1)
    assert recorder.step() is None
    (row,) = recorder.step()
    assert row["spectral_norm"] == pytest.approx(3)
    assert row["update_norm"] == 0


def test_rank_bounds_the_block_and_zero_has_no_direction():
    low = torch.outer(torch.arange(1.0, 9), torch.arange(1.0, 6))
    _, top = decompose(low, 4)
    assert top.values.shape == (1,)
    assert overlap(top, top).left == pytest.approx(1)
    _, nothing = decompose(torch.zeros(8, 5), 4)
    assert math.isnan(overlap(top, nothing).left)
    with pytest.raises(InputError, match="1 of 40 entries of the 8x5 matrix are not finite"):
        decompose(
            low.index_fill(0, torch.tensor(0), 0.0).index_put_(
                (torch.tensor([2]), torch.tensor([2])), torch.tensor(math.inf)
            ),
            2,
        )


def test_recorder_sees_in_a_torch_model_what_the_laboratory_sees():
    options = LabOptions(n=400, d=100, h=150, n_test=10, steps=4, measures=("overlap",))
    expected = run_experiment(options)
    problem = SingleIndex.draw(options)
    layer = nn.Linear(100, 150, bias=False)
    with torch.no_grad():
        layer.weight.copy_(problem.W)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1.0)
    recorder = UpdateRecorder(layer, every=1)
    state = torch.random.get_rng_state()
    recorder.step()
    for _ in range(4):
        _, layer.weight.grad = gradient(layer.weight.detach().clone(), problem.a, problem.train)
        optimizer.step()
        recorder.step()
    assert torch.equal(state, torch.random.get_rng_state())
    rows = recorder.history()
    assert rows["step"].tolist() == [1, 2, 3, 4]
    for (_, row), record in zip(rows.iterrows(), expected.records[1:], strict=True):
        assert row["after_left"] == pytest.approx(record.overlap_left, abs=2e-3)
        assert row["after_right_block"] == pytest.approx(record.block_right, abs=2e-2)
        assert row["before_right_block"] == pytest.approx(record.block_right_before, abs=2e-2)
        assert row["spectral_norm"] == pytest.approx(record.spectral_norm, rel=1e-3)
        assert row["update_stable_rank"] == pytest.approx(record.update_stable_rank, rel=2e-2)
    assert rows["spikes"].min() >= 1
    assert rows["after_left"].iloc[0] > 0.97
    assert math.isnan(rows["drift_left"].iloc[0])
    assert rows["drift_left"].iloc[1:].between(0, 1).all()


def test_layers_of_a_real_network_spans_and_cost():
    model = nn.Sequential(
        nn.Conv2d(3, 24, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24 * 36, 32), nn.Linear(32, 10)
    )
    recorder = UpdateRecorder(model, every=3, span=2, block=4)
    assert recorder.layers == ("0", "3")  # the head has ten eigenvalues: too few
    assert recorder.cost()["copied_bytes"] == 4 * (24 * 27 + 32 * 24 * 36)
    for step in range(9):
        with torch.no_grad():
            model[3].weight.add_(torch.outer(torch.ones(32), torch.ones(864)), alpha=1.0)
        recorder.step(step)
    rows = recorder.history().set_index(["name", "step"])
    assert sorted(rows.loc["3"].index) == [2, 5, 8]
    assert rows.loc[("3", 8), "after_left"] == pytest.approx(1, abs=1e-3)
    assert rows.loc[("3", 8), "update_spikes"] >= 1
    assert rows.loc[("0", 8), "note"] == "the layer did not move"
    assert rows.loc[("0", 8), "drift_left"] == pytest.approx(1)
    assert UpdateRecorder(model, include=["3"]).layers == ("3",)


def test_non_finite_weights_are_a_row_and_recording_goes_on():
    model = nn.Linear(20, 30)
    recorder = UpdateRecorder(model, every=1)
    recorder.step()
    clean = model.weight.detach().clone()
    with torch.no_grad():
        model.weight[0, 0] = math.nan
    recorder.step()
    with torch.no_grad():
        model.weight.copy_(clean)
    recorder.step()
    recorder.step()
    rows = recorder.history()
    assert rows["note"].tolist()[:2] == ["weights not finite: nothing recorded"] * 2
    assert math.isfinite(rows["spectral_norm"].iloc[-1])


def test_refusals():
    with pytest.raises(InputError, match="span 5, every 2"):
        UpdateRecorder(nn.Linear(20, 30), every=2, span=5)
    with pytest.raises(InputError, match="no layer of this model can be recorded"):
        UpdateRecorder(nn.Linear(2, 2))
