"""Checkpoints: the named weight tensors of a network, read safely, one at a time.

Reading
    :func:`open_checkpoint` takes a module, a state dict, a file, a folder or a hub id and returns a
    :class:`Checkpoint`: a mapping of names to tensors, each described by a :class:`TensorInfo`.
    :func:`effective_weights` gives the weights that act where masks, norms or scales are stored
    beside them.
Modules
    :func:`named_tensors` and :func:`named_modules` name a module's parts as a checkpoint of it
    does, without the parts of names that wrappers add; :func:`gathered` collects a tensor that
    :func:`is_sharded` over processes.
Writing
    :func:`save_checkpoint` writes tensors to a new ``.safetensors`` file, atomically.
    :class:`FolderCopy` is a copy of a model's folder in which tensors are replaced one by one.
Editing
    :class:`Patch` is what an edit changed, to the bit: made by comparing, applied without touching
    the original, reverted exactly, saved by itself.

No file is ever allowed to run code: pickles are read with ``weights_only=True`` or not at all.
"""

from eigenscape.checkpoints._checkpoint import Checkpoint as Checkpoint
from eigenscape.checkpoints._effective import effective_weights as effective_weights
from eigenscape.checkpoints._folder_copy import FolderCopy as FolderCopy
from eigenscape.checkpoints._open import CheckpointLike as CheckpointLike
from eigenscape.checkpoints._open import open_checkpoint as open_checkpoint
from eigenscape.checkpoints._patch import Patch as Patch
from eigenscape.checkpoints._save import save_checkpoint as save_checkpoint
from eigenscape.checkpoints._tensor_info import TensorInfo as TensorInfo
from eigenscape.checkpoints._tensors import gathered as gathered
from eigenscape.checkpoints._tensors import is_sharded as is_sharded
from eigenscape.checkpoints._wrappers import named_modules as named_modules
from eigenscape.checkpoints._wrappers import named_tensors as named_tensors

__all__ = [
    "Checkpoint",
    "CheckpointLike",
    "FolderCopy",
    "Patch",
    "TensorInfo",
    "effective_weights",
    "gathered",
    "is_sharded",
    "named_modules",
    "named_tensors",
    "open_checkpoint",
    "save_checkpoint",
]
