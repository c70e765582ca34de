"""Interrupt every command at every stage, in every way, and check what is left behind.

    python Testing/Faults/faults.py [--only report,train] [--faults kill,...] [--write]

Each trial runs a command in a process of its own and lets a fault happen when the command reaches a stage. Afterwards,
nothing may be half written, no process and no temporary folder may remain, an error must be one line, and the same
command must succeed when it is run again. Linux only. Without root, the faults that need a disk of their own are
skipped and listed as such.

``--write`` puts the table into docs/reliability.md.
"""

from __future__ import annotations

import argparse
import atexit
import ctypes
import dataclasses
import hashlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Reg2RGExtension"), str(ROOT / "Testing/Python")]
PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"

SECONDS_TO_SETTLE = 15.0
DISK_MEGABYTES = 64
PR_SET_CHILD_SUBREAPER = 36


@dataclasses.dataclass(frozen=True)
class Command:
    """A command, and the functions at whose call a fault happens.

    Attributes:
        arguments: arguments of ``reg2rg``; INPUT and OUTPUT are replaced. Empty for the module's worker.
        stages: name of a stage -> "module:function", and "#n" for its n-th call.
        inputs: names of the input files and folders that may vanish.
        damage: name of a damaged file -> its path; with "*" for files that an earlier run has cached.
    """

    arguments: tuple[str, ...]
    stages: dict[str, str]
    inputs: tuple[str, ...]
    damage: dict[str, str]


RUN, CONVERT = "reg2rg.pipeline.run", "reg2rg.checkpoints.convert.convert"
TRAIN, TRAINER = "reg2rg.training.run", "reg2rg.training.trainer"
REPORT_STAGES = {
    "read": f"{RUN}:_read",
    "place": f"{RUN}:_place",
    "find regions": f"{RUN}:_find_regions",
    "write regions": f"{RUN}:write_regions",
    "prepare": f"{RUN}:_prepare",
    "load model": "reg2rg.checkpoints.model_folder:ModelFolder.load",
    "examine": f"{RUN}:_examine",
    "write sections": f"{RUN}:_generate",
    "export": f"{RUN}:write_report_folder",
    "first move": "os:replace#1",
    "third move": "os:replace#3",
}
MODEL_FILES = {
    "weights": "model/model.safetensors",
    "tokenizer": "model/tokenizer.json",
    "config": "model/config.json",
    "checksums": "model/SHA256SUMS",
}
COMMANDS = {
    "report": Command(
        ("report", "INPUT/ct.nrrd", "--regions", "INPUT/regions.seg.nrrd", "--model", "INPUT/model", "-o", "OUTPUT"),
        REPORT_STAGES,
        ("ct.nrrd", "regions.seg.nrrd", "model"),
        {"volume": "ct.nrrd", "regions": "regions.seg.nrrd", **MODEL_FILES},
    ),
    "segment": Command(
        ("segment", "INPUT/ct.nrrd", "--regions", "INPUT/regions.seg.nrrd", "-o", "OUTPUT/new.seg.nrrd"),
        {name: REPORT_STAGES[name] for name in ("read", "find regions", "write regions", "first move")},
        ("ct.nrrd", "regions.seg.nrrd"),
        {"volume": "ct.nrrd", "regions": "regions.seg.nrrd"},
    ),
    "train": Command(
        ("train", "INPUT/train.yaml", "-o", "OUTPUT/run", "--device", "cpu"),
        {
            "open data": f"{TRAIN}:open_source",
            "prepare a case": "reg2rg.training.case_cache:CaseCache._make#2",
            "learn tokenizer": f"{TRAIN}:learn_tokenizer",
            "create model": f"{TRAIN}:create_model",
            "step": "transformers:Trainer.training_step#2",
            "evaluate": f"{TRAINER}:StageTrainer.evaluate#1",
            "save checkpoint": f"{TRAINER}:StageTrainer._save#2",
            "end stage": f"{TRAIN}:save_trained_parameters#1",
            "second stage": "transformers:Trainer.training_step#3",
            "calibrate": f"{TRAIN}:calibrate",
            "save model": f"{TRAIN}:save_model",
        },
        ("train.yaml", "cache"),
        {"cached case": "cache/*/*.safetensors", "configuration": "train.yaml"},
    ),
    "evaluate": Command(
        ("evaluate", "INPUT/predictions.csv", "-o", "OUTPUT"),
        {
            "read": "reg2rg.evaluation.evaluate:read_predictions",
            "draw": "reg2rg.evaluation.output.result_files:draw_plots",
            "write": "reg2rg.evaluation.output.result_files:_write#2",
            "first move": "os:replace#1",
            "third move": "os:replace#3",
        },
        ("predictions.csv",),
        {"predictions": "predictions.csv"},
    ),
    "models import": Command(
        ("models", "import", "INPUT/pytorch_model.bin", "--tokenizer", "INPUT/tokenizer", "-o", "OUTPUT/imported"),
        {
            "read names": f"{CONVERT}:list_tensors",
            "load tokenizer": f"{CONVERT}:load_llama_tokenizer",
            "hash": f"{CONVERT}:sha256",
            "write weights": f"{CONVERT}:write_safetensors",
            "write checksums": f"{CONVERT}:write_checksums",
            "first move": "os:replace#1",
            "third move": "os:replace#3",
        },
        ("pytorch_model.bin", "tokenizer"),
        {"checkpoint": "pytorch_model.bin", "tokenizer": "tokenizer/tokenizer.json"},
    ),
    "worker": Command((), REPORT_STAGES, ("ct.nrrd", "model"), {"volume": "ct.nrrd", **MODEL_FILES}),
}

AT_STAGES = ("kill -9", "SIGTERM", "Ctrl-C", "memory", "file size", "full disk", "read-only disk")
SURVIVED = ("slow disk", "clock jumps")
"""Faults that a command must survive."""
FAULTS = (*AT_STAGES, *SURVIVED, "vanished input", "damaged file")


@dataclasses.dataclass
class Trial:
    """One trial of a command with a fault at a place: a stage, an input or a file."""

    command: str
    fault: str
    place: str
    problem: str = ""
    skipped: str = ""


def list_trials() -> Iterator[Trial]:
    """Yield all trials."""
    for name, command in COMMANDS.items():
        for stage in command.stages:
            for fault in AT_STAGES:
                if (name, fault) != ("worker", "Ctrl-C"):  # the front end ends the worker in other ways
                    yield Trial(name, fault, stage)
        for fault in SURVIVED:
            yield Trial(name, fault, next(iter(command.stages)))
        for file in command.inputs:
            for stage in (*command.stages,)[:4]:
                yield Trial(name, "vanished input", f"{file} at {stage}")
        for file in command.damage:
            yield Trial(name, "damaged file", file)


# Processes.


def run(body: Callable[[], int], folder: Path, commands: bytes = b"") -> tuple[int, str, str]:
    """Run a function in a forked process; return its exit code (negative for a signal), and what it printed."""
    folder.mkdir(exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    (folder / "stdin").write_bytes(commands)
    pipes = [os.pipe(), os.pipe()]  # files would be subject to the limits that are a fault
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.dup2(os.open(folder / "stdin", os.O_RDONLY), 0)
            for descriptor, (reader, writer) in enumerate(pipes, start=1):
                os.close(reader)
                os.dup2(writer, descriptor)
                os.close(writer)
            sys.stdin, sys.stdout, sys.stderr = (open(i, "r" if i == 0 else "w", closefd=False) for i in range(3))
            os.environ["TMPDIR"], tempfile.tempdir = str(folder / "tmp"), None
            code = body()
            atexit._run_exitfuncs()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
            atexit._run_exitfuncs()
        except BaseException:
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):
                    stream.flush()
            os._exit(code)
    printed: list[str] = ["", ""]

    def read(number: int, reader: int) -> None:
        with open(reader, encoding="utf-8", errors="replace") as stream:
            printed[number] = stream.read()

    threads = [threading.Thread(target=read, args=(number, reader)) for number, (reader, _) in enumerate(pipes)]
    for thread, (_, writer) in zip(threads, pipes, strict=True):
        os.close(writer)
        thread.start()
    _, status = os.waitpid(pid, 0)
    for thread in threads:
        thread.join()
    return os.waitstatus_to_exitcode(status), printed[0], printed[1]


def orphans() -> list[psutil.Process]:
    """Return the processes that trials have left; as their subreaper, this process becomes their parent."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    return psutil.Process().children(recursive=True)


def settles(condition: Callable[[], bool]) -> bool:
    """Return whether a condition becomes true within the time that cleaning up may take."""
    deadline = time.monotonic() + SECONDS_TO_SETTLE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


# Faults.


def when_called(place: str, action: Callable[[], None], happened: Path) -> None:
    """Let something happen when a function is called, and create a file then."""
    path, _, number = place.partition("#")
    module, _, attributes = path.partition(":")
    *parents, name = attributes.split(".")
    owner = importlib.import_module(module)
    for parent in parents:
        owner = getattr(owner, parent)
    original, calls = getattr(owner, name), 0

    def replacement(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == int(number or 1):
            happened.touch()
            action()
        return original(*arguments, **options)

    setattr(owner, name, replacement)


def limit_memory() -> None:
    """Leave the process almost no address space."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, used + 2**20))


def fill_disk(disk: Path) -> None:
    """Fill a disk to its last byte."""
    with (disk / "filler").open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                pass


def slow_down() -> None:
    """Let every rename and every opening of a file for writing take a while."""
    replace, opened = os.replace, Path.open

    def slow_replace(*arguments: Any, **options: Any) -> None:
        time.sleep(0.2)
        replace(*arguments, **options)

    def slow_open(self: Path, *arguments: Any, **options: Any) -> Any:
        time.sleep(0.05)
        return opened(self, *arguments, **options)

    os.replace, Path.open = slow_replace, slow_open


def turn_clock() -> None:
    """Let the time of day jump back ten years, and then forward and back an hour at every look."""
    now, looks = time.time, 0

    def jumping() -> float:
        nonlocal looks
        looks += 1
        return now() - 10 * 365 * 86400 + (3600 if looks % 2 else -3600)

    time.time = jumping


def happen(trial: Trial, files: Path, disk: Path, happened: Path) -> None:
    """Arrange for the fault of a trial; called in the process of the command."""
    command = COMMANDS[trial.command]
    actions: dict[str, Callable[[], None]] = {
        "kill -9": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
        "Ctrl-C": lambda: os.kill(os.getpid(), signal.SIGINT),
        "memory": limit_memory,
        "file size": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        "full disk": lambda: fill_disk(disk),
        "read-only disk": lambda: remount(disk, "ro"),
        "clock jumps": turn_clock,
        "slow disk": slow_down,
    }
    if trial.fault == "vanished input":
        file, _, stage = trial.place.partition(" at ")
        when_called(command.stages[stage], lambda: (files / file).rename(files / f"{file}.away"), happened)
    elif trial.fault in actions:
        when_called(command.stages[trial.place], actions[trial.fault], happened)


def remount(disk: Path, mode: str) -> None:
    """Change whether a disk can be written."""
    subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=False, capture_output=True)


@contextmanager
def mounted_disk(place: Path) -> Iterator[Path]:
    """Provide a small disk in memory."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


# What is left behind.


def snapshot(folder: Path) -> dict[str, str]:
    """Return the files below a folder, with hashes of their content."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def is_complete(command: str, output: Path) -> bool:
    """Return whether the output of a command is there and can be read."""
    from reg2rg.checkpoints import ModelFolder
    from reg2rg.report import load_report

    try:
        if command in ("report", "worker"):
            names = ("report.txt", "regions.seg.nrrd", "preview.png")
            return bool(load_report(output).sections) and all((output / name).stat().st_size for name in names)
        if command == "segment":
            return (output / "new.seg.nrrd").stat().st_size > 1000
        if command == "evaluate":
            return bool(json.loads((output / "metrics.json").read_text())) and (output / "evaluation.html").is_file()
        folder = output / ("run/model" if command == "train" else "imported")
        ModelFolder.open(folder).verify()
        return True
    except Exception:
        return False


def half_written(command: str, before: dict[str, str], output: Path) -> list[str]:
    """Return the files that a failed command has changed, unless its output is complete."""
    if is_complete(command, output):
        return []
    after = snapshot(output)
    changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    if command == "train":  # a run folder is resumed; only the model must be complete or absent
        changed = [name for name in changed if name.startswith("run/model/")]
    return [name for name in changed if ".reg2rg-" not in name]  # temporary folders are looked for separately


def execute(command: str, files: Path, output: Path, work: Path, before: Callable[[], None]) -> tuple[int, str]:
    """Run a command; return its exit code and its errors. A failure event of the worker counts as a line of error."""
    fields = {"volume": "ct.nrrd", "regions_file": "regions.seg.nrrd", "model": "model"}
    request = {name: str(files / file) for name, file in fields.items()} | {"output": str(output), "command": "run"}
    lines = json.dumps(request) + "\n" if command == "worker" else ""

    def body() -> int:
        before()
        if command == "worker":
            from reg2rg import worker

            worker.SHUTDOWN_SECONDS = 600.0  # standard input has ended; the run may finish
            worker.Worker.end = lambda self: self._run.join()  # type: ignore[method-assign]
            worker.main()
        from reg2rg.cli import main

        replaced = {"INPUT": str(files), "OUTPUT": str(output)}
        arguments = [
            argument.replace("INPUT", replaced["INPUT"]).replace("OUTPUT", replaced["OUTPUT"])
            for argument in COMMANDS[command].arguments
        ]
        sys.argv = ["reg2rg", *arguments]
        main.main()
        return 0

    code, printed, errors = run(body, work, lines.encode())
    if command == "worker":
        events = [json.loads(line) for line in printed.splitlines()]
        failures = [event for event in events if event["event"] == "failure"]
        errors = "\n".join(f"reg2rg: {event['message']}" for event in failures)
        code = code or (2 if failures else 0)
    return code, errors


def problem_of(code: int, errors: str, trial: Trial) -> str:
    """Return what is wrong with the way in which a command ended; empty if nothing is."""
    if trial.fault in ("kill -9", "SIGTERM") and code in (0, -signal.SIGKILL, -signal.SIGTERM):
        return ""
    if trial.fault in SURVIVED and code != 0:
        return f"exit code {code}: {errors[-300:]}"
    if code not in (0, 1, 2, 130):
        return f"exit code {code}: {errors[-300:]}"
    lines = [line for line in errors.splitlines() if line.startswith("reg2rg: ")]
    if "Traceback" in errors or "Unexpected" in errors or len(lines) != (code != 0):
        return f"exit code {code}, and not one line of error: {errors[-600:]}"
    return ""


def attempt(trial: Trial, prepared: Path, work: Path) -> None:
    """Carry out a trial and note what is wrong."""
    with_disk = trial.fault in ("full disk", "read-only disk")
    if with_disk and os.geteuid() != 0:
        trial.skipped = "needs root"
        return
    files, output = work / "input", work / "output"
    shutil.copytree(prepared, files)
    place_cache(files)
    if "prepare a case" in trial.place:
        shutil.rmtree(files / "cache")
    output.mkdir()
    if not with_disk:
        _attempt(trial, files, output, work)
        return
    with mounted_disk(output):
        _attempt(trial, files, output / "disk", work)


def _attempt(trial: Trial, files: Path, output: Path, work: Path) -> None:
    output.mkdir(exist_ok=True)
    (output / "notes.txt").write_text("mine")
    damaged = _damage(trial, files)
    before = snapshot(output)
    code, errors = execute(
        trial.command, files, output, work / "first", lambda: happen(trial, files, output.parent, work / "happened")
    )
    problems = [problem_of(code, errors, trial)]
    if trial.fault != "damaged file" and not (work / "happened").exists():
        problems.append("the fault did not happen")
    if not settles(lambda: not orphans()):
        left = orphans()
        problems.append(f"orphans: {[' '.join(process.cmdline())[:80] for process in left]}")
        for process in left:
            process.kill()
    if trial.fault == "read-only disk":
        remount(output.parent, "rw")
    (output.parent / "filler").unlink(missing_ok=True)
    for away in files.glob("*.away"):
        shutil.rmtree(files / away.name.removesuffix(".away"), ignore_errors=True)
        away.rename(files / away.name.removesuffix(".away"))
    for file, content in damaged.items():
        file.write_bytes(content)
    problems += [f"half written: {name}" for name in half_written(trial.command, before, output)]
    left_folders = [path.name for path in (work / "first" / "tmp").iterdir()]
    if trial.fault != "read-only disk":  # nothing can be removed from such a disk
        left_folders += [path.name for path in output.rglob(".reg2rg-*")]
    problems += [f"left behind: {name}" for name in left_folders]
    if trial.command == "models import" and is_complete(trial.command, output):
        shutil.rmtree(output / "imported")  # a complete model is not replaced
    code, errors = execute(trial.command, files, output, work / "second", lambda: None)
    if code != 0 or not is_complete(trial.command, output):
        problems.append(f"the next run ended with {code}: {errors[-300:]}")
    if (output / "notes.txt").read_text() != "mine":
        problems.append("another file was changed")
    trial.problem = "; ".join(filter(None, problems))


def _damage(trial: Trial, files: Path) -> dict[Path, bytes]:
    """Damage a file; return the content of those that the user has to repair, which caches are not."""
    if trial.fault != "damaged file":
        return {}
    pattern = COMMANDS[trial.command].damage[trial.place]
    contents = {file: file.read_bytes() for file in files.glob(pattern)}
    assert contents, f"no file matches {pattern}"
    for file, content in contents.items():
        file.write_bytes(content[: len(content) // 2] + b"\0damage")
    return {} if "*" in pattern else contents


# Inputs, and results.


def prepare(folder: Path) -> int:
    """Write the inputs of all commands."""
    import SimpleITK as sitk
    import torch
    import yaml
    from checkpoint_files import make_state, save_tokenizer, small_config
    from evaluation_files import write_pairs
    from tiny_model import save_tiny_model

    from reg2rg.exports.segmentation_nrrd import write_regions
    from reg2rg.phantom import make_phantom

    case = make_phantom(104)
    sitk.WriteImage(case.volume, str(folder / "ct.nrrd"))
    write_regions(case.masks, folder / "regions.seg.nrrd")
    save_tiny_model(folder / "model")
    torch.save(make_state(small_config()), folder / "pytorch_model.bin")
    save_tokenizer(folder / "tokenizer")
    write_pairs(folder / "predictions.csv", ["The heart is large."] * 3, ["Normal heart.", "No finding.", "Large."])
    config = yaml.safe_load((ROOT / "Resources/Training/smoke.yaml").read_text())
    config |= {"cache": "CACHE", "workers": 0}
    config["data"] = {"kind": "phantoms", "cases": 2, "validation_cases": 1}
    for stage in config["stages"]:
        stage |= {"steps": 2, "batch_size": 1, "eval_every": 1, "warmup_steps": 0, "log_every": 1}
    (folder / "train.yaml").write_text(yaml.safe_dump(config))
    return 0


def fill_cache(base: Path) -> None:
    """Train once, so that the cases of the training are cached in all trials that do not prepare any."""
    place_cache(base / "prepared")
    (base / "trained").mkdir()
    code, errors = execute("train", base / "prepared", base / "trained", base / "training", lambda: None)
    assert code == 0, errors
    (base / "prepared" / "train.yaml").write_text(
        (base / "prepared" / "train.yaml").read_text().replace(str(base / "prepared" / "cache"), "CACHE")
    )


def place_cache(files: Path) -> None:
    """Let the training of a trial use the cache among its inputs."""
    config = files / "train.yaml"
    config.write_text(config.read_text().replace("CACHE", str(files / "cache")))


def table(trials: list[Trial]) -> str:
    """Return the results as a table in Markdown: passed of all trials, per command and fault."""
    faults = [fault for fault in FAULTS if any(trial.fault == fault for trial in trials)]
    lines = [f"| command | {' | '.join(faults)} |", f"|---|{'---|' * len(faults)}"]
    for name in dict.fromkeys(trial.command for trial in trials):
        cells = []
        for fault in faults:
            row = [trial for trial in trials if (trial.command, trial.fault) == (name, fault) and not trial.skipped]
            cells.append(f"{sum(not trial.problem for trial in row)}/{len(row)}" if row else "–")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    tried = [trial for trial in trials if not trial.skipped]
    failed = [trial for trial in tried if trial.problem]
    lines += ["", f"{len(tried)} faults, {len(tried) - len(failed)} without a problem."]
    if skipped := len(trials) - len(tried):
        lines.append(f"{skipped} more were skipped, because they need root.")
    lines += [f"- {trial.command}, {trial.fault}, {trial.place}: {' '.join(trial.problem.split())}" for trial in failed]
    return "\n".join(lines)


def main() -> None:
    """Carry out the trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="commands, separated by commas")
    parser.add_argument("--faults", default="", help="faults, separated by commas")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th trial")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    options = parser.parse_args()
    trials = [
        trial
        for trial in list_trials()
        if (not options.only or trial.command in options.only.split(","))
        and (not options.faults or trial.fault in options.faults.split(","))
    ]
    random.Random(0).shuffle(trials)
    trials = sorted(trials[:: options.every], key=lambda trial: list(COMMANDS).index(trial.command))
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.environ |= {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1", "REG2RG_MODELS": "/nonexistent"}
    load_libraries()
    base = Path(tempfile.mkdtemp(prefix="faults-"))
    try:  # not a TemporaryDirectory, which every forked process would remove at its end
        (base / "prepared").mkdir()
        code, _, errors = run(lambda: prepare(base / "prepared"), base / "preparation")
        assert code == 0, errors
        fill_cache(base)
        for number, trial in enumerate(trials, start=1):
            work = base / f"trial-{number}"
            work.mkdir()
            started = time.monotonic()
            attempt(trial, base / "prepared", work)
            shutil.rmtree(work, ignore_errors=True)
            outcome = trial.skipped or trial.problem or "ok"
            seconds = time.monotonic() - started
            print(f"{number}/{len(trials)} {trial.command}, {trial.fault}, {trial.place}: {outcome} ({seconds:.1f} s)",
                  flush=True)  # fmt: skip
    finally:
        shutil.rmtree(base, ignore_errors=True)
    text = table(trials)
    print(text)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        head, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    sys.exit(any(trial.problem for trial in trials))


def load_libraries() -> None:
    """Import what the commands need once; each of their processes is a copy of this one."""
    from reg2rg.runtime.third_party import configure_libraries

    configure_libraries()
    import torch

    torch.set_num_threads(1)
    for module in (
        "reg2rg.cli.main",
        "reg2rg.cli.progress",
        "reg2rg.pipeline.run",
        "reg2rg.inference.generator",
        "reg2rg.training.run",
        "reg2rg.evaluation.evaluate",
        "reg2rg.evaluation.output.result_files",
        "nltk.translate.meteor_score",
        "rouge_score.rouge_scorer",
        "sacrebleu.tokenizers.tokenizer_13a",
        "matplotlib.pyplot",
        "torch.utils.tensorboard",
        "scipy.signal",
        "reg2rg.checkpoints.assembly",
        "reg2rg.cli.models",
        "reg2rg.checkpoints.convert.convert",
        "reg2rg.phantom",
        "tiny_model",
    ):
        importlib.import_module(module)


if __name__ == "__main__":
    main()
