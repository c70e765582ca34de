"""The command line as users run it: results on standard output and a one-line message for every error.

Every command runs in a process of its own at least once; its variants run in this process, which has the libraries.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import typer
from command_line import COMMAND, Finished, Run, error_line, file_size_limit, run_process

from reg2rg import __version__
from reg2rg.cli.options import request_command
from reg2rg.pipeline.request import ReportRequest, SegmentRequest, request_options

SHAPE = (12, 40, 40)


@pytest.fixture
def report_arguments(phantom_files: tuple[Path, Path], tiny_model_folder: Path) -> list[object]:
    """Return the arguments of `reg2rg report` on the phantom, without the output folder. Later options replace them."""
    volume, regions = phantom_files
    return ["report", volume, "--model", tiny_model_folder, "--regions", regions, "--device", "cpu"]


@pytest.fixture
def report(reg2rg: Run, report_arguments: list[object]) -> Run:
    """Return a function that runs `reg2rg report` on the phantom in this process."""
    return lambda output, *arguments: reg2rg(*report_arguments, "-o", output, *arguments)


@pytest.mark.posix
def test_help_and_version_answer_within_half_a_second() -> None:
    import resource

    def seconds(argument: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run_process(argument).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime  # does not grow on a busy machine

    for argument in ("--help", "--version"):
        assert min(seconds(argument) for _ in range(5)) < 0.5
    assert run_process("--version").stdout == f"reg2rg {__version__}\n"


def loaded_packages(program: str, *packages: str) -> set[str]:
    """Run a program in a process of its own and return which of the packages it has imported."""
    program = f"import sys; {program}; print('loaded', *({set(packages)!r} & sys.modules.keys()))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return set(printed.splitlines()[-1].split()[1:])


def test_importing_the_command_line_loads_no_heavy_package() -> None:
    heavy = ("torch", "SimpleITK", "transformers", "numpy", "scipy", "pydicom", "PIL", "nltk", "matplotlib")
    assert loaded_packages("import reg2rg.cli.main", *heavy) == set()


def test_the_memory_of_models_is_estimated_without_torch_and_transformers() -> None:
    program = "from reg2rg.cli.info import describe_model; from reg2rg.hub import find_model as find"
    program += "; import reg2rg.inference.placement; assert 'GB' in describe_model(find('phantom')).memory"
    assert loaded_packages(program, "torch", "transformers", "peft", "scipy") == set()


def test_help_names_every_command(reg2rg: Run) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        finished = reg2rg(*arguments)
        assert finished.returncode == 0 and finished.stderr == ""
        commands = "report", "segment", "demo", "evaluate", "models", "info"
        assert all(command in finished.stdout for command in commands)


def test_report_keeps_other_files_in_the_folder_and_prints_only_its_name(report, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").write_text("mine")
    finished = report(".")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == ".\n"
    assert len(list(tmp_path.iterdir())) == 6 and (tmp_path / "notes").read_text() == "mine"
    assert "Regions from label map: Lungs, Trachea and bronchi" in finished.stderr
    assert is_quiet(finished)


def is_quiet(finished: Finished) -> bool:
    """Return whether the libraries printed nothing."""
    return not [word for word in ("Warning", "warning", "Traceback", "site-packages") if word in finished.stderr]


def test_segment_writes_a_segmentation(phantom_files, tmp_path: Path) -> None:
    volume, regions = phantom_files
    arguments = ("segment", volume, "-o", tmp_path / "a.seg.nrrd", "--regions", regions, "--device", "cpu")
    finished = run_process(*arguments, "--map", "Lungs=pleura", "--map", "Heart=heart")
    assert finished.stdout == f"{tmp_path / 'a.seg.nrrd'}\n", finished.stderr
    image = sitk.ReadImage(str(tmp_path / "a.seg.nrrd"))
    ids = {image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.endswith("_ID")}
    assert {"pleura", "heart", "bone"} <= ids and "lung" not in ids


def test_info_names_versions_devices_and_segmenters() -> None:
    finished = run_process("info")
    assert finished.returncode == 0 and finished.stderr == ""
    assert all(word in finished.stdout for word in (__version__, "torch", "SimpleITK", "cpu", "thresholds"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus"], "No such option"),
        (["report", "ct.nii.gz", "-o", "out", "--bogus"], "No such option"),
        (["bogus"], "No such command"),
        (["report"], "Missing argument"),
        (["report", "ct.nii.gz"], "Missing option"),
        (["report", "ct.nii.gz", "-o", "out", "--max-new-tokens", "0"], "token limit is 0; expected 1 or more"),
        (["report", "ct.nii.gz", "-o", "out", "--max-new-tokens", "many"], "--max-new-tokens"),
        (["report", "ct.nii.gz", "-o", "out", "--map", "lung"], "LABEL=REGION"),
        (["report", "ct.nii.gz", "-o", "out", "--correct", "lung=no"], "REGION:FINDING=yes"),
        (["report", "ct.nii.gz", "-o", "out", "--correct", "lung:Nodul=no"], "Unknown finding 'Nodul'"),
        (["report", "ct.nii.gz", "extra", "-o", "out"], "extra"),
        (["segment", "ct.nii.gz", "-o", "out.nii.gz"], ".seg.nrrd"),
    ],
)
def test_wrong_usage_gives_a_one_line_error_and_exit_code_2(reg2rg: Run, arguments, message) -> None:
    finished = reg2rg(*arguments)
    assert message in error_line(finished, 2) and finished.stderr.count("\n") == 1


def chest(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return rough HU values of a body with two lungs."""
    array = np.full(shape, -1000, np.int16)
    array[..., 5:-5, 5:-5] = 40
    array[..., 12:28, 10:18] = array[..., 12:28, 22:30] = -850
    return array


def write(array: np.ndarray, path: Path, **options) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(array, **options), str(path))
    return path


def truncated(folder: Path) -> Path:
    path = write(chest(), folder / "v.nrrd")
    path.write_bytes(path.read_bytes()[:3000])
    return path


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


VOLUME_WITH_NAN = np.where(np.arange(SHAPE[0])[:, None, None] == 3, np.nan, chest()).astype(np.float32)
BAD_VOLUMES = {
    "missing": (lambda folder: folder / "nosuch.nii.gz", "does not exist"),
    "two dimensions": (lambda folder: write(chest()[0], folder / "v.nrrd"), "3-D"),
    "four dimensions": (lambda folder: write(np.stack([chest()] * 2), folder / "v.nii.gz", isVector=False), "3-D"),
    "MR-like": (lambda folder: write(np.abs(chest()) // 2, folder / "v.nrrd"), "CT"),
    "NaN": (lambda folder: write(VOLUME_WITH_NAN, folder / "v.nrrd"), "NaN"),
    "few slices": (lambda folder: write(chest()[:5], folder / "v.nrrd"), "slices"),
    "truncated": (truncated, "cannot be read"),
    "empty folder": (empty_folder, "no DICOM"),
    "another format": (lambda folder: shutil.copy(__file__, folder / "v.png"), "format"),
}


@pytest.mark.parametrize("kind", BAD_VOLUMES)
def test_an_unusable_volume_gives_a_one_line_error_and_exit_code_2(
    kind: str, reg2rg: Run, report_arguments: list[object], tmp_path: Path
) -> None:
    make, message = BAD_VOLUMES[kind]
    _, _, *options = report_arguments
    finished = reg2rg("report", make(tmp_path), *options, "-o", tmp_path / "out")
    assert message in error_line(finished, 2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"), [(["bogus"], "No such command"), (["report", "no.nrrd", "-o", "out"], "does not exist")]
)
def test_a_process_with_invalid_input_ends_with_exit_code_2(arguments, message, tmp_path: Path) -> None:
    assert message in error_line(run_process(*arguments, cwd=tmp_path), 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--model", "nosuch", "Unknown model 'nosuch'"),
        ("--device", "abacus", "Unknown device 'abacus'"),
        ("--device", "cuda:99", "Device 'cuda:99' is not available"),
        ("--regions", "nosuch.nrrd", "does not exist"),
        ("--series", "3", "series"),
    ],
)
def test_an_invalid_value_gives_a_one_line_error_and_exit_code_2(report, tmp_path, option, value, message) -> None:
    assert message in error_line(report(tmp_path / "out", option, value), 2)
    assert not (tmp_path / "out").exists()


def test_an_unknown_segmenter_is_refused(reg2rg: Run, phantom_files, tmp_path: Path) -> None:
    finished = reg2rg("segment", phantom_files[0], "-o", tmp_path / "a.seg.nrrd", "--segmenter", "crayon")
    assert "crayon" in error_line(finished, 2)


@pytest.mark.parametrize("damage", ["flipped bit in the weights", "no config"])
def test_a_damaged_model_gives_a_one_line_error_and_exit_code_2(report, tmp_path, tiny_model_folder, damage) -> None:
    model = shutil.copytree(tiny_model_folder, tmp_path / "model")
    if damage == "no config":
        (model / "config.json").unlink()
    else:
        data = (model / "model.safetensors").read_bytes()
        (model / "model.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert str(model) in error_line(report(tmp_path / "out", "--model", model), 2)
    assert not (tmp_path / "out").exists()


@pytest.mark.posix
@pytest.mark.parametrize("kilobytes", [40, 200], ids=["segmentation", "preview"])
def test_exceeding_the_file_size_limit_gives_a_one_line_error_and_leaves_no_partial_report(
    report, tmp_path, kilobytes
) -> None:
    with file_size_limit(kilobytes * 1000):
        error = error_line(report(tmp_path / "out"), 1)
    assert "disk may be full" in error or "too large for this file system" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can mount a small disk to fill")
def test_a_full_disk_gives_a_one_line_error_and_leaves_no_partial_report(report, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting is not allowed in this environment")
    try:
        assert "disk" in error_line(report(disk / "out"), 1)
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("place", ["below a file", "a file", "a system folder"])
def test_an_unwritable_output_folder_is_refused_before_any_work(report, tmp_path: Path, place) -> None:
    (tmp_path / "file").write_text("mine")
    output = {"below a file": tmp_path / "file" / "out", "a file": tmp_path / "file", "a system folder": "/proc/out"}
    finished = report(output[place])
    error = error_line(finished, 1)
    assert str(output[place]) in error and finished.stderr.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["report.json", "preview.png", "findings.seg.nrrd"])
def test_a_folder_in_the_place_of_an_output_file_is_refused_before_any_work(report, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert f"{tmp_path / name} is a folder" in error_line(report(tmp_path), 2)
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@pytest.mark.slow
@pytest.mark.posix
def test_ctrl_c_gives_a_one_line_error_and_exit_code_130(phantom_files, tmp_path: Path, tiny_model_folder) -> None:
    arguments = ("report", phantom_files[0], "-o", tmp_path / "out", "--model", tiny_model_folder, "--device", "cpu")
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments), "--segmenter", "thresholds"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    lines = [process.stderr.readline() for _ in range(2)]
    os.killpg(process.pid, signal.SIGINT)  # like a terminal, which signals the process group
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, lines
    assert output == "" and errors.splitlines()[-1] == "reg2rg: Interrupted; nothing was written."
    assert "Traceback" not in errors and list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_demo_writes_the_report_of_the_sample_case(tmp_path: Path) -> None:
    finished = run_process("demo", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "reg2rg-demo\n"
    assert is_quiet(finished)
    folder = tmp_path / "reg2rg-demo"
    assert (folder / "preview.png").is_file()
    sections = json.loads((folder / "report.json").read_text())["sections"]
    mentioned = [
        s["findings"][index] for s in sections for sentence in s["sentences"] for index in sentence["findings"]
    ]
    located = [finding for finding in mentioned if finding["segment"] and finding["location"]["focal"]]
    assert located and all(finding["probability"] > 0.5 for finding in located), (
        "no sentence refers to a located finding"
    )
    segments = sitk.ReadImage(str(folder / "findings.seg.nrrd"))
    ids = {segments.GetMetaData(key) for key in segments.GetMetaDataKeys() if key.endswith("_ID")}
    assert {finding["segment"] for finding in located} <= ids


@pytest.mark.parametrize(("command", "request_class"), [("report", ReportRequest), ("segment", SegmentRequest)])
def test_every_field_of_a_request_is_an_option(reg2rg: Run, command: str, request_class) -> None:
    text = " ".join(reg2rg(command, "--help").stdout.split())
    for name, option in request_options(request_class).items():
        flags = option.flags or (f"--{name.replace('_', '-')}",)
        assert name == "volume" or all(flag in text for flag in flags), name


def test_options_reach_the_request(monkeypatch) -> None:
    from typer.testing import CliRunner

    from reg2rg.cli import main

    requests = []
    app = typer.Typer()
    app.command()(request_command(ReportRequest, requests.append))
    app.command("info")(main._info)
    arguments = [
        "command",
        "ct.nii.gz",
        "-o",
        "out",
        "--region",
        "lung",
        "--region",
        "heart",
        "--regions",
        "labels.nrrd",
        "--map",
        "1=lung",
        "--no-cues",
    ]
    arguments += [
        "--sample",
        "--seed",
        "7",
        "--correct",
        "lung:Lung nodule=no",
        "--correct",
        "lung:Emphysema=yes",
        "--fast",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    (request,) = requests
    assert request == ReportRequest(
        volume=Path("ct.nii.gz"),
        output=Path("out"),
        regions=("lung", "heart"),
        regions_file=Path("labels.nrrd"),
        mapping={"1": "lung"},
        use_cues=False,
        do_sample=True,
        seed=7,
        fast=True,
        corrections={"lung": {"Lung nodule": False, "Emphysema": True}},
    )


def test_models_lists_installed_models_and_confirms_that_they_are_intact() -> None:
    finished = run_process("models")
    assert finished.returncode == 0, finished.stderr
    assert "phantom" in finished.stdout and "All files match their checksums" in finished.stdout


@pytest.mark.posix
@pytest.mark.parametrize(
    ("command", "closed"),
    [
        *itertools.product(["--version", "--help"], [">&-", "<&- >&- 2>&-", "2>&-"]),
        ("info", "<&- >&- 2>&-"),  # imports torch, which takes seconds
    ],
)
def test_closed_standard_streams_end_cleanly(command: str, closed: str, tmp_path: Path) -> None:
    shell = f"{sys.executable} -m reg2rg.cli {command} {closed}"
    finished = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, cwd=tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.posix
def test_a_reader_that_has_gone_ends_the_command_without_a_message() -> None:
    process = subprocess.Popen([*COMMAND, "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 1


@pytest.mark.parametrize("arguments", [("report", "ct.nii"), ("models", "new", "--language", "x"), ("evaluate", "x")])
@pytest.mark.parametrize("seed", ["123456789012345678901234567890", "-1"])
def test_a_seed_outside_the_range_is_refused(
    reg2rg: Run, arguments: tuple[str, ...], seed: str, tmp_path: Path
) -> None:
    error = error_line(reg2rg(*arguments, "-o", tmp_path / "out", "--seed", seed), 2)
    assert "seed" in error and ("4294967295" in error or "greater than or equal to 0" in error)


def test_the_largest_seed_is_used(report, tmp_path: Path) -> None:
    finished = report(tmp_path, "--sample", "--seed", 2**32 - 1, "--max-new-tokens", 2)
    assert finished.returncode == 0, finished.stderr


def test_totalsegmentator_without_the_package_gives_an_install_command(phantom_files, monkeypatch) -> None:
    from reg2rg.errors import InputError
    from reg2rg.segmentation import choose_segmenter

    monkeypatch.setitem(sys.modules, "totalsegmentator", None)
    with pytest.raises(InputError, match=r"not installed: pip install 'reg2rg\[totalsegmentator\]', or use the segm"):
        choose_segmenter("totalsegmentator")
    assert choose_segmenter("auto")[0].name == "thresholds"


@pytest.mark.parametrize("width", [40, 60, 120])
def test_progress_bars_do_not_wrap(width: int) -> None:
    import io

    from rich.console import Console

    from reg2rg.cli.progress import show_events
    from reg2rg.pipeline.events import Progress, Stage

    screen = io.StringIO()
    with show_events(Console(file=screen, width=width, force_terminal=True, color_system=None)) as on_event:
        for stage in Stage:
            on_event(Progress(stage, 0.5, "TotalSegmentator: pleural pericard effusion, and then something longer"))
    last = screen.getvalue().rpartition("\r")[2]
    rows = [row for row in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", last).splitlines() if row.strip()]
    assert len(rows) == len(Stage) and max(map(len, rows)) <= width


@pytest.mark.parametrize("name", ["smoke", "smoke.yaml", "Resources/Training/smoke.yaml"])
def test_training_configurations_are_found_from_any_folder(name: str, repository: Path, tmp_path: Path, monkeypatch):
    from reg2rg.runtime.resources import find_training_config

    monkeypatch.chdir(tmp_path)
    if name == "smoke.yaml":
        assert find_training_config(Path(name)) == Path(name), "a file name stands for a file only"
        (tmp_path / name).touch()
    expected = Path(name) if name == "smoke.yaml" else repository / "Resources/Training/smoke.yaml"
    assert find_training_config(Path(name)) == expected


def test_the_wheel_contains_every_resource_that_the_engine_reads(repository: Path) -> None:
    included = (repository / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("Models", "Sample", "Training"):
        assert f'"Resources/{name}" = "reg2rg/Resources/{name}"' in included


@pytest.mark.posix
def test_make_takes_the_build_of_torch_for_cpus_or_states_the_size(repository: Path, tmp_path: Path) -> None:
    def commands(*options: str) -> str:
        make = ["make", "-n", "demo", f"VENV={tmp_path}", f"PYTHON={sys.executable}", *options]
        return subprocess.run(make, capture_output=True, text=True, cwd=repository, check=True).stdout

    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    chosen = commands("TORCH_INDEX=https://example.org/cpu")
    assert "--index-url https://example.org/cpu torch ||" in chosen and 'echo "$CUDA_NOTICE"' in chosen
    assert 'echo "$CUDA_NOTICE"' in commands("TORCH_INDEX=")
    if sys.platform == "linux" and shutil.which("nvidia-smi") is None:
        assert "--index-url https://download.pytorch.org/whl/cpu torch" in commands()
