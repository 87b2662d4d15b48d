"""Where tokens come from: texts, files, arrays; and what turns a text into ids."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenscape.errors import InputError, MissingExtraError

Encode = Callable[[str], Any]
_SUFFIXES = {".txt", ".md", ".jsonl", ".json", ".npy"}
_LONGEST_NAME = 4096


def documents_of(source: Any, tokenizer: Any, field: str) -> tuple[list[Tensor], str]:
    """Return the documents of a source as ids, int64, and what to call it.

    Raises:
        InputError: as :meth:`Tokens.of` says.
    """
    if isinstance(source, Path) or (isinstance(source, str) and _names_a_file(source)):
        path = Path(source)
        return _of_file(path, tokenizer, field), str(path)
    if isinstance(source, str):
        return [_encoded(source, tokenizer, "the text")], f"a text of {len(source):,} characters"
    if isinstance(source, Tensor | np.ndarray):
        return _of_array(source, "the array"), f"ids of shape {tuple(source.shape)}"
    if isinstance(source, Sequence) and source:
        if all(isinstance(item, int | np.integer) for item in source):
            return _of_array(np.asarray(source), "the list"), f"{len(source)} ids"
        name = f"a list of {len(source)} documents"
        return [_document(item, tokenizer, f"item {n}") for n, item in enumerate(source)], name
    raise InputError(
        f"tokens cannot be made of {source!r:.60} ({type(source).__name__}); expected a text, the "
        "path of a file, an array of ids, or a list of texts or arrays that is not empty"
    )


def _names_a_file(text: str) -> bool:
    if not text or "\n" in text or "\0" in text or len(text) > _LONGEST_NAME:
        return False
    suffixed = Path(text).suffix.lower() in _SUFFIXES and " " not in text
    try:
        return suffixed or Path(text).is_file()
    except OSError:  # longer than a name may be
        return False


def _document(item: Any, tokenizer: Any, where: str) -> Tensor:
    if isinstance(item, str):
        return _encoded(item, tokenizer, where)
    array = item if isinstance(item, Tensor) else np.asarray(item)
    if array.ndim != 1:
        raise InputError(f"{where} has the shape {tuple(array.shape)}; expected ids (n,)")
    return _ids(array, where)


# ---------------------------------------------------------------------- files


def _of_file(path: Path, tokenizer: Any, field: str) -> list[Tensor]:
    if path.suffix.lower() == ".npy":
        return _of_array(_array(path), str(path))
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}. Try: check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start}). Try: save it as UTF-8"
        ) from error
    if not text.strip():
        raise InputError(f"{path} is empty. Try: give a file with text in it")
    if path.suffix.lower() == ".jsonl":
        return [
            _of_line(line, number, path, tokenizer, field)
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip()
        ]
    return [_encoded(text, tokenizer, str(path))]


def _array(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a corrupt header raises errors of any kind
        raise InputError(
            f"{path} cannot be read as an array of ids: {type(error).__name__}. "
            "Try: write it with numpy.save"
        ) from error


def _of_line(line: str, number: int, path: Path, tokenizer: Any, field: str) -> Tensor:
    where = f"line {number} of {path}"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not JSON ({error}). Try: one JSON object a line") from error
    if not isinstance(row, dict) or field not in row:
        seen = f"an object with keys {', '.join(map(str, row))}" if isinstance(row, dict) else line
        raise InputError(
            f"{where} is {seen:.100}; expected an object with '{field}'. "
            "Try: field='the key that holds the text or the ids'"
        )
    value = row[field]
    if not isinstance(value, str | list):
        raise InputError(f"{where}: '{field}' is a {type(value).__name__}; expected text or ids")
    return _document(value, tokenizer, where)


# ---------------------------------------------------------------------- ids


def _of_array(array: Any, where: str) -> list[Tensor]:
    shape = tuple(array.shape)
    if len(shape) not in (1, 2) or 0 in shape:
        raise InputError(f"{where} has the shape {shape}; expected ids (n,) or (k, n)")
    ids = _ids(array, where)
    return [ids] if ids.ndim == 1 else list(ids)


def _ids(array: Any, where: str) -> Tensor:
    whole = (
        not (array.is_floating_point() or array.is_complex() or array.dtype == torch.bool)
        if isinstance(array, Tensor)
        else array.dtype.kind in "iu" or not array.size
    )
    if not whole:
        raise InputError(f"{where} holds {array.dtype}; expected whole numbers, the ids of tokens")
    if isinstance(array, Tensor):
        ids = array.detach().to("cpu", torch.int64).clone()
    else:
        ids = torch.from_numpy(array.astype(np.int64))
    if ids.numel() and int(ids.min()) < 0:
        raise InputError(f"{where} has the id {int(ids.min())}; expected ids from 0")
    return ids


# ---------------------------------------------------------------------- tokenizers


def _encoded(text: str, tokenizer: Any, where: str) -> Tensor:
    if tokenizer is None:
        raise InputError(
            f"{where} is text, and there is no tokenizer. Try: tokenizer= (--tokenizer) the folder "
            "of the model; in Python also an object with encode or a function to ids; or give ids"
        )
    ids = encoder(tokenizer)(text)
    try:
        return _document(list(ids), None, f"the tokenizer's answer to {where}")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the tokenizer answered with a {type(ids).__name__}; expected a list of ids ({error})"
        ) from error


def encoder(tokenizer: Any) -> Encode:
    """Return the function from a text to its ids, without special tokens.

    Raises:
        InputError: nothing that can encode.
        MissingExtraError: a path, and ``tokenizers`` is not installed.

    >>> encoder(lambda text: [ord(letter) - 97 for letter in text])("cab")
    [2, 0, 1]
    """
    if isinstance(tokenizer, str | os.PathLike):
        tokenizer = _opened(Path(tokenizer))
    if callable(getattr(tokenizer, "encode", None)):
        return lambda text: _by_encode(tokenizer, text)
    if callable(tokenizer):
        answer: Encode = tokenizer
        return answer
    raise InputError(
        f"the tokenizer is a {type(tokenizer).__name__}; expected an object with encode, a "
        "function from text to ids, or a path"
    )


def _by_encode(tokenizer: Any, text: str) -> Iterable[int]:
    try:
        answer = tokenizer.encode(text, add_special_tokens=False)
    except TypeError:  # one that knows no special tokens
        answer = tokenizer.encode(text)
    ids: Iterable[int] = getattr(answer, "ids", answer)
    return ids


def _opened(path: Path) -> Any:
    """Open a tokenizer from its files; these are data, and nothing in them is run."""
    file = path / "tokenizer.json" if path.is_dir() else path
    pair = path / "vocab.json", path / "merges.txt"
    if not file.is_file() and not all(part.is_file() for part in pair):
        raise InputError(
            f"{path} holds no tokenizer; expected tokenizer.json, or vocab.json and merges.txt. "
            "Try: tokenizer= (--tokenizer) the folder that holds them; or ids instead of text"
        )
    try:
        import tokenizers
    except ImportError as error:
        raise MissingExtraError("tokenizers", "hf", f"the tokenizer of {path}") from error
    try:
        if not file.is_file():
            return tokenizers.ByteLevelBPETokenizer(str(pair[0]), str(pair[1]))
        opened = tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare exceptions
        raise InputError(f"{file} cannot be read as a tokenizer: {error!s:.160}") from error
    opened.no_truncation()
    opened.no_padding()
    return opened
