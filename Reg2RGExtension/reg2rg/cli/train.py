"""``reg2rg train``: train a model from a configuration file."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from reg2rg.errors import Reg2RGError

GRACE_SECONDS = 3.0
"""How long a training may take to end by itself after Ctrl-C."""

_PAUSED = "Interrupted; run the same command again to resume from the last checkpoint."


class TrainingPaused(Reg2RGError):
    """Training was interrupted."""

    exit_code = 130


def train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="YAML file, or one of: smoke, phantom, ablation, published.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for this training run. An interrupted run resumes from it.")
    ],
    device: Annotated[str, typer.Option(help="Device: auto, cpu, mps, cuda or cuda:N.")] = "auto",
) -> None:
    """Train a model on phantoms, or on a folder laid out like RadGenome-ChestCT."""
    from reg2rg.runtime.devices import choose_device
    from reg2rg.runtime.resources import find_training_config
    from reg2rg.training.config import read_config

    is_main = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun or accelerate started

    def print_message(message: str) -> None:
        if is_main:
            print(message, file=sys.stderr, flush=True)

    settings, device = read_config(find_training_config(config), print_message), choose_device(device)
    try:
        with _prompt_interrupts():
            from reg2rg.training.run import train

            model = train(settings, output, device, print_message)
    except KeyboardInterrupt:
        raise TrainingPaused(_PAUSED) from None
    if is_main:
        print(model)


@contextlib.contextmanager
def _prompt_interrupts() -> Iterator[None]:
    """Make sure that Ctrl-C ends the process within seconds.

    Python runs signal handlers between its own instructions only, so a long product in C, or a wait for worker
    processes, would delay them. Ending the process at any time is safe: checkpoints are used once they are complete.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    earlier = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_after_interrupt, args=(reader,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(earlier)
        writer.close()


def _end_after_interrupt(signals: socket.socket) -> None:
    """Wait for Ctrl-C, give the process some time, and then end it. The processes that prepare cases end with it."""
    while received := signals.recv(1):
        if received[0] == signal.SIGINT:
            time.sleep(GRACE_SECONDS)
            print(f"reg2rg: {_PAUSED}", file=sys.stderr, flush=True)
            os._exit(TrainingPaused.exit_code)
