"""Stacks of expert matrices kept in one 3-D parameter, as mixtures of experts store them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import torch

from eigenscape.layers._linear import as_stack
from eigenscape.layers._matrix import Candidate
from eigenscape.layers._options import SpectraOptions
from eigenscape.layers._registry import Reading, layer_handler, matrix

_NAME = re.compile(r"expert|(^|[._])moe($|[._])", re.IGNORECASE)


def one_expert(tensors: Sequence[torch.Tensor], *, index: int) -> torch.Tensor:
    """(experts, rows, cols) -> (1, rows, cols)."""
    return tensors[0][index : index + 1]


@layer_handler
def experts(candidate: Candidate, options: SpectraOptions) -> Reading:
    """A 3-D parameter (experts, rows, cols) with an expert's name."""
    if len(candidate.shape) != 3 or not _NAME.search(candidate.name):
        return None
    return read_experts(candidate, options, inferred="3-D tensor with an expert's name")


def read_experts(candidate: Candidate, options: SpectraOptions, *, inferred: str) -> Reading:
    """Read (experts, rows, cols) as one pool, or as a row for each expert."""
    count, rows, cols = candidate.shape
    if not options.split_experts:
        return [matrix(candidate, "experts", candidate.shape, as_stack, inferred=inferred)]
    return [
        matrix(
            candidate,
            "expert",
            (1, rows, cols),
            partial(one_expert, index=index),
            part=str(index),
            inferred=inferred,
        )
        for index in range(count)
    ]
