"""Prefixes that training wrappers add to a network's parameter names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from eigenscape.checkpoints._reader import Listing
from eigenscape.checkpoints._text import counted

_PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and its like; of torch.compile
# At any depth: of torch.compile, FSDP and activation checkpointing; then of DataParallel.
_INSIDE = (("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"), ("module",))
_MOST = 0.9


def short_names(names: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Strip the prefixes of wrappers that (nearly) all names have, and wrappers of inner modules.

    Names without a dot are counters of the wrapper itself, and do not count. Inner modules are
    wrapped by torch.compile, by FSDP and by activation checkpointing.

    Returns:
        The short name of each name, and a note for each prefix.

    >>> short_names(["module._orig_mod.a.w", "module._orig_mod.b.w"])[0]
    {'module._orig_mod.a.w': 'a.w', 'module._orig_mod.b.w': 'b.w'}
    >>> short_names(["a._checkpoint_wrapped_module.w", "b.w"])[0]
    {'a._checkpoint_wrapped_module.w': 'a.w', 'b.w': 'b.w'}
    """
    short = {name: name for name in names}
    notes: list[str] = []
    while True:
        prefix = next((prefix for prefix in _PREFIXES if _wraps(prefix, short)), None)
        if prefix is None:
            return _without_inner(short, notes)
        stripped = sum(name.startswith(prefix) for name in short.values())
        of = f" of {len(short)}" if stripped < len(short) else ""
        notes.append(f'prefix "{prefix}" stripped from {stripped}{of} names')
        short = {name: now.removeprefix(prefix) for name, now in short.items()}


def _without_inner(
    short: dict[str, str], notes: list[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    for marks in _INSIDE:
        plain = {name: without_parts(now, marks) for name, now in short.items()}
        changed = [name for name in short if plain[name] != short[name]]
        if not changed or len(set(plain.values())) < len(plain):
            continue
        found = [mark for mark in marks if any(mark in short[n].split(".") for n in changed)]
        notes.append(f"{' and '.join(found)} left out of {counted(len(changed), 'name')}")
        short = plain
    return short, tuple(notes)


def without_parts(name: str, marks: Sequence[str] = sum(_INSIDE, ())) -> str:
    """Return a name without the parts that wrappers add; a leading "module" stays.

    >>> without_parts("blocks.0._fsdp_wrapped_module.fc.weight"), without_parts("a.module.w")
    ('blocks.0.fc.weight', 'a.w')
    """
    first, *rest = name.split(".")
    start = [] if first in marks and first != "module" else [first]
    return ".".join([*start, *(part for part in rest if part not in marks)]) or name


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return a module's parameters and buffers by the names that a checkpoint of it has.

    They are the tensors themselves, not copies; tied ones stand under each of their names.

    >>> model = nn.Sequential(nn.DataParallel(nn.Linear(2, 2, bias=False)))
    >>> [name for name, _ in model.named_parameters()], list(named_tensors(model))
    (['0.module.weight'], ['0.weight'])
    """
    module = unwrapped(module)[0]
    held: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    held.update(module.named_buffers(remove_duplicate=False))
    short = short_names(list(module.state_dict(keep_vars=True)))[0]
    known = set(short.values())
    # Some wrappers keep themselves out of the names of a state dict, but not of parameters.
    bare = {name: without_parts(name) for name in held if name not in short}
    short |= {name: plain for name, plain in bare.items() if plain in known}
    return {short.get(name, name): tensor for name, tensor in held.items()}


def named_modules(module: nn.Module) -> dict[str, nn.Module]:
    """Return every module by the name that a checkpoint has for it; of wrappers, the inside.

    >>> list(named_modules(nn.Sequential(nn.DataParallel(nn.Linear(2, 2)))))
    ['', '0', '0.module']
    """
    found: dict[str, nn.Module] = {}
    for path, part in unwrapped(module)[0].named_modules(remove_duplicate=False):
        found[path and without_parts(path)] = part  # the innermost of one name
        found.setdefault(path, part)
    return found


def _wraps(prefix: str, short: dict[str, str]) -> bool:
    dotted = [name for name in short.values() if "." in name]
    having = sum(name.startswith(prefix) and len(name) > len(prefix) for name in dotted)
    distinct = {name.removeprefix(prefix) for name in short.values()}
    return 0 < having >= _MOST * len(dotted) and len(distinct) == len(short)


def without_wrappers(listing: Listing) -> tuple[Listing, dict[str, str]]:
    """Return a listing without the wrappers' prefixes, and the stored name of each short one."""
    short, notes = short_names(listing.names)
    infos = tuple(
        replace(info, name=short[info.name], aliases=tuple(short[name] for name in info.aliases))
        for info in listing.infos
    )
    stored = {short[info.name]: info.name for info in listing.infos}
    return replace(listing, infos=infos).noting(*notes), stored


def unwrapped(module: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """Return the network inside DataParallel and torch.compile, and a note for each wrapper.

    >>> inner, notes = unwrapped(nn.DataParallel(nn.Linear(2, 2)))
    >>> type(inner).__name__, notes
    ('Linear', ('examined the Linear inside DataParallel',))
    """
    notes: tuple[str, ...] = ()
    while (inner := _inside(module)) is not None:
        notes += (f"examined the {type(inner).__name__} inside {type(module).__name__}",)
        module = inner
    return module, notes


def _inside(module: nn.Module) -> nn.Module | None:
    if isinstance(module, nn.DataParallel | DistributedDataParallel):
        inner = module.module
    else:
        inner = module._modules.get("_orig_mod")  # torch.compile's; its class is private
    return inner if isinstance(inner, nn.Module) else None
