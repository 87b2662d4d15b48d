"""Ablation: what the data say about a layer, by the loss when the layer is changed.

:func:`ablate` measures, for each layer, how much the loss grows when its entries are shuffled, when
a random matrix stands in its place, or when parts of its spectrum are removed
(:data:`CHANGES`); an :class:`AblationResult` has an :class:`AblatedLayer` for each, with an
:class:`Effect` for each change. An :class:`AblationEstimate` says before the start what it costs.
"""

from eigenscape.ablation._ablate import ablate as ablate
from eigenscape.ablation._changes import CHANGES as CHANGES
from eigenscape.ablation._plan import AblationEstimate as AblationEstimate
from eigenscape.ablation._result import AblatedLayer as AblatedLayer
from eigenscape.ablation._result import AblationResult as AblationResult
from eigenscape.ablation._result import Effect as Effect

__all__ = ["CHANGES", "AblatedLayer", "AblationEstimate", "AblationResult", "Effect", "ablate"]
