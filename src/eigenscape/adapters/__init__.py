"""Adapters: ranks or experts for each layer from the weights alone, ready for PEFT.

:func:`rank_pattern` gives plain LoRA a rank for each layer (a :class:`RankPattern`). AlphaLoRA:
:func:`expert_counts` gives each block a number of experts (:data:`MOLA` are the fixed patterns that
it is compared with); :func:`add_experts` builds a model with :class:`MixtureOfExperts` layers,
:func:`balance_loss` is what keeps its routers even, :func:`save_experts` and :func:`load_experts`
write and read it.
"""

from eigenscape.adapters._experts import MOLA as MOLA
from eigenscape.adapters._experts import expert_counts as expert_counts
from eigenscape.adapters._mixture import MixtureOfExperts as MixtureOfExperts
from eigenscape.adapters._peft import add_experts as add_experts
from eigenscape.adapters._peft import balance_loss as balance_loss
from eigenscape.adapters._peft import load_experts as load_experts
from eigenscape.adapters._peft import save_experts as save_experts
from eigenscape.adapters._ranks import RankPattern as RankPattern
from eigenscape.adapters._ranks import rank_pattern as rank_pattern

__all__ = [
    "MOLA",
    "MixtureOfExperts",
    "RankPattern",
    "add_experts",
    "balance_loss",
    "expert_counts",
    "load_experts",
    "rank_pattern",
    "save_experts",
]
