"""The engine as a process: JSON lines in and out, read when Qt says there is something, never by a thread.

(Slicer's event loop does not release Python's interpreter lock, so a reader thread would starve.)
"""

import json
from collections import deque

import qt

from Reg2RGModuleLib import locations
from Reg2RGModuleLib.signal import Signal

SECONDS_WITHOUT_HEARTBEAT = 30.0
"""The engine beats once a second; after this long without a sign it is taken for hung and killed."""
SECONDS_TO_STOP = 10.0
"""How long a cancelled run may take before its process is killed."""
SECONDS_BETWEEN_CHECKS = 0.5
"""Time is counted in checks, not by the clock: while the application itself stands still, nobody could hear a sign."""
LOG_LINES = 40


class EngineProcess:
    """One engine process, started when it is first needed and kept for the next run.

    Signals:
        event(dict): what the engine told (reg2rg.pipeline.events), heartbeats left out.
        died(str, str): the process has ended or was killed while a run went on: why, and the end of its log.
    """

    def __init__(self):
        self.event = Signal()
        self.died = Signal()
        self._process = None
        self._partial = b""
        self._log = deque(maxlen=LOG_LINES)
        self._silence = 0.0
        self._stopping = None
        self._running = False
        self._ending = ""
        self._watch = qt.QTimer()
        self._watch.setInterval(round(1000 * SECONDS_BETWEEN_CHECKS))
        self._watch.connect("timeout()", self._check)

    @property
    def running(self):
        """Whether a run goes on."""
        return self._running

    @property
    def log(self):
        """The last lines of the engine's log; they hold no paths and no report text."""
        return "\n".join(self._log)

    def processId(self):
        return self._process.processId() if self._process is not None else 0

    def run(self, request):
        """Start a run (fields of reg2rg.pipeline.ReportRequest); its outcome comes as an event or as ``died``."""
        if self._running:
            raise RuntimeError("A run is going on.")
        self._running = True
        self._stopping = None
        self._ending = ""
        self._silence = 0.0
        self._watch.start()
        if self._process is None:
            self._start()  # may fail at once, and tell so
        self._send({"command": "run", **request})

    def cancel(self):
        """Ask the run to stop; if it does not, its process is killed."""
        if self._running and self._stopping is None:
            self._stopping = 0.0
            self._send({"command": "cancel"})

    def end(self):
        """End the process, if there is one; what it was doing is given up and nothing more is told.

        It is killed, so that nobody waits; its children and its temporary files end with it (reg2rg.runtime.staging).
        """
        self._watch.stop()
        self._running = False
        process, self._process = self._process, None
        if process is None:
            return
        process.blockSignals(True)
        process.kill()
        process.waitForFinished(2000)
        process.deleteLater()

    def _start(self):
        process = qt.QProcess()
        environment = qt.QProcessEnvironment()
        for name, value in locations.engineEnvironment().items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.connect("readyReadStandardOutput()", self._readOutput)
        process.connect("readyReadStandardError()", self._readLog)
        process.connect("finished(int,QProcess::ExitStatus)", self._onFinished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._onError)
        self._partial = b""
        self._log.clear()
        self._process = process
        process.start(locations.enginePython(), ["-m", "reg2rg.worker"])

    def _send(self, command):
        if self._process is not None:
            self._process.write((json.dumps(command) + "\n").encode())

    def _readOutput(self):
        if self._process is None:
            return
        self._silence = 0.0
        *lines, self._partial = (self._partial + self._process.readAllStandardOutput().data()).split(b"\n")
        for line in lines:
            self._tell(line)

    def _tell(self, line):
        try:
            event = json.loads(line)
            name = event["event"]
        except (ValueError, KeyError, TypeError):
            self._log.append("a line of output was no event")
            return
        if name in ("heartbeat", "ready"):
            return
        if name in ("report_done", "stopped", "failure"):
            self._running = False
            self._watch.stop()
        self.event.emit(event)

    def _readLog(self):
        if self._process is not None:
            text = self._process.readAllStandardError().data().decode(errors="replace")
            self._log.extend(line for line in text.splitlines() if line.strip())

    def _onError(self, error):
        if error == qt.QProcess.FailedToStart:
            self._lose(f"The engine could not be started with {locations.enginePython()}.")

    def _onFinished(self, code, status):
        self._readOutput()
        self._readLog()
        if self._ending:
            reason = self._ending
        elif status == qt.QProcess.CrashExit:
            reason = f"The engine was ended by the system (signal {code}), most often because memory ran out."
        else:
            reason = f"The engine ended unexpectedly (exit code {code})."
        self._lose(reason)

    def _check(self):
        self._silence += SECONDS_BETWEEN_CHECKS
        if self._stopping is not None:
            self._stopping += SECONDS_BETWEEN_CHECKS
        if self._stopping is not None and self._stopping > SECONDS_TO_STOP:
            self._kill("The run did not stop when it was cancelled, so the engine was ended.")
        elif self._silence > SECONDS_WITHOUT_HEARTBEAT:
            self._kill(f"The engine gave no sign for {SECONDS_WITHOUT_HEARTBEAT:.0f} s, so it was ended.")

    def _kill(self, reason):
        self._ending = reason
        self._process.kill()

    def _lose(self, reason):
        self._watch.stop()
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
        if self._running:
            self._running = False
            self.died.emit(reason, self.log)
