"""The curvature of language models that answer with their own loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from eigenscape import zoo
from eigenscape.errors import InputError
from eigenscape.landscape import hessian, top_eigenpairs
from eigenscape.models import Objective, build

VOCABULARY = 11


class _Answers(nn.Module):
    """A model that answers with its loss and its logits, as those of transformers do."""

    def __init__(self, *, shift: int = 1, more: float = 0.0, width: int = 8) -> None:
        super().__init__()
        self.net = zoo.GPT(VOCABULARY, width=width, depth=1, heads=2, context=9)
        self.shift, self.more = shift, more

    def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.net(input_ids)
        seen = logits[:, : logits.shape[1] - self.shift].flatten(0, 1)
        loss = cross_entropy(seen, labels[:, self.shift :].flatten())
        return {"loss": loss + self.more * self.net.head.weight.square().sum(), "logits": logits}


def _llama() -> Any:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=True,
        attn_implementation="eager",
        use_cache=False,
    )
    return transformers.LlamaForCausalLM(config)


def _batch(rows: int = 2) -> dict[str, Tensor]:
    ids = torch.randint(VOCABULARY, (rows, 9), generator=torch.Generator().manual_seed(0))
    labels = ids.clone()
    labels[0, :3] = -100
    return {"input_ids": ids, "labels": labels}


def _objective(make: Any = _Answers, **options: Any) -> Objective:
    options = {"dtype": torch.float64, **options}
    return Objective(build(make, seed=0), None, _batch(), **options)


def _gauss_newton(objective: Objective, shift: int) -> Tensor:
    """The matrix J^T H_out J itself, in closed form."""
    batch = _batch()

    def logits(point: Tensor) -> Tensor:
        found: Any = torch.func.functional_call(
            objective.model, objective.space.split(point), kwargs=batch
        )
        wanted = batch["labels"][:, shift:] != -100
        scored: Tensor = found["logits"][:, : 9 - shift][wanted]  # (n, V)
        return scored

    center = objective.center
    jacobian = torch.func.jacrev(logits)(center)  # (n, V, P)
    chances = logits(center).softmax(-1).detach()
    bend = torch.diag_embed(chances) - chances[:, :, None] * chances[:, None, :]
    return torch.einsum("nap,nab,nbq->pq", jacobian, bend, jacobian) / len(chances)


@pytest.mark.slow
@pytest.mark.parametrize("make", [_Answers, _llama])
def test_the_lean_path_finds_the_eigenvalue_of_the_matrix_itself(make: Any) -> None:
    objective = _objective(make)
    dense = objective.hvp(torch.eye(objective.space.count))
    values = torch.linalg.eigvalsh((dense + dense.T) / 2)
    found = top_eigenpairs(objective, method="recurrence", tolerance=1e-4)
    assert float(found.values[0]) == pytest.approx(float(values[-1]), rel=1e-6)
    assert float(found.residuals[0]) <= 1e-4
    low, high = found.rest
    assert low <= float(values[0])
    assert high >= float(values[-2])
    single = top_eigenpairs(
        _objective(make, dtype=torch.float32), method="recurrence", tolerance=1e-3
    )
    assert float(single.values[0]) == pytest.approx(float(values[-1]), rel=1e-4)
    assert float(single.residuals[0]) <= 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0, 1])
def test_gauss_newton_with_the_models_own_loss_is_the_matrix_itself(shift: int) -> None:
    objective = _objective(lambda: _Answers(shift=shift, width=4))
    explicit = _gauss_newton(objective, shift)
    found = objective.hvp(torch.eye(objective.space.count), kind="ggn")
    assert torch.allclose(found, explicit, rtol=1e-8, atol=1e-10 * float(explicit.abs().max()))
    pair = top_eigenpairs(objective, matrix="ggn", method="recurrence", tolerance=1e-5)
    top = float(torch.linalg.eigvalsh(explicit)[-1])
    assert float(pair.values[0]) == pytest.approx(top, rel=1e-8)


@pytest.mark.slow
def test_gauss_newton_of_a_model_of_transformers() -> None:
    objective = _objective(_llama)
    explicit = _gauss_newton(objective, 1)
    vectors = torch.randn(len(explicit), 3, dtype=torch.float64)
    found = objective.hvp(vectors, kind="ggn")
    expected = explicit @ vectors
    assert float((found - expected).norm() / expected.norm()) < 1e-5  # its norms are in float32
    held = objective.operator("ggn")(vectors)
    assert torch.equal(held, found)


def test_several_networks_with_their_own_losses() -> None:
    models = [build(_Answers, seed=seed) for seed in (0, 1)]
    both = Objective(models, None, _batch(), dtype=torch.float64)
    vectors = torch.randn(2, both.space.count, dtype=torch.float64)
    found = both.products(None, vectors, "ggn")
    for place in (0, 1):
        alone = both.network(place).hvp(vectors.T, kind="ggn")
        assert torch.allclose(found[place].T, alone)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: _Answers(more=1.0), "is not the mean cross-entropy of its labels"),
        (lambda: _Answers(shift=2), "is not the mean cross-entropy of its labels"),
    ],
)
def test_another_loss_is_refused_for_gauss_newton(make: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        hessian(_objective(make), matrix="ggn", n_eigenvalues=1, trace_probes=2)


def test_a_model_without_logits_is_refused_for_gauss_newton() -> None:
    class LossAlone(_Answers):
        def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
            return {"loss": super().forward(input_ids, labels)["loss"]}

    with pytest.raises(InputError, match="answers with no logits"):
        _objective(LossAlone).operator("ggn")
