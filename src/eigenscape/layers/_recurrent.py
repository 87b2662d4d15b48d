"""Recurrent weights: one matrix for each gate of an RNN, GRU or LSTM."""

from __future__ import annotations

import re
from functools import partial

from torch import nn

from eigenscape.layers._linear import row_block, whole
from eigenscape.layers._matrix import Candidate
from eigenscape.layers._options import SpectraOptions
from eigenscape.layers._registry import Reading, layer_handler, matrix

_LEAF = re.compile(r"^weight_(ih|hh|hr)((?:_l\d+)?(?:_reverse)?)$")
#: Gate names in the order in which torch stacks them, by their number.
GATES = {1: ("h",), 3: ("r", "z", "n"), 4: ("i", "f", "g", "o")}


@layer_handler
def recurrent(candidate: Candidate, options: SpectraOptions) -> Reading:  # noqa: ARG001
    """``weight_ih``, ``weight_hh`` (gates * hidden, width) and the projection ``weight_hr``."""
    match = _LEAF.match(candidate.leaf)
    if match is None or len(candidate.shape) != 2:
        return None
    rows, cols = candidate.shape
    known = isinstance(candidate.owner, nn.RNNBase | nn.RNNCellBase)
    source = f"module type {type(candidate.owner).__name__}" if known else "the name"
    if match.group(1) == "hr":
        return [matrix(candidate, "recurrent_projection", (1, rows, cols), whole, inferred=source)]
    hidden = _hidden_size(candidate, match.group(2))
    count, remainder = divmod(rows, hidden) if hidden else (0, 1)
    if remainder or count not in GATES:
        inferred = f"{source}; gates unknown: {rows} rows, hidden size {hidden or 'not found'}"
        return [matrix(candidate, "recurrent", (1, rows, cols), whole, inferred=inferred)]
    return [
        matrix(
            candidate,
            "recurrent_gate",
            (1, hidden, cols),
            partial(row_block, index=index, count=count),
            part=gate,
            inferred=f"{source}; {count} gate{'s' if count > 1 else ''} of {hidden}",
        )
        for index, gate in enumerate(GATES[count])
    ]


def _hidden_size(candidate: Candidate, suffix: str) -> int:
    owner = candidate.owner
    if isinstance(owner, nn.RNNBase | nn.RNNCellBase):
        return int(owner.hidden_size)
    projection = candidate.sibling(f"weight_hr{suffix}")
    if projection is not None:  # (projected, hidden)
        return projection.shape[1]
    recurrent_weight = candidate.sibling(f"weight_hh{suffix}")
    return recurrent_weight.shape[1] if recurrent_weight is not None else 0
