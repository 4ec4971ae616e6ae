"""The fingerprint: what results depend on besides data, settings and seed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import gonogo
from gonogo import _core
from gonogo.machine import ENGINE_FILE, fingerprint_differences


def of_a_process(limit: str, **environment: str) -> dict[str, str]:
    program = "import json, sys, gonogo; gonogo._core.set_instruction_limit(sys.argv[1]); print(json.dumps(gonogo.fingerprint()))"
    command = [sys.executable, "-c", program, limit]
    found = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment})
    result: dict[str, str] = json.loads(found.stdout)
    return result


def test_it_names_the_code_the_engine_and_what_the_engine_chooses_by() -> None:
    found = gonogo.fingerprint()
    extension = Path(_core.__file__)
    assert found["gonogo"] == gonogo.__version__
    assert found["extension_sha256"] == hashlib.sha256(extension.read_bytes()).hexdigest()
    assert found["engine_sha256"] == hashlib.sha256(extension.with_name(ENGINE_FILE).read_bytes()).hexdigest()
    assert found["instruction_set"] == _core.instruction_set()
    assert found["caches"].startswith("L1 ")
    assert len(found["digest"]) == 16


def test_processes_agree_whatever_their_environment() -> None:
    plain = of_a_process("sse41")
    hostile = {"ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "7", "LC_ALL": "de_DE.UTF-8", "PYTHONHASHSEED": "9"}
    assert of_a_process("sse41", **hostile) == plain
    assert plain["instruction_set"] == "sse41"


def test_each_part_changes_the_digest() -> None:
    one, other = of_a_process("scalar"), of_a_process("sse41")
    assert {key for key in one if one[key] != other[key]} >= {"digest", "instruction_set"}


def test_differences_are_told_by_name() -> None:
    here = gonogo.fingerprint()
    assert fingerprint_differences(here) == []
    found = fingerprint_differences({**here, "caches": "L1 1 KiB/1", "engine_sha256": "0" * 64})
    engine = f"engine_sha256 ({'0' * 16}, here {here['engine_sha256'][:16]})"
    assert found == [engine, f"caches (L1 1 KiB/1, here {here['caches']})"]
    assert len(fingerprint_differences({})) == len(here) - 1
