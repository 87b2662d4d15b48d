"""The single-index problem: a teacher, three sets of its labels, and an untrained student."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch

from eigenscape_studies.laboratory._links import link
from eigenscape_studies.laboratory._options import LabOptions


class Samples(NamedTuple):
    """Inputs (n, d) and labels (n,)."""

    X: torch.Tensor
    y: torch.Tensor


@dataclass(frozen=True)
class SingleIndex:
    """A teacher of one direction, its data, and a student at its start: all that is random.

    Args:
        beta: the teacher's direction, (d,), of norm 1.
        train: the set that the student is trained on.
        probe: a set for alignment and for fitting the read-out.
        test: a set for the read-out's test loss.
        W: the student's hidden weights at the start, (h, d).
        a: its read-out, (h,), never trained.
    """

    beta: torch.Tensor
    train: Samples
    probe: Samples
    test: Samples
    W: torch.Tensor
    a: torch.Tensor

    @classmethod
    def draw(cls, options: LabOptions) -> Self:
        r"""Draw teacher, data and student.

        .. math:: y = \sigma_*(\beta_*^T x) + \rho\,\epsilon, \qquad x \sim N(0, I_d),
                  \quad W_{ij}, a_j \sim N(0, 1)

        Each part has a random stream of its own: another n leaves teacher and student as they are.

        >>> problem = SingleIndex.draw(LabOptions(n=8, d=4, h=6))
        >>> tuple(problem.W.shape), round(float(problem.beta.norm()), 6)
        ((6, 4), 1.0)
        """
        dtype = torch.float64 if options.dtype == "float64" else torch.float32
        states = np.random.SeedSequence(options.seed).generate_state(6)
        streams = [torch.Generator().manual_seed(int(state)) for state in states]

        def normal(stream: torch.Generator, *shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=stream, dtype=dtype)

        direction = normal(streams[0], options.d)
        beta = direction / direction.norm()
        curve = link(options.link)

        def samples(stream: torch.Generator, count: int) -> Samples:
            X = normal(stream, count, options.d)
            return Samples(X, curve(X @ beta) + options.noise * normal(stream, count))

        return cls(
            beta=beta,
            train=samples(streams[1], options.n),
            probe=samples(streams[2], options.n),
            test=samples(streams[3], options.n_test),
            W=normal(streams[4], options.h, options.d),
            a=normal(streams[5], options.h),
        )
