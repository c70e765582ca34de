"""Temporary folders are removed, and output is complete or absent, however the process ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.runtime.disk_space import require_free_space
from reg2rg.runtime.staging import redirected_tempdir, scratch_folder, staged_output

PAUSE = "print('ready', flush=True); time.sleep(60)"


def kill(process: subprocess.Popen) -> None:
    process.kill()


def run_and_kill(code: str, end: Callable[[subprocess.Popen], None] = kill) -> None:
    """Run Python code in a separate process and session, and end it once it prints "ready"."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import os, sys, time\nfrom pathlib import Path\nfrom reg2rg.runtime.staging import *\n{code}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    end(process)
    process.stdout.read()
    process.wait()


def becomes_true(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Return whether a condition becomes true within the given time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_a_scratch_folder_is_private_and_removed_after_its_block() -> None:
    with scratch_folder() as folder:
        (folder / "file").write_text("x")
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_a_scratch_folder_is_removed_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError), scratch_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        raise ValueError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.posix
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
def test_a_scratch_folder_is_removed_after_a_signal_to_the_process_or_its_group(
    tmp_path: Path, name: str, group: bool
) -> None:
    def send(process: subprocess.Popen) -> None:
        (os.killpg if group else os.kill)(process.pid, signal.Signals[name])

    run_and_kill(
        f"with scratch_folder(Path({str(tmp_path)!r})) as folder:\n (folder / 'file').write_text('x')\n {PAUSE}",
        send,
    )
    assert becomes_true(lambda: list(tmp_path.iterdir()) == [])


@pytest.mark.posix
def test_a_surviving_forked_child_does_not_keep_the_scratch_folder(tmp_path: Path) -> None:
    run_and_kill(
        f"with scratch_folder(Path({str(tmp_path)!r})):\n"
        " if os.fork() == 0:\n  os.close(1); os.close(2); time.sleep(8); os._exit(0)\n"
        f" {PAUSE}"
    )
    assert becomes_true(lambda: list(tmp_path.iterdir()) == [], seconds=4)


def test_staged_files_appear_together_and_other_files_are_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine").write_text("mine")
    (target / "report").write_text("earlier")
    with staged_output(target) as folder:
        (folder / "report").write_text("new")
        (folder / "text").write_text("new")
        assert (target / "report").read_text() == "earlier"
    assert {file.name: file.read_text() for file in target.iterdir()} == {
        "mine": "mine",
        "report": "new",
        "text": "new",
    }


def test_a_failure_leaves_earlier_output_unchanged(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("earlier")
    with pytest.raises(ValueError), staged_output(tmp_path) as folder:
        (folder / "report").write_text("half")
        raise ValueError
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("report", "earlier")]


def test_a_failure_leaves_no_new_folders(tmp_path: Path) -> None:
    with pytest.raises(ValueError), staged_output(tmp_path / "a" / "b"):
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_a_kill_before_the_move_leaves_earlier_output_unchanged(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("earlier")
    run_and_kill(
        f"with staged_output(Path({str(tmp_path)!r})) as folder:\n (folder / 'report').write_text('half')\n {PAUSE}"
    )
    assert becomes_true(lambda: len(list(tmp_path.iterdir())) == 1)
    assert (tmp_path / "report").read_text() == "earlier"


def test_a_kill_before_the_move_leaves_no_new_folders(tmp_path: Path) -> None:
    run_and_kill(
        f"with staged_output(Path({str(tmp_path / 'a' / 'b')!r})) as folder:\n"
        f" (folder / 'report').write_text('')\n {PAUSE}"
    )
    assert becomes_true(lambda: list(tmp_path.iterdir()) == [])


def test_a_move_interrupted_by_a_kill_is_completed(tmp_path: Path) -> None:
    target = tmp_path / "out"
    run_and_kill(
        f"replace, moved = os.replace, []\n"
        f"def one_then_pause(a, b):\n replace(a, b); {PAUSE}\n"
        f"os.replace = one_then_pause\n"
        f"with staged_output(Path({str(target)!r})) as folder:\n"
        " for name in 'abc':\n  (folder / name).write_text(name)\n"
    )
    assert becomes_true(lambda: sorted(file.name for file in target.iterdir()) == ["a", "b", "c"])
    assert {file.read_text() for file in target.iterdir()} == {"a", "b", "c"}


def test_ctrl_c_during_the_move_takes_effect_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def interrupted_once(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "replace", replace)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), staged_output(tmp_path) as folder:
        for name in "abc":
            (folder / name).write_text("new")
        monkeypatch.setattr(os, "replace", interrupted_once)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b", "c"]


def test_temporary_files_of_libraries_and_child_processes_are_removed() -> None:
    with redirected_tempdir():
        own = Path(tempfile.mkdtemp())
        program = "import tempfile; print(tempfile.mkdtemp())"
        childs = Path(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip())
        assert own.is_dir() and childs.is_dir() and own.parent == childs.parent
    assert not own.exists() and not childs.exists()
    assert tempfile.gettempdir() != str(own.parent)


def test_a_folder_in_the_place_of_a_file_is_refused_before_anything_is_moved(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="b is a folder, but a file"), staged_output(tmp_path) as folder:
        for name in "abc":
            (folder / name).write_text("new")
    assert [file.name for file in tmp_path.iterdir()] == ["b"]


def test_known_files_that_are_not_written_again_are_removed(tmp_path: Path) -> None:
    (tmp_path / "optional").write_text("earlier")
    (tmp_path / "mine").write_text("mine")
    with staged_output(tmp_path, ["always", "optional"]) as folder:
        (folder / "always").write_text("new")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["always", "mine"]


def test_a_folder_in_the_place_of_a_known_file_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="b is a folder"), staged_output(tmp_path, ["a", "b"]):
        pytest.fail("the work has begun")


@pytest.mark.posix
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_output_follows_the_umask_whatever_library_wrote_it(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        with staged_output(tmp_path / "new") as folder:
            save_file({"a": torch.ones(1)}, folder / "a.safetensors")  # through a temporary file
            (folder / "b").write_text("")
            Path(tempfile.mkstemp(dir=folder)[1]).rename(folder / "c")
    finally:
        os.umask(before)
    assert {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "new").iterdir()} == {
        "a.safetensors": mode,
        "b": mode,
        "c": mode,
    }


def test_a_full_disk_is_reported_with_its_numbers_and_a_hint(tmp_path: Path) -> None:
    require_free_space(tmp_path, 1, "A byte")
    with pytest.raises(
        Reg2RGError, match=rf"^The model needs 1000000000\.0 GB, but only .* GB is free in {tmp_path}; "
    ):
        require_free_space(tmp_path, 10**18, "The model")
    with pytest.raises(Reg2RGError, match="; use another disk.$"):
        require_free_space(tmp_path, 10**18, "The model", hint="use another disk")


def test_a_small_lack_of_space_is_told_in_megabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=200_000))
    with pytest.raises(Reg2RGError, match=r"^The cache needs 0\.4 MB, but only 0\.2 MB is free"):
        require_free_space(tmp_path, 400_000, "The cache")
