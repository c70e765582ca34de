"""Worker process that runs the pipeline for the Slicer module and other front ends.

Commands are read from standard input, one JSON object per line:

    {"command": "run", "volume": "ct.nii.gz", "output": "folder", ...}    fields of ReportRequest
    {"command": "measure", "volume": "ct.nii.gz", "output": "folder", ...}    fields of MeasureRequest
    {"command": "export", "report": "folder", "format": "text", ...}    fields of ExportRequest
    {"command": "send", "to": "dicom://...", "folder": "folder", ...}    fields of SendRequest
    {"command": "cancel"}
    {"command": "quit"}

Events, and nothing else, are written to standard output, one JSON object per line (``reg2rg.pipeline.events``). A run
ends with exactly one of report_done, measured, exported, sent, answered, stopped or failure (scope "run"). The log on
standard error contains no paths and no report text. When standard input closes, the front end has exited: the run is
cancelled and the worker exits. The model stays loaded for the next run until the worker has been idle for several
minutes.
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
from collections.abc import Callable
from typing import IO, Any

from reg2rg.about import __version__
from reg2rg.errors import Cancelled, InputError, Reg2RGError
from reg2rg.pipeline.events import (
    Event,
    Exported,
    Failure,
    Heartbeat,
    Measured,
    Progress,
    Ready,
    Stage,
    Stopped,
    to_dict,
)
from reg2rg.pipeline.failures import as_failure
from reg2rg.pipeline.request import ExportRequest, MeasureRequest, ReportRequest, SendRequest
from reg2rg.runtime.dataclass_io import from_plain, to_plain
from reg2rg.runtime.staging import kill_children_on_exit
from reg2rg.runtime.third_party import configure_libraries

HEARTBEAT_SECONDS = 1.0
SHUTDOWN_SECONDS = 5.0
"""How long a cancelled run may take to end before the process exits anyway."""

IDLE_SECONDS = 600.0
"""Idle time after which the model's memory is released. The next run loads the model again."""

log = logging.getLogger("reg2rg.worker")


def main() -> None:
    """Run the worker until it receives "quit" or standard input closes."""
    configure_libraries()
    commands, output = _private_streams()
    kill_children_on_exit()
    _log_to_stderr()
    worker = Worker(output)
    try:
        worker.listen(commands)
    except KeyboardInterrupt:
        log.info("interrupted")
    worker.end()
    # Not sys.exit: a running thread, or the exit handler of a library, must not delay the exit.
    os._exit(0)


class Worker:
    """Executes commands. Runs are executed one at a time in a thread."""

    def __init__(self, output: IO[str]) -> None:
        self._output = output
        self._writing = threading.Lock()
        self._cancel = threading.Event()
        self._busy = threading.Event()
        self._run: threading.Thread | None = None
        self._stage: Stage | None = None  # the last one logged
        self._idle_since: float | None = None  # when the last run ended, while its model is loaded

    def listen(self, commands: IO[str]) -> None:
        """Execute commands until "quit" or the end of the stream. An invalid command is answered with a failure."""
        self._send(Ready(__version__))
        threading.Thread(target=self._send_heartbeats, name="heartbeat", daemon=True).start()
        for line in commands:
            try:
                command, fields = _parse(line)
                if command == "quit":
                    return
                _COMMANDS[command](self, **fields)
            except InputError as error:
                log.warning("invalid command")
                self._send(Failure(str(error), error.exit_code, scope="command"))

    def end(self) -> None:
        """Cancel the run, if there is one, and let it clean up."""
        self._cancel.set()
        if self._run is not None:
            self._run.join(SHUTDOWN_SECONDS)

    def _start_report(self, **fields: Any) -> None:
        request = ReportRequest.from_dict(fields)
        self._start(lambda: self._report(request))

    def _start_measurement(self, **fields: Any) -> None:
        request = MeasureRequest.from_dict(fields)
        self._start(lambda: self._measure(request))

    def _start_export(self, **fields: Any) -> None:
        request = from_plain(ExportRequest, fields, "request")
        self._start(lambda: self._export(request))

    def _start_transfer(self, **fields: Any) -> None:
        request = from_plain(SendRequest, fields, "request")
        self._start(lambda: self._send_files(request))

    def _start(self, run: Callable[[], Event]) -> None:
        if self._busy.is_set():
            raise InputError("Another run is in progress; cancel it or wait until it ends.")
        self._cancel.clear()
        self._busy.set()
        self._idle_since = None
        self._run = threading.Thread(target=self._execute, args=(run,), name="run", daemon=True)
        self._run.start()

    def _cancel_run(self) -> None:
        self._cancel.set()

    def _report(self, request: ReportRequest) -> Event:
        from reg2rg.pipeline.run import run_report

        return run_report(request, self._on_event, self._cancel.is_set)

    def _measure(self, request: MeasureRequest) -> Event:
        from reg2rg.pipeline.run import run_measurement

        started = time.monotonic()
        evidence, regions = run_measurement(request, self._on_event, self._cancel.is_set)
        seconds = round(time.monotonic() - started, 2)
        return Measured(to_plain(evidence), to_plain(regions), str(request.output), seconds)

    def _export(self, request: ExportRequest) -> Event:
        from reg2rg.exports.formats import export_report
        from reg2rg.report import load_report

        path = export_report(
            load_report(request.report),
            request.format,
            request.output,
            request.ct,
            study=request.study,
            dicomweb=request.dicomweb,
        )
        return Exported(str(path))

    def _send_files(self, request: SendRequest) -> Event:
        from reg2rg.pipeline.sending import run_send

        return run_send(request, self._on_event, self._cancel.is_set)

    def _execute(self, run: Callable[[], Event]) -> None:
        started = time.monotonic()
        log.info("run started")
        try:
            result = run()
            outcome = "succeeded"
        except Cancelled:
            result, outcome = Stopped(), "was cancelled"
        except Exception as error:
            result, outcome = as_failure(error), f"failed with {type(error).__name__}"
            if not isinstance(error, Reg2RGError):
                # The location in the code, but not the message: it may contain a path or a name.
                log.error("unexpected error at\n%s", "".join(traceback.format_tb(error.__traceback__)).rstrip())
        log.info("run %s after %.1f s", outcome, time.monotonic() - started)
        self._idle_since = time.monotonic()
        self._busy.clear()  # before sending the event, because its reader may start the next run at once
        self._send(result)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress) and event.stage is not self._stage:
            self._stage = event.stage
            log.info("stage: %s", event.stage.value)
        self._send(event)

    def _send_heartbeats(self) -> None:
        while True:
            time.sleep(HEARTBEAT_SECONDS)
            self._send(Heartbeat(self._busy.is_set()))
            if self._idle_since is not None and time.monotonic() - self._idle_since > IDLE_SECONDS:
                self._idle_since = None
                self._release_model()

    def _release_model(self) -> None:
        # A run that starts at this moment either loads its model again or already has it. Both are harmless.
        from reg2rg.pipeline.model_cache import MODEL_CACHE

        MODEL_CACHE.clear()
        log.info("released the model after %.0f s without a run", IDLE_SECONDS)

    def _send(self, event: Event) -> None:
        line = json.dumps(to_dict(event)) + "\n"
        try:
            with self._writing:
                self._output.write(line)
                self._output.flush()
        except OSError:
            # The reader has exited. The janitor process of reg2rg.runtime.staging removes unfinished files.
            os._exit(1)


_COMMANDS = {
    "run": Worker._start_report,
    "measure": Worker._start_measurement,
    "export": Worker._start_export,
    "send": Worker._start_transfer,
    "cancel": Worker._cancel_run,
}


def _parse(line: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the fields of a command."""
    try:
        fields = json.loads(line)
        command = fields.pop("command")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise InputError('Invalid command; expected a JSON object with a "command".') from None
    if not isinstance(command, str) or command not in {*_COMMANDS, "quit"}:
        raise InputError(f"Unknown command {command!r}; expected one of: {', '.join(_COMMANDS)}, quit.")
    if command in ("cancel", "quit") and fields:
        raise InputError(f"The command {command} takes no fields, but has: {', '.join(fields)}.")
    return command, fields


def _private_streams() -> tuple[IO[str], IO[str]]:
    """Return private input and output streams that libraries and child processes cannot use.

    Descriptor 0 becomes empty and descriptor 1 becomes standard error, for Python and C code alike.
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
