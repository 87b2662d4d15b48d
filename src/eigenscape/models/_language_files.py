"""Loads a language model from a Hugging Face folder, without running any code in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eigenscape.checkpoints import Checkpoint, open_checkpoint
from eigenscape.errors import InputError, MissingExtraError, UnsafeCheckpointError
from eigenscape.models._random import seeded

_SHOWN = 4


def load_language_model(
    source: str | os.PathLike[str], dtype: torch.dtype | None
) -> tuple[nn.Module, str]:
    """Return the model of a folder or hub id, in evaluation mode on the CPU, and its folder.

    Raises:
        InputError: no causal language model, or weights that are missing or have other shapes.
        UnsafeCheckpointError: the model or its weights would run code.
        MissingExtraError: transformers is not installed.
    """
    checkpoint = open_checkpoint(source)
    file = checkpoint.infos()[0].file
    if checkpoint.format == "GGUF":
        raise InputError(
            f"{source} is a GGUF file, from which no language model is made here. Try: the folder "
            "of the original model, or llama.cpp's llama-perplexity"
        )
    if "model_type" not in checkpoint.config or file is None:
        raise InputError(
            f"{source} has no config.json that says which model it is. Try: the folder that "
            "save_pretrained wrote, with an adapter merged; or, in Python, "
            "LanguageModel.of(module)"
        )
    folder = str(Path(file).parent)
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "hf", f"the language model {source}") from error
    with _left_as_found(transformers):
        return _loaded(transformers, checkpoint, folder, dtype), folder


def _loaded(
    transformers: Any, checkpoint: Checkpoint, folder: str, dtype: torch.dtype | None
) -> nn.Module:
    asked = {
        "trust_remote_code": False,
        "local_files_only": True,
        "output_loading_info": True,
        "dtype": dtype or "auto",
    }
    try:
        config = transformers.AutoConfig.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
        if "safetensors" in checkpoint.format:
            model, info = transformers.AutoModelForCausalLM.from_pretrained(
                folder, config=config, use_safetensors=True, **asked
            )
        else:  # torch files, read by a reader that runs nothing
            kind = transformers.AutoModelForCausalLM._model_mapping[type(config)]
            del asked["trust_remote_code"]
            model, info = kind.from_pretrained(
                None, config=config, state_dict=dict(checkpoint), **asked
            )
    except Exception as error:  # the library raises errors of any kind
        text = str(error).strip().splitlines()
        first = text[0][:200] if text else type(error).__name__
        if "trust_remote_code" in str(error) or "custom code" in str(error):
            raise UnsafeCheckpointError(
                f"{folder} needs code of its own, which is never executed. Try: in Python, make "
                "the module yourself where you trust the code, and LanguageModel.of(module)"
            ) from error
        raise InputError(
            f"{folder} cannot be loaded as a causal language model ({first}). Try: a model that "
            "AutoModelForCausalLM of the installed transformers knows"
        ) from error
    _check_complete(info, folder)
    module: nn.Module = model.eval()
    return module


def _check_complete(info: dict[str, Any], folder: str) -> None:
    """The library fills gaps with random numbers and goes on; that is no model."""
    missing = sorted(map(str, info.get("missing_keys") or ()))
    other = sorted(str(item) for item in info.get("mismatched_keys") or ())
    if missing or other:
        names = ", ".join((missing + other)[:_SHOWN])
        raise InputError(
            f"{folder} lacks {len(missing)} tensors of its model, and {len(other)} have other "
            f"shapes: {names}. Try: fetch it again; its config and weights do not belong together"
        )


@contextmanager
def _left_as_found(transformers: Any) -> Iterator[None]:
    """No progress bars meanwhile; random state, default type and these afterwards as before."""
    logs = transformers.utils.logging
    shown, verbosity = logs.is_progress_bar_enabled(), logs.get_verbosity()
    default = torch.get_default_dtype()
    logs.disable_progress_bar()
    logs.set_verbosity_error()
    try:
        with seeded(0):
            yield
    finally:
        torch.set_default_dtype(default)
        logs.set_verbosity(verbosity)
        if shown:
            logs.enable_progress_bar()
