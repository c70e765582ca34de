"""The engine's process: commands go in, events come out.

Output is read when Qt signals that it has arrived. A reader thread would starve, because Slicer's event loop does not
release Python's global interpreter lock.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib import locations
from Reg2RGModuleLib.signal import Signal

HEARTBEAT_TIMEOUT_S = 30.0
"""The engine sends a heartbeat every second. If it sends nothing for this long, it is killed."""
CANCEL_TIMEOUT_S = 10.0
"""If a canceled run has not stopped after this long, the engine is killed."""
CHECK_INTERVAL_S = 0.5
"""Timeouts count checks, not elapsed time, because a blocked application cannot receive heartbeats either."""
LOG_LINES = 40


class _Launch(NamedTuple):
    """What an engine process was started for. Another one is started for anything else."""

    python: str
    model: str
    device: str


class EngineProcess:
    """One engine process, started when it is first needed and reused by later runs with the same model and device.

    Signals:
        event(Event): an event of the run (``reg2rg.pipeline.events``), other than a heartbeat.
        died(str, str): the process ended during a run; the reason, and the last lines of the engine's log.
    """

    def __init__(self) -> None:
        self.event = Signal()
        self.died = Signal()
        self._process: qt.QProcess | None = None
        self._launch: _Launch | None = None
        self._isReady = False
        self._partialLine = b""
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._silentFor = 0.0
        self._cancellingFor: float | None = None
        self._running = False
        self._killReason = ""
        self._watchdog = qt.QTimer()
        self._watchdog.setInterval(round(1000 * CHECK_INTERVAL_S))
        self._watchdog.connect("timeout()", self._check)

    @property
    def running(self) -> bool:
        """Whether a run is in progress."""
        return self._running

    @property
    def log(self) -> str:
        """The last lines of the engine's log. They contain no paths and no report text."""
        return "\n".join(self._log)

    def processId(self) -> int:
        """Return the ID of the process, or 0 if there is none."""
        return self._process.processId() if self._process is not None else 0

    def run(self, request: Mapping[str, Any], command: str = "run") -> None:
        """Start a run. Its outcome is reported by an event or by ``died``.

        Args:
            request: the fields of ``reg2rg.pipeline.request.ReportRequest``, MeasureRequest, ExportRequest or
                SendRequest.
            command: "run" to generate a report; "measure", "export" or "send", which use no model.

        Raises:
            RuntimeError: a run is already in progress.
        """
        if self._running:
            raise RuntimeError(_("A run is already in progress."))
        last = self._launch or _Launch("", "", "auto")
        model, device = request.get("model", last.model), request.get("device", last.device)
        launch = _Launch(locations.enginePython(), model, device)
        if launch != self._launch:
            self.end()
        self._launch = launch
        self._running = True
        self._cancellingFor = None
        self._killReason = ""
        self._silentFor = 0.0
        self._watchdog.start()
        if self._process is None:
            self._start(launch.python)
        self._send({"command": command, **request})

    def cancel(self) -> None:
        """Ask the run to stop. If it does not stop in time, the process is killed."""
        if self._running and self._cancellingFor is None:
            self._cancellingFor = 0.0
            self._send({"command": "cancel"})

    def end(self) -> None:
        """End the process, if there is one, without emitting any more signals about its run.

        The process is killed, so the caller does not have to wait. Its child processes end as well, and its temporary
        files are removed (``reg2rg.runtime.staging``).
        """
        self._watchdog.stop()
        self._running = False
        process, self._process = self._process, None
        if process is None:
            return
        process.blockSignals(True)
        process.kill()
        process.waitForFinished(2000)
        process.deleteLater()

    def _start(self, python: str) -> None:
        # The parent keeps the object alive. PythonQt deletes an object without a parent as soon as its last reference
        # is gone, which may happen in a slot that the object itself has called.
        process = qt.QProcess(self._watchdog)
        self._isReady = False
        environment = qt.QProcessEnvironment()
        for name, value in locations.engineEnvironment().items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.connect("readyReadStandardOutput()", self._readOutput)
        process.connect("readyReadStandardError()", self._readLog)
        process.connect("finished(int,QProcess::ExitStatus)", self._onFinished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._onError)
        self._partialLine = b""
        self._log.clear()
        self._process = process
        process.start(python, ["-m", "reg2rg.worker"])

    def _send(self, command: Mapping[str, Any]) -> None:
        if self._process is not None:
            self._process.write((json.dumps(command) + "\n").encode())

    def _readOutput(self) -> None:
        if self._process is None:
            return
        self._silentFor = 0.0
        output = self._partialLine + self._process.readAllStandardOutput().data()
        *lines, self._partialLine = output.split(b"\n")
        for line in lines:
            self._readEvent(line)

    def _readEvent(self, line: bytes) -> None:
        from reg2rg.errors import InputError
        from reg2rg.pipeline.events import (
            Answered,
            Exported,
            Failure,
            Heartbeat,
            Measured,
            Ready,
            ReportDone,
            Sent,
            Stopped,
            from_dict,
        )

        try:
            event = from_dict(json.loads(line))
        except (ValueError, TypeError, InputError):
            self._log.append(_("The engine sent a line that is not a valid event."))
            return
        kind = type(event)
        if kind is Ready:
            self._isReady = True
        if kind in (Heartbeat, Ready):
            return
        if kind in (ReportDone, Measured, Exported, Sent, Answered, Stopped, Failure):
            self._running = False
            self._watchdog.stop()
        self.event.emit(event)

    def _readLog(self) -> None:
        if self._process is not None:
            text = self._process.readAllStandardError().data().decode(errors="replace")
            self._log.extend(line for line in text.splitlines() if line.strip())

    def _onError(self, error: int) -> None:
        if error == qt.QProcess.FailedToStart:
            self._lose(self._cannotStart())

    def _cannotStart(self) -> str:
        message = _(
            "Could not start the engine with {0}. Choose another Engine Python in the Advanced section, or leave the "
            "field empty to use Slicer's."
        )
        return message.format(self._launch.python if self._launch is not None else "")

    def _onFinished(self, exitCode: int, status: int) -> None:
        self._readOutput()
        self._readLog()
        if status == qt.QProcess.NormalExit and not self._isReady and not self._killReason:
            self._lose(self._cannotStart())
            return
        if self._killReason:
            reason = self._killReason
        elif status == qt.QProcess.CrashExit:
            reason = _("The operating system terminated the engine (signal {0}), probably because memory ran out.")
            reason = reason.format(exitCode)
        else:
            reason = _("The engine exited unexpectedly (exit code {0}).").format(exitCode)
        advice = _("Try again. If this keeps happening, close other programs, choose a smaller model, or use the CPU.")
        self._lose(f"{reason} {advice}")

    def _check(self) -> None:
        self._silentFor += CHECK_INTERVAL_S
        if self._cancellingFor is not None:
            self._cancellingFor += CHECK_INTERVAL_S
        if self._cancellingFor is not None and self._cancellingFor > CANCEL_TIMEOUT_S:
            self._kill(_("The engine did not stop when the run was canceled, so it was terminated."))
        elif self._silentFor > HEARTBEAT_TIMEOUT_S:
            message = _("The engine did not respond for {0:.0f} s, so it was terminated.")
            self._kill(message.format(HEARTBEAT_TIMEOUT_S))

    def _kill(self, reason: str) -> None:
        self._killReason = reason
        if self._process is not None:
            self._process.kill()

    def _lose(self, reason: str) -> None:
        self._watchdog.stop()
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
        if self._running:
            self._running = False
            self.died.emit(reason, self.log)
