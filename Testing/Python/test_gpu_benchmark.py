"""The GPU benchmark runs, in miniature on the CPU, and one slow or broken check does not affect the others."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def gpu(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the benchmark, Testing/Benchmarks/gpu.py."""
    monkeypatch.syspath_prepend(repository / "Testing" / "Benchmarks")
    import gpu

    return gpu


def test_in_miniature_every_check_measures_what_it_is_for(gpu, tmp_path, capsys):
    assert gpu.main(["--miniature", "-o", str(tmp_path / "gpu.json")]) == 0
    checks = json.loads((tmp_path / "gpu.json").read_text())["checks"]
    assert list(checks) == list(gpu.CHECKS)
    assert {name for name, found in checks.items() if found["state"] == "done"} >= {
        "bandwidth",
        "packed",
        "generate",
        "encoding",
    }
    assert checks["vllm"]["state"].startswith("skipped")
    assert checks["packed"]["tokens as generate"] == f"{gpu.MINIATURE.tokens} of {gpu.MINIATURE.tokens}"
    assert checks["packed"]["log-probability difference"] < 1e-3
    for name in ("one sequence tokens/s", "ten regions tokens/s", "share of the limit", "weights per step GB"):
        assert checks["packed"][name] > 0
    assert checks["encoding"]["regions"] == 10 and checks["encoding"]["encode s"] > 0
    assert "| packed | ten regions tokens/s |" in capsys.readouterr().out


def test_a_check_that_is_too_slow_is_stopped_and_keeps_what_it_measured(gpu):
    code = "import time; print('[\"a\", 1]', flush=True); print('[\"b\", ', end='', flush=True); time.sleep(60)"
    result = gpu.run_apart([sys.executable, "-c", code], 2)
    assert (result["state"], result["a"]) == ("stopped at its limit of 2 s", 1) and "b" not in result
    assert result["seconds"] < 30


def test_a_process_that_dies_says_how_and_what_libraries_print_is_no_value(gpu):
    code = "import os; print('[\"a\", 1]\\n[INFO]\\n[1, 2, 3]\\n7', flush=True); os.write(2, b'out\\xff'); os._exit(3)"
    result = gpu.run_apart([sys.executable, "-c", code], 60)
    assert result == {"state": "failed: exit code 3, out\ufffd", "seconds": result["seconds"], "a": 1}


def test_a_check_that_fails_says_why(gpu, monkeypatch):
    monkeypatch.setattr(gpu, "random_model", run_out_of_memory)
    result = gpu.run_here(gpu.CHECKS["generate"][0])
    assert result["state"] == "failed: MemoryError: 1 GB is missing"


def run_out_of_memory(*_: object) -> None:
    raise MemoryError("1 GB\nis missing")


def test_texts_of_a_check_that_did_not_end_are_not_compared(gpu):
    whole = {"ids": [1, 2], "log-probabilities": [-0.5, -0.25]}
    results = {"packed": dict(whole), "generate": {"ids": [1, 2]}, "vllm": {"ids": [1, 2]}}
    gpu.derive(results)
    assert results["packed"] == whole
    results = {"packed": dict(whole), "generate": dict(whole), "vllm": {"ids": [1, 2]}}
    gpu.derive(results)
    assert results["packed"]["tokens as generate"] == "2 of 2" and results["vllm"] == {"ids": [1, 2]}


def test_all_checks_together_take_less_than_eight_minutes(gpu):
    assert sum(limit for _, limit in gpu.CHECKS.values()) <= 8 * 60
