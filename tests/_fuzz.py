"""A process that damages files and reads them: ``python -m tests._fuzz KIND SEED SECONDS FOLDER``.

Prints one JSON line for each fault: an exception that is not ours, or a file that was opened and
not named. The system refuses memory beyond the limit, so that a reader that asks for it fails.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import eigenscape
from eigenscape.allocation import allocate, read_metric
from eigenscape.checkpoints import Patch, open_checkpoint, save_checkpoint
from eigenscape.cli import main
from eigenscape.diagnosis import read_population
from eigenscape.errors import EigenscapeError
from eigenscape.landscape import Landscape
from eigenscape.models import Tokens
from eigenscape.results import load
from eigenscape.runs import Task, execute
from eigenscape.spectra import analyze
from eigenscape.topology import merge_tree, read_grid
from tests._gguf_files import small_llama, write_llama
from tests._results import EXAMPLES

#: No reader of these files of a few kilobytes may ask for more than this at once.
MEMORY_LIMIT = 1 << 30
#: Values of a JSON leaf that no writer of ours writes there.
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    10**30,
    float("nan"),
    "",
    "x",
    "\x1b[31m",
    [],
    {},
    [1, "a"],
    {"a": 1},
)
#: No more cases than these in one run.
MOST = 2000
Make = Callable[[Path], Path]
Read = Callable[[Path], object]


def weights() -> dict[str, torch.Tensor]:
    """Return a network's tensors: a matrix, a convolution, a bias and a step counter."""
    torch.manual_seed(0)
    return {
        "0.weight": torch.randn(40, 33),
        "0.bias": torch.randn(40),
        "1.weight": torch.randn(16, 4, 3, 3).half(),
        "steps": torch.tensor(3),
    }


def _safetensors(folder: Path) -> Path:
    return save_checkpoint(weights(), folder / "seed.safetensors")


def _torch(folder: Path) -> Path:
    torch.save({"state_dict": weights(), "epoch": 3}, folder / "seed.pt")
    return folder / "seed.pt"


def _torch_legacy(folder: Path) -> Path:
    path = folder / "seed.pth"
    torch.save(weights(), path, _use_new_zipfile_serialization=False)
    return path


def _gguf(kind: str) -> Make:
    return lambda folder: write_llama(folder / "seed.gguf", small_llama(), kind)


def _index(folder: Path) -> Path:
    whole = weights()
    names = list(whole)
    for number, some in enumerate((names[:2], names[2:]), start=1):
        shard = folder / f"model-0000{number}-of-00002.safetensors"
        save_checkpoint({name: whole[name] for name in some}, shard)
    where = {name: f"model-0000{1 + (name in names[2:])}-of-00002.safetensors" for name in names}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 9000}, "weight_map": where}))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 33}))
    return index


def _adapter(folder: Path) -> Path:
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    factors = {f"{name}A.weight": torch.randn(8, 64), f"{name}B.weight": torch.randn(64, 8)}
    save_checkpoint(factors, folder / "adapter_model.safetensors")
    config = folder / "adapter_config.json"
    about: dict[str, Any] = {
        "peft_type": "LORA",
        "r": 8,
        "lora_alpha": 16,
        "rank_pattern": {},
        "alpha_pattern": {},
    }
    config.write_text(json.dumps({**about, "use_rslora": False, "target_modules": ["q_proj"]}))
    return config


def _patch(folder: Path) -> Path:
    before, after = weights(), weights()
    after["0.weight"][3] = 0
    return Patch.diff(before, after).save(folder / "seed.safetensors")


def _landscape(folder: Path) -> Path:
    result = EXAMPLES["Landscape"]()
    assert isinstance(result, Landscape)
    return result.save(folder / "seed.nc")


def _grid(suffix: str) -> Make:
    values = np.add.outer(np.arange(7.0) ** 2, np.arange(6.0))

    def make(folder: Path) -> Path:
        path = folder / f"seed{suffix}"
        if suffix == ".npy":
            np.save(path, values)
        elif suffix == ".npz":
            np.savez_compressed(path, loss=values, x=np.arange(7.0), y=np.arange(6.0))
        elif suffix == ".csv":
            rows = [f"{x},{y},{values[x, y]}" for x in range(7) for y in range(6)]
            path.write_text("\n".join(["x,y,loss", *rows]))
        elif suffix == ".txt":
            np.savetxt(path, values)
        else:
            import h5py

            with h5py.File(path, "w") as file:
                file["train_loss"] = values
                file["xcoordinates"], file["ycoordinates"] = np.arange(7.0), np.arange(6.0)
        return path

    return make


def _result(name: str) -> Make:
    return lambda folder: EXAMPLES[name]().save(folder / "seed.json")


def _table(folder: Path) -> Path:
    path = folder / "seed.json"
    path.write_text(json.dumps({f"layer{i}": {"alpha": 2 + i / 7} for i in range(5)}))
    return path


def _csv_population(folder: Path) -> Path:
    path = folder / "seed.csv"
    population = EXAMPLES["Population"]()
    population.frame().to_csv(path, index=False)
    return path


def _text(folder: Path) -> Path:
    path = folder / "seed.jsonl"
    rows = [{"text": f"Sentence number {i}, of some length."} for i in range(9)]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def _double(value: float) -> float:
    return 2 * value


def _run(pattern: str) -> Make:
    def make(folder: Path) -> Path:
        tasks = [Task(f"task {i}", _double, {"value": float(i)}) for i in range(3)]
        execute(tasks, folder=folder / "run", jobs=1, engine="threads")
        return next((folder / "run").glob(pattern))

    return make


def _resumed(path: Path) -> None:
    tasks = [Task(f"task {i}", _double, {"value": float(i)}) for i in range(3)]
    folder = next(parent for parent in path.parents if parent.name == "run")
    found = execute(tasks, folder=folder, jobs=1, engine="threads")
    assert [outcome.value for outcome in found] == [0.0, 2.0, 4.0]


def _examined(path: Path) -> None:
    where = path.parent if path.suffix == ".json" else path
    for info in (source := open_checkpoint(where)).values():
        str(info)
    analyze(source, min_eigenvalues=10).frame()


def _drawn(path: Path) -> None:
    grid = read_grid(path)
    if grid.values.size < 10_000:
        merge_tree(grid.values)


def _tabled(path: Path) -> None:
    result = load(path)
    result.frame()
    repr(result)
    if path.stat().st_size % 8 == 0:  # a page takes a hundred times as long as a table
        _paged(path)


def _paged(path: Path) -> None:
    assert main(["report", str(path), "--out", str(path.parent), "--quiet"]) in (0, 2)


KINDS: dict[str, tuple[Make, Read]] = {
    "safetensors": (_safetensors, _examined),
    "torch": (_torch, _examined),
    "torch_legacy": (_torch_legacy, _examined),
    "gguf": (_gguf("F16"), _examined),
    "gguf_quantized": (_gguf("Q4_1"), _examined),
    "index": (_index, _examined),
    "adapter": (_adapter, _examined),
    "patch": (_patch, Patch.load),
    "landscape": (_landscape, lambda path: Landscape.load(path).frame()),
    **{f"grid{end}": (_grid(end), _drawn) for end in (".npy", ".npz", ".csv", ".txt", ".h5")},
    "metric": (_table, lambda path: allocate(read_metric(path))),
    "population_csv": (_csv_population, lambda path: read_population(path).frame()),
    "tokens": (_text, lambda path: Tokens.of(path, lambda text: list(text.encode()), length=16)),
    "run_piece": (_run("task_1*"), _resumed),
    "run_manifest": (_run("run.json"), _resumed),
}
KINDS |= {f"result_{name}": (_result(name), _tabled) for name in EXAMPLES if name != "Landscape"}


# ------------------------------------------------------------------ damage
def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one to three kinds of damage."""
    if rng.random() < 0.5 and (changed := _node(content, rng)) != content:
        return changed  # still JSON, so that what is read is its values
    for _ in range(rng.randint(1, 3)):
        content = rng.choice((_flipped, _cut, _dropped, _doubled, _filled, _digit))(content, rng)
    return content


def _place(content: bytes, rng: random.Random) -> int:
    early = rng.random() < 0.5  # headers are at the start
    return rng.randrange(max(1, min(len(content), 400) if early else len(content)))


def _flipped(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if changed:
            changed[_place(content, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: _place(content, rng)]


def _dropped(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at + rng.randint(1, 64) :]


def _doubled(content: bytes, rng: random.Random) -> bytes:
    at, size = _place(content, rng), rng.randint(1, 64)
    return content[: at + size] + content[at:]


def _filled(content: bytes, rng: random.Random) -> bytes:
    at, size = _place(content, rng), rng.choice((1, 2, 4, 8))
    return content[:at] + rng.choice((b"\xff", b"\0", b"\x7f")) * size + content[at + size :]


def _digit(content: bytes, rng: random.Random) -> bytes:
    digits = [i for i, byte in enumerate(content) if 48 <= byte <= 57]
    if not digits:
        return content
    at = rng.choice(digits)
    new = rng.choice((b"-1", b"9", b"99999999999999", b"1e309", b"nan", b"0", b""))
    return content[:at] + new + content[at + 1 :]


def _node(content: bytes, rng: random.Random) -> bytes:
    """Replace, drop or double one node of a JSON text; other content stays."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return content
    places = [(data, key) for key in _keys(data)]
    for holder, key in places:  # grows while it is read: every node below
        places.extend((holder[key], below) for below in _keys(holder[key]))
    if not places:
        return content
    holder, key = rng.choice(places)
    what = rng.random()
    if what < 0.2:
        del holder[key]
    elif what < 0.3 and isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[key] = rng.choice(ODD)
    return json.dumps(data).encode()


def _keys(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node)
    return list(range(len(node))) if isinstance(node, list) else []


# ------------------------------------------------------------------ the loop
def fuzz(kind: str, seed: int, seconds: float, folder: Path) -> None:
    """Damage and read until the time is over; print every fault, then what was done."""
    make, read = KINDS[kind]
    warnings.simplefilter("ignore")
    path = make(folder)
    whole = path.read_bytes()
    read(path)  # the undamaged one is read, with all that is imported and opened on the way
    if read is _tabled:
        _paged(path)
    names = [str(one) for one in folder.rglob("*")]
    opened: set[str] = set()
    sys.addaudithook(lambda event, args: _note(event, args, opened))
    _limit_memory()
    refused = done = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end and done < MOST:
        rng = random.Random(f"{seed} {done}")
        path.write_bytes(damaged(whole, rng))
        opened.clear()
        try:
            read(path)
        except EigenscapeError:
            refused += 1
        except BaseException as error:
            lines = traceback.format_exception(error)[-3:]
            _say({"case": done, "error": "".join(lines)[-600:]})
        for other in sorted(opened):
            if not any(other.startswith(name) for name in (str(folder), *names)):
                _say({"case": done, "opened": other})
        done += 1
    _say({"done": done, "refused": refused})


def _say(fact: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")


_PACKAGE = str(Path(eigenscape.__file__).parent)  # its page is written from its own templates


def _note(event: str, args: tuple[Any, ...], opened: set[str]) -> None:
    if event == "open" and isinstance(args[0], (str, bytes)):
        name = args[0] if isinstance(args[0], str) else args[0].decode(errors="replace")
        ours = name.startswith((sys.prefix, sys.base_prefix, _PACKAGE, "/proc", "/sys", "/dev"))
        if not ours and not name.endswith((".py", ".pyc", ".so", "entry_points.txt")):
            opened.add(name)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    now = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_LIMIT, now + MEMORY_LIMIT))


if __name__ == "__main__":
    fuzz(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
