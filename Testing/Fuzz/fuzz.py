"""Fuzz every reader of files that a user may have got from somebody else.

    python Testing/Fuzz/fuzz.py [--minutes M] [--seed S] [--out FOLDER] [TARGET ...]

Each target starts from small valid files, changes them at random, and reads the result in a child process with a memory
limit of 2 GB. An input is fine if it is read, or refused with an InputError of one line. Everything else is a finding:
another exception, a crash, more than TIMEOUT seconds, or a request for more memory than the limit. The input of each
finding is kept in the output folder. The exit code is 1 if there was a finding.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

from mutations import mutate
from targets import TARGETS

TIMEOUT = 20
"""Seconds that one input may take."""

MEMORY_LIMIT = 2 << 30
"""Bytes of memory that a child process may use."""

_OUT_OF_MEMORY = ("bad_alloc", "allocate", "memory", "MemoryError")


def main() -> int:
    """Fuzz the targets one after the other and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], default=[])
    parser.add_argument("--minutes", type=float, default=30, help="time per target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_child(options.targets[0], options.seed, options.out)
        return 0
    found = 0
    for target in options.targets or TARGETS:
        count, kinds = fuzz(target, 60 * options.minutes, options.seed, options.out / target)
        print(f"{target}: {count} inputs in {options.minutes:g} minutes, {len(kinds)} findings", flush=True)
        for kind, file in kinds.items():
            print(f"  {kind}: {file}", flush=True)
        found += len(kinds)
    return 1 if found else 0


def fuzz(target: str, seconds: float, seed: int, folder: Path) -> tuple[int, dict[str, Path]]:
    """Run child processes until the time is over, a new one after each crash or hang.

    Returns:
        The number of inputs, and kind of finding -> file with the first input that led to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count, kinds, end = 0, {}, time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        command = [sys.executable, __file__, "--child", target, "--seed", str(seed + count), "--out", str(folder)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        done, problem = _watch(child, left, kinds, folder)
        count += done
        if problem:
            _keep(kinds, problem, folder)
    return count, kinds


def _watch(child: subprocess.Popen[bytes], seconds: float, kinds: dict[str, Path], folder: Path) -> tuple[int, str]:
    """Read the child's messages until the time is over, or it crashes or hangs; return its inputs and what happened."""
    assert child.stdout is not None
    count, problem, end, patience = 0, "", time.monotonic() + seconds, 300.0  # imports take long on a busy machine
    buffer = b""
    while time.monotonic() < end:
        if not select.select([child.stdout], [], [], patience)[0]:
            problem = f"hang of more than {patience:g} seconds"
            break
        block = os.read(child.stdout.fileno(), 1 << 16)
        if not block:
            code = child.wait()
            problem = f"crash by {signal.Signals(-code).name}" if code < 0 else f"exit with {code}"
            break
        *lines, buffer = (buffer + block).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message is None:
                count, patience = count + 1, float(TIMEOUT)
            else:
                kinds.setdefault(message[0], folder / message[1])
    child.kill()
    child.wait()
    return count, problem


def _keep(kinds: dict[str, Path], problem: str, folder: Path) -> None:
    """Keep the input that the child was reading."""
    current = folder / "current"
    if not current.is_file():
        raise RuntimeError(f"The target {folder.name} cannot be prepared ({problem}); run it with --child to see why.")
    content = current.read_bytes()
    kept = folder / hashlib.sha256(content).hexdigest()[:16]
    kept.write_bytes(content)
    kinds.setdefault(problem, kept)


def run_child(target: str, number: int, folder: Path) -> None:
    """Read mutated inputs forever. One line on standard output for each input, and one for each finding."""
    messages = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    fuzzed = TARGETS[target](folder)
    for seed in fuzzed.seeds:
        fuzzed.read(seed)  # what is refused from the start would not be read deeply
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
    rng = random.Random(number)
    while True:
        content = mutate(rng, rng.choice(fuzzed.seeds), fuzzed.seeds, fuzzed.words)
        (folder / "current").write_bytes(content)
        if kind := examine(fuzzed.read, content):
            name = hashlib.sha256(content).hexdigest()[:16]
            (folder / name).write_bytes(content)
            messages.write(json.dumps([kind, name]).encode() + b"\n")
        messages.write(b"null\n")


def examine(read, content: bytes) -> str | None:
    """Read one input; return what is wrong with how it ended, or None."""
    from reg2rg.errors import InputError

    try:
        read(content)
    except InputError as error:
        text = str(error)
        if any(word in repr(each) for each in (error, error.__cause__) for word in _OUT_OF_MEMORY):
            return f"more than 2 GB of memory: {_place(error)}"
        return f"message of several lines: {_place(error)}" if "\n" in text else None
    except Exception as error:
        return f"{type(error).__name__}: {_place(error)}"
    return None


def _place(error: BaseException) -> str:
    """Return the innermost line of the engine that an exception came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/reg2rg/" in frame.filename]
    return f"{frames[-1].filename.split('/reg2rg/')[-1]}:{frames[-1].lineno}" if frames else "outside the engine"


if __name__ == "__main__":
    sys.exit(main())
