"""What results depend on besides data, settings and seed: the code, the engine, and what the engine chooses its kernels by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gonogo import _core

ENGINE_FILE = "libgng_dnnl.so.3"  # beside the extension


def fingerprint() -> dict[str, str]:
    """Return what the bits of a training or a score depend on, besides data, settings and seed.

    Where two fingerprints are equal, equal data, settings and seed give equal bits, for any number of threads. Where they
    differ, results agree within rounding, which a model's self-test checks, but no bits are promised.

    Returns
    -------
    dict of str
        ``digest`` (16 hexadecimal digits, which stand for all the others), ``gonogo`` (version), ``extension_sha256``,
        ``engine`` (oneDNN's version), ``engine_sha256``, ``instruction_set`` (the effective one), ``caches`` (oneDNN sizes
        its blocks by the data caches and by how many processors share them, and with the blocks the order of sums).
    """
    machine = _core.describe_machine()
    extension = Path(_core.__file__)
    facts = {
        "gonogo": _core.__version__,
        "extension_sha256": _file_sha256(extension),
        "engine": machine["engine"],
        "engine_sha256": _file_sha256(extension.with_name(ENGINE_FILE)),
        "instruction_set": machine["instruction_set"],
        "caches": machine["caches"],
    }
    text = "\n".join(f"{key}={value}" for key, value in facts.items())
    return {"digest": hashlib.sha256(text.encode()).hexdigest()[:16], **facts}


def fingerprint_differences(other: Mapping[str, Any]) -> list[str]:
    """Return in what another fingerprint differs from this process's: texts such as ``caches (X, here Y)``, none if equal."""
    here = fingerprint()
    names = [key for key in here if key != "digest" and other.get(key) != here[key]]
    return [f"{key} ({_short(other.get(key))}, here {_short(here[key])})" for key in names]


def _short(value: Any) -> str:
    return str(value)[:16] if len(str(value)) == 64 else str(value)


@cache
def _file_sha256(path: Path) -> str:
    # 46 MB of engine take 30 to 150 ms: once per process, and only where a model is written or compared.
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
