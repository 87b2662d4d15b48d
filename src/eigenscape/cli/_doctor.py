"""``eigenscape doctor``: check this installation, and list its optional parts."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from eigenscape.cli._verb import add_format, add_verb

if TYPE_CHECKING:
    from eigenscape.cli._verb import Verbs

_EXTRAS = {
    "hf": ("transformers", "peft"),
    "gguf": ("gguf",),
    "ray": ("ray",),
    "dask": ("dask", "distributed"),
    "track": ("tensorboard",),
}


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "doctor",
        run,
        help="check this installation",
        examples="  eigenscape doctor\n  eigenscape doctor --format json\n",
    )
    add_format(parser, ("table", "json"))


def run(args: argparse.Namespace) -> int:
    """Print what is installed; return 1 if an arithmetic check fails."""
    checks = {**_packages(), **_machine(), **_arithmetic()}
    if args.format == "json":
        from eigenscape.cli._tables import print_json

        print_json({"checks": checks, "sound": not _broken(checks)})
    else:
        for name, finding in checks.items():
            print(f"{name:<22} {finding}")
    return 1 if _broken(checks) else 0


def _broken(checks: dict[str, str]) -> bool:
    return any(finding.startswith("BROKEN") for finding in checks.values())


def _packages() -> dict[str, str]:
    found = {}
    for name in ("eigenscape", "torch", "numpy", "scipy", "safetensors"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    for extra, packages in _EXTRAS.items():
        missing = [name for name in packages if find_spec(name) is None]
        found[f"extra [{extra}]"] = (
            f'absent ({", ".join(missing)}); pip install "eigenscape[{extra}]"'
            if missing
            else "present"
        )
    if find_spec("torchvision") is not None:
        found["torchvision"] = _torchvision()
    return found


def _torchvision() -> str:
    """A torchvision that does not fit the torch build breaks transformers and peft."""
    try:
        import_module("torchvision")
    except Exception as error:
        return f"does not fit this torch ({type(error).__name__}); pip uninstall torchvision"
    return "present; not needed"


def _machine() -> dict[str, str]:
    import torch

    from eigenscape.runs import usable_cores

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none; the CPU is used"
    return {"cores": str(usable_cores()), "GPU": gpu}


def _arithmetic() -> dict[str, str]:
    """Closed forms that every installation must meet."""
    import numpy as np
    import torch

    from eigenscape.theory import alpha_hill, marchenko_pastur_alpha

    hill = alpha_hill(np.exp(0.3 * np.arange(10))).alpha
    null = marchenko_pastur_alpha(1.0)
    values = torch.linalg.eigvalsh(torch.diag(torch.arange(1.0, 65.0, dtype=torch.float64)))
    error = float((values - torch.arange(1.0, 65.0, dtype=torch.float64)).abs().max())
    return {
        "Hill exponent": _judged(abs(hill - 8 / 3) < 1e-12, "closed form met to 1e-12"),
        "Marchenko-Pastur": _judged(abs(null - 2.1217) < 1e-4, "2.1217 for a square matrix"),
        "eigenvalues": _judged(error < 1e-10, "of a known matrix met to 1e-10"),
    }


def _judged(good: bool, words: str) -> str:
    return words if good else f"BROKEN: not {words}"
