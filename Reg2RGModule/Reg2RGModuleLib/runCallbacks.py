"""Callbacks of a single run, for scripts, and waiting for its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib.reportRun import ReportRun
from Reg2RGModuleLib.signal import Listener, Signal

if TYPE_CHECKING:
    from reg2rg.report import Section


@dataclass(frozen=True)
class RunCallbacks:
    """Functions to call during and after one run.

    Attributes:
        onProgress: called with the completed fraction and a message.
        onMessage: called with a message for the user.
        onSection: called with each section once it is complete.
        onCompleted: called with the report node.
        onFailed: called with the reason and the last lines of the engine's log.
        onCancelled: called if the run was canceled.
    """

    onProgress: Callable[[float, str], Any] | None = None
    onMessage: Callable[[str], Any] | None = None
    onSection: Callable[[Section], Any] | None = None
    onCompleted: Callable[[slicer.vtkMRMLTextNode], Any] | None = None
    onFailed: Callable[[str, str], Any] | None = None
    onCancelled: Callable[[], Any] | None = None

    def connect(self, run: ReportRun) -> Callable[[], None]:
        """Connect the callbacks to a run until it ends.

        Returns:
            A function that disconnects them before that.
        """
        connections: list[tuple[Signal, Listener]] = []

        def connect(signal: Signal, listener: Listener | None) -> None:
            if listener is not None:
                signal.connect(listener)
                connections.append((signal, listener))

        def disconnect(*values: Any) -> None:
            for signal, listener in connections:
                signal.disconnect(listener)
            connections.clear()

        connect(run.progressed, self.onProgress)
        connect(run.messageReceived, self.onMessage)
        connect(run.sectionWritten, self.onSection)
        connect(run.succeeded, self.onCompleted)
        onCompleted = self.onCompleted
        if onCompleted is not None:
            connect(run.sectionRegenerated, lambda node, section, evidence: onCompleted(node))
            connect(run.measured, lambda node, evidence, statistics: onCompleted(node))
        connect(run.failed, self.onFailed)
        connect(run.stopped, self.onCancelled)
        for outcome in (run.succeeded, run.sectionRegenerated, run.measured, run.failed, run.stopped):
            connect(outcome, disconnect)
        return disconnect


class RunOutcome:
    """Waits for the outcome of one run.

    Start the run within a ``with`` block::

        with RunOutcome(run) as outcome:
            run.start(volume, parameters)
            node = outcome.wait()
    """

    def __init__(self, run: ReportRun) -> None:
        self._run = run
        self._loop = qt.QEventLoop()
        self._node: slicer.vtkMRMLTextNode | None = None
        self._failure: str | None = None
        self._disconnect: Callable[[], None] = lambda: None

    def __enter__(self) -> RunOutcome:
        callbacks = RunCallbacks(
            onCompleted=self._onCompleted,
            onFailed=lambda message, log: self._onFailed(message),
            onCancelled=lambda: self._onFailed(_("The run was canceled.")),
        )
        self._disconnect = callbacks.connect(self._run)
        return self

    def __exit__(self, *exception: object) -> None:
        self._disconnect()

    def wait(self) -> slicer.vtkMRMLTextNode:
        """Process events until the run has ended.

        Returns:
            The report node.

        Raises:
            RuntimeError: the run failed or was canceled.
        """
        if self._node is None and self._failure is None:
            self._loop.exec_()
        if self._failure is not None:
            raise RuntimeError(self._failure)
        return self._node

    def _onCompleted(self, node: slicer.vtkMRMLTextNode) -> None:
        self._node = node
        self._loop.quit()

    def _onFailed(self, message: str) -> None:
        self._failure = message
        self._loop.quit()
