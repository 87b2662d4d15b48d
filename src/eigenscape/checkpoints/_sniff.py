"""Tell what a file is by its bytes; the suffix is used only if the bytes do not decide."""

from __future__ import annotations

import pickletools
import zipfile
from enum import Enum
from pathlib import Path

from eigenscape.checkpoints._errors import runs_code, teaching
from eigenscape.checkpoints._gguf_header import MAGIC
from eigenscape.checkpoints._text import few
from eigenscape.checkpoints._unsupported import unsupported, unsupported_bytes
from eigenscape.errors import CheckpointError, UnsafeCheckpointError

_PUSHES_TEXT = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "UNICODE", "BINUNICODE8"})
_MOST = 1 << 20  # names stand at a pickle's beginning


def pickle_globals(path: Path) -> list[str]:
    """Return the classes and functions that a pickle names, in order; nothing is executed.

    What follows a corrupt instruction is not listed.
    """
    with path.open("rb") as file:
        head = file.read(_MOST)
    found: dict[str, None] = {}
    texts: list[str] = []
    try:
        for instruction, argument, _ in pickletools.genops(head):
            if instruction.name == "GLOBAL":
                found[str(argument).replace(" ", ".")] = None
            elif instruction.name == "STACK_GLOBAL":
                found[".".join(texts[-2:])] = None
            elif instruction.name in _PUSHES_TEXT:
                texts.append(str(argument))
    except Exception:  # the disassembler raises errors of any kind where the bytes are no pickle
        return list(found)
    return list(found)


_HEAD = 512
_PICKLE = b"\x80"
_LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number that old torch.save begins with
_ZIP = b"PK\x03\x04"
_MAX_HEADER = 100_000_000  # the safetensors format's own limit


class Kind(Enum):
    """The files that can be read."""

    SAFETENSORS = "safetensors"
    TORCH_ZIP = "torch zip"
    TORCH_LEGACY = "torch legacy"
    GGUF = "gguf"


def _instead(path: Path) -> str:
    """Say what a path that is not there may have been meant for."""
    if path.name != str(path) or path.suffix:
        return "check the path"
    return (
        f"check the path; for a model of the Hugging Face Hub give its owner too, OWNER/{path}, or "
        f"download it: hf download OWNER/{path} --local-dir {path}"
    )


def sniff(path: Path) -> Kind:
    """Return what a file is.

    Raises:
        UnsafeCheckpointError: it is a plain Python pickle.
        CheckpointError: it is missing, empty, or of a kind that cannot be read.
    """
    with teaching(path):
        if not path.exists():
            raise CheckpointError(f"no such file: {path}. Try: {_instead(path)}")
        if not path.is_file():
            raise CheckpointError(f"{path} is not a regular file; expected a file or a folder")
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if not head:
            raise CheckpointError(
                f"{path} is empty (0 bytes). Try: fetch it again, or save it again"
            )
        return _kind(path, head)


def _kind(path: Path, head: bytes) -> Kind:
    if _is_safetensors(head):  # first: the header's length may begin with any other's magic
        return Kind.SAFETENSORS
    if head.startswith(_ZIP):
        _check_zip(path)
        return Kind.TORCH_ZIP
    if head.startswith(MAGIC):
        return Kind.GGUF
    if head.startswith(_PICKLE):
        if _LEGACY_MAGIC not in head[:32]:
            raise _plain_pickle(path)
        return Kind.TORCH_LEGACY
    raise CheckpointError(
        unsupported_bytes(path, head)
        or unsupported(path, path.suffix.lower())
        or f"{path} is not a supported checkpoint: it begins with {head[:16]!r}; expected "
        "a .safetensors or .gguf file, or a file of torch.save (.pt, .pth, .th, .ckpt, .bin). "
        "Try: check that the download is whole, or convert it to safetensors"
    )


def _plain_pickle(path: Path) -> CheckpointError:
    named = pickle_globals(path)
    if named:
        return runs_code(path, few(named))
    return UnsafeCheckpointError(
        f"{path} is a plain Python pickle, not a file of torch.save; pickles can run code, and "
        "this one was not opened. Try: torch.save(state_dict, path) in the program that made it"
    )


def _is_safetensors(head: bytes) -> bool:
    """A header's length in 8 bytes, then its JSON object."""
    if len(head) < 9 or head[8:9] != b"{":
        return False
    length = int.from_bytes(head[:8], "little")
    return 0 < length <= _MAX_HEADER


def _check_zip(path: Path) -> None:
    """Refuse archives that are not torch.save's, and those whose members cannot be mapped."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"{path} begins like a file of torch.save but its end is missing or corrupt ({error}), "
            f"at {path.stat().st_size} bytes. Try: copy, download or save it again"
        ) from error
    names = [member.filename for member in members]
    if any(name.endswith(".npy") for name in names):
        raise CheckpointError(unsupported(path, ".npz"))
    inside = [name.partition("/")[2] for name in names]
    if "constants.pkl" in inside or any(name.startswith("code/") for name in inside):
        raise CheckpointError(
            f"{path} is a TorchScript archive: a program with its weights, not a state dict. Try: "
            "torch.save(torch.jit.load(path).state_dict(), new_path), where you trust the file"
        )
    if "models/model.json" in inside or "archive_format" in inside:
        raise CheckpointError(
            f"{path} is a program of torch.export, not a state dict. Try: "
            "torch.save(torch.export.load(path).state_dict, new_path), where you trust the file"
        )
    if "data.pkl" not in inside:
        raise CheckpointError(
            f"{path} is a zip archive, but not of torch.save: it holds {few(names) or 'nothing'}. "
            "Try: unpack it, and give the checkpoint inside"
        )
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise CheckpointError(
            f"{path} was compressed after torch.save wrote it; expected its members as stored. "
            "Try: save it again, or fetch the original"
        )
