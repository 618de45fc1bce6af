"""A bench: the executors as the daemon has them, and the reports of what they were given."""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from taskd.clock import SystemClock
from taskd.core.execution import Execution
from taskd.core.job import Call, JobName
from taskd.core.messages import AttemptFinished
from taskd.core.run import Origin, Run, RunId, RunState
from taskd.core.turn import Start
from taskd.executors.pool import Executors
from taskd.ids import new_id
from taskd.inbox import Inbox

SOON = 30.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORK = "tests.unit.executors.work"


class StillClock(SystemClock):
    """The machine's clock, but for the wall time, which is `NOW`."""

    def now(self) -> datetime:
        return NOW


class Bench:
    """Executors, and what they report."""

    def __init__(self, state: Path, **options: Any) -> None:
        self.clock = StillClock()
        self.wakeup = self.clock.wakeup()
        self.inbox = Inbox(self.wakeup)
        self.executors = Executors(
            self.inbox, self.clock, **{"state": state, "captures": True, **options}
        )
        self._ended: dict[RunId, AttemptFinished] = {}

    def start(
        self,
        what: str | Call,
        *args: object,
        kwargs: Mapping[str, object] | None = None,
        **execution: Any,
    ) -> RunId:
        run = Run(
            id=new_id(NOW),
            job=JobName("job"),
            origin=Origin.TRIGGER,
            state=RunState.RUNNING,
            scheduled_at=NOW,
            due_at=NOW,
            attempt=1,
            fence=7,
        )
        call = what if isinstance(what, Call) else Call(f"{WORK}:{what}", args, kwargs or {})
        self.executors.start(Start(run, call, execution=Execution(**execution)))
        return run.id

    def command(self, *argv: str, **execution: Any) -> RunId:
        return self.start(Call.command(*argv), **execution)

    def end(self, run: RunId, patience_s: float = SOON) -> AttemptFinished:
        """The report of the end of a run; others that come are kept."""
        while run not in self._ended:
            if not self.inbox:
                readable, _, _ = select.select([self.wakeup.fileno()], [], [], patience_s)
                assert readable, "no attempt has ended"
            for report in self.inbox.take():
                assert isinstance(report, AttemptFinished), report
                assert report.run not in self._ended
                self._ended[report.run] = report
        return self._ended[run]

    def printed(self, run: RunId, *, after: int = 0) -> str:
        """All that is kept of what an attempt printed."""
        assert self.executors.outputs is not None
        text, chunk = "", self.executors.outputs.read(run, 1, after)
        while not chunk.is_last:
            text += f"<{chunk.left_out}>" * bool(chunk.left_out) + chunk.text
            chunk = self.executors.outputs.read(run, 1, chunk.after)
        return text + f"<{chunk.left_out}>" * bool(chunk.left_out) + chunk.text

    def close(self) -> None:
        self.executors.close()


def python(code: str) -> Sequence[str]:
    """A command that runs `code`."""
    return [sys.executable, "-c", code]


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def children() -> set[int]:
    """The processes that this one has made and not reaped."""
    found = Path(f"/proc/self/task/{threading.main_thread().native_id}").parent
    texts = []
    for task in found.iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended
            texts.append((task / "children").read_text())
    return {int(pid) for text in texts for pid in text.split()}
