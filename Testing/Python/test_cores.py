"""Processes that work at the same time share the cores."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from reg2rg.runtime.cores import limited_torch_threads, threads_of_each


@pytest.mark.parametrize(("cores", "processes", "threads"), [(2, 1, 2), (2, 3, 1), (16, 5, 3), (None, 2, 1)])
def test_processes_have_no_more_threads_than_there_are_cores(monkeypatch, cores, processes, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert threads_of_each(processes) == threads


@pytest.mark.parametrize(("given", "threads"), [("4", 4), ("0", 1), ("", 1), ("many", 1)])
def test_a_number_of_threads_that_the_user_has_set_is_kept(monkeypatch, given, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert threads_of_each(3) == threads


def test_the_limit_of_threads_ends_with_its_block():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), limited_torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("given", "expected"), [(None, "1000"), ("5", "5")])
def test_a_program_lets_threads_wait_briefly_before_torch_is_imported_unless_the_user_decides(given, expected):
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment |= {} if given is None else {"GOMP_SPINCOUNT": given}
    program = (
        "import os, sys; from reg2rg.runtime.third_party import configure_libraries; configure_libraries();"
        "print('torch' in sys.modules, os.environ['GOMP_SPINCOUNT'])"
    )
    finished = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert finished.stdout.split() == ["False", expected], finished.stderr
