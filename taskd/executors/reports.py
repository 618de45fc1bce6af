"""Reports: what the executors share: where the end of an attempt is told, and where it prints."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future

from taskd.core.messages import AnyRequest, Noticed
from taskd.core.ports import Clock
from taskd.core.run import RunId
from taskd.core.turn import Start
from taskd.crashpoints import crash_point
from taskd.executors.call import End
from taskd.executors.current_run import RunContext
from taskd.executors.objects import Objects
from taskd.executors.outputs import Outputs
from taskd.executors.progress import Gauge
from taskd.inbox import Inbox


class Reports:
    """The way from the executors to the loop; any thread may use it.

    `categories` gives a failure category for the name of an exception class; it may be replaced at
    any time. Without `outputs` nothing that attempts print is kept. `stop` is set at
    shutdown. `running` are the attempts that began and have not ended.
    """

    def __init__(
        self,
        inbox: Inbox,
        clock: Clock,
        objects: Objects | None = None,
        categories: Mapping[str, str] | None = None,
        outputs: Outputs | None = None,
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self.objects = objects
        self.categories: Mapping[str, str] = categories or {}
        self.outputs = outputs
        self.stop = threading.Event()
        self.running: dict[RunId, RunContext] = {}

    def begin(self, start: Start) -> RunContext:
        """Return the context of an attempt that begins."""
        execution, output = start.execution, None
        if self.outputs is not None and execution.capture_output:
            output = self.outputs.open(start.run.id, start.run.attempt, execution.output_limit)
        context = RunContext(start, self.stop, self.ask, Gauge(self._clock.elapsed), output)
        self.running[start.run.id] = context
        return context

    def take_back(self, context: RunContext) -> None:
        """Forget an attempt that was not begun after all."""
        self.running.pop(context.run.id, None)
        self._close(context)

    def end(self, context: RunContext, end: End) -> None:
        """Tell the loop how an attempt ended."""
        crash_point("report.before")
        run = context.run
        self._close(context)
        if self.running.get(run.id) is context:
            del self.running[run.id]
        self._inbox.post(end.of(run, self._clock.now()))
        crash_point("report.after")

    def _close(self, context: RunContext) -> None:
        if self.outputs is not None and context.output is not None:
            self.outputs.close(context.run.id, context.run.attempt, context.output)

    def note(self, kind: str, data: Mapping[str, object]) -> None:
        """Have the journal tell of something."""
        self._inbox.post(Noticed(kind, data))

    def ask(self, request: AnyRequest) -> object:
        """Ask the engine, and return its reply once that is committed."""
        return self.asked(request).result()

    def asked(self, request: AnyRequest) -> Future[object]:
        """Ask the engine; the future gets its reply once that is committed."""
        return self._inbox.ask(request)
