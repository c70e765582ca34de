"""The pipeline as a process: what the Slicer module, and any other front end, talks to.

Commands come as one JSON object a line on standard input:

    {"command": "run", "volume": "ct.nii.gz", "output": "folder", ...}    fields of reg2rg.pipeline.ReportRequest
    {"command": "cancel"}
    {"command": "quit"}

Events go out as one JSON object a line on standard output (reg2rg.pipeline.events), nothing else. A run ends with
exactly one of report_done, stopped and failure (of "run"). The log on standard error holds no paths and no report text.
When standard input ends, the front end is gone: the run is cancelled and the worker ends. The model stays loaded for
the next run, with what writing a region again can use, until the worker has been idle for some minutes.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import sys
import threading
import time
import traceback
from typing import IO, Any

from reg2rg import __version__
from reg2rg.errors import Cancelled, InputError, Reg2RGError
from reg2rg.pipeline.events import Event, Failure, Heartbeat, Progress, Ready, Stage, Stopped, to_dict
from reg2rg.pipeline.failures import as_failure
from reg2rg.pipeline.request import ReportRequest
from reg2rg.runtime.staging import kill_children_on_exit
from reg2rg.runtime.third_party import quiet_libraries

HEARTBEAT_SECONDS = 1.0
FAREWELL_SECONDS = 5.0
"""How long a cancelled run may take to end before the process ends without it."""

IDLE_SECONDS = 600.0
"""After so long without a run the model's memory is given back; the next run loads it again."""

log = logging.getLogger("reg2rg.worker")


def main() -> None:
    """Run the worker until it is told to quit or standard input ends."""
    quiet_libraries()
    commands, output = _private_streams()
    kill_children_on_exit()
    _log_to_stderr()
    worker = Worker(output)
    try:
        worker.listen(commands)
    except KeyboardInterrupt:
        log.info("interrupted")
    worker.end()
    # Not sys.exit: a thread that computes, or a library's exit handler, must not keep us.
    os._exit(0)


class Worker:
    """Takes commands and does runs, one at a time, in a thread."""

    def __init__(self, output: IO[str]) -> None:
        self._output = output
        self._writing = threading.Lock()
        self._cancel = threading.Event()
        self._busy = threading.Event()
        self._run: threading.Thread | None = None
        self._stage: Stage | None = None  # the last one logged
        self._idle_since: float | None = None  # when a run ended whose model is still loaded

    def listen(self, commands: IO[str]) -> None:
        """Obey commands until "quit" or their end; what is no command is answered with a failure."""
        self._send(Ready(__version__))
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        for line in commands:
            try:
                command, fields = _parse(line)
                if command == "quit":
                    return
                _COMMANDS[command](self, **fields)
            except InputError as error:
                log.warning("a command was refused")
                self._send(Failure(str(error), error.exit_code, scope="command"))

    def end(self) -> None:
        """Cancel the run, if there is one, and give it a moment to clean up."""
        self._cancel.set()
        if self._run is not None:
            self._run.join(FAREWELL_SECONDS)

    def _start(self, **fields: Any) -> None:
        request = ReportRequest.from_dict(fields)
        if self._busy.is_set():
            raise InputError("A run is going on; cancel it or wait for its end before the next.")
        self._cancel.clear()
        self._busy.set()
        self._idle_since = None
        self._run = threading.Thread(target=self._do, args=(request,), name="run", daemon=True)
        self._run.start()

    def _stop(self) -> None:
        self._cancel.set()

    def _do(self, request: ReportRequest) -> None:
        started = time.monotonic()
        log.info("run started")
        try:
            from reg2rg.pipeline.run import run_report

            result: Event = run_report(request, self._tell, self._cancel.is_set)
            outcome = "ended well"
        except Cancelled:
            result, outcome = Stopped(), "was cancelled"
        except Exception as error:
            result, outcome = as_failure(error), f"failed with {type(error).__name__}"
            if not isinstance(error, Reg2RGError):
                # Where in the code, but not the message: it may hold a path or a name.
                log.error("unexpected error at\n%s", "".join(traceback.format_tb(error.__traceback__)).rstrip())
        log.info("run %s after %.1f s", outcome, time.monotonic() - started)
        self._idle_since = time.monotonic()
        self._busy.clear()  # before the event: whoever reads it may ask for the next run at once
        self._send(result)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Progress) and event.stage is not self._stage:
            self._stage = event.stage
            log.info("stage: %s", event.stage.value)
        self._send(event)

    def _beat(self) -> None:
        while True:
            time.sleep(HEARTBEAT_SECONDS)
            self._send(Heartbeat(self._busy.is_set()))
            if self._idle_since is not None and time.monotonic() - self._idle_since > IDLE_SECONDS:
                self._idle_since = None
                self._rest()

    def _rest(self) -> None:
        # A run that begins just now loads its model again, or holds it already; both do no harm.
        from reg2rg.pipeline.model_cache import free_memory

        free_memory()
        log.info("the model's memory was given back after %.0f s without a run", IDLE_SECONDS)

    def _send(self, event: Event) -> None:
        line = json.dumps(to_dict(event)) + "\n"
        try:
            with self._writing:
                self._output.write(line)
                self._output.flush()
        except OSError:
            # Nobody reads any more. The janitor of reg2rg.runtime.staging removes what a run has begun.
            os._exit(1)


_COMMANDS = {"run": Worker._start, "cancel": Worker._stop}


def _parse(line: str) -> tuple[str, dict[str, Any]]:
    """The name and fields of a command; InputError if it is none."""
    try:
        fields = json.loads(line)
        command = fields.pop("command")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise InputError('A command that is no JSON object with a "command" was given.') from None
    if not isinstance(command, str) or command not in {*_COMMANDS, "quit"}:
        raise InputError(f"No command is called {command!r}; expected run, cancel or quit.")
    if command != "run" and fields:
        raise InputError(f"The command {command} takes no fields; given: {', '.join(fields)}.")
    return command, fields


def _private_streams() -> tuple[IO[str], IO[str]]:
    """Our own input and output, out of reach of what libraries and child processes read and print.

    Descriptor 0 becomes empty and descriptor 1 becomes standard error, for Python and for C code alike.
    """
    commands = os.fdopen(os.dup(0), "r", encoding="utf-8", errors="replace")
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return commands, output


def _log_to_stderr() -> None:
    faulthandler.enable()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


if __name__ == "__main__":
    main()
