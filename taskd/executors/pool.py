"""Executors: all of them behind one contract, each made when a job first needs it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from taskd.core.execution import Executor
from taskd.core.ports import Clock
from taskd.core.run import RunId
from taskd.core.turn import Start
from taskd.crashpoints import crash_point
from taskd.errors import TaskdError
from taskd.executors.call import failed
from taskd.executors.child import Nursery
from taskd.executors.commands import Commands
from taskd.executors.coroutines import Coroutines
from taskd.executors.current_run import CONTEXT, RunContext
from taskd.executors.groups import kill_leftovers
from taskd.executors.loaded_code import LoadedCode
from taskd.executors.objects import Objects
from taskd.executors.outputs import Outputs
from taskd.executors.plugins import plugin
from taskd.executors.processes import Processes
from taskd.executors.progress import Progress
from taskd.executors.reports import Reports
from taskd.executors.threads import Threads
from taskd.inbox import Inbox

logger = logging.getLogger("taskd.executors")


@dataclass(frozen=True, slots=True)
class Live:
    """An attempt under way: what executes it, in which process, and how far it has come.

    One that `blocks` holds up all coroutines.
    """

    executor: str
    pid: int
    progress: Progress | None
    blocks: bool = False


class OneExecutor(Protocol):
    """What one executor does; `start` and `interrupt` return at once, on the loop's thread.

    It takes the context of each attempt from `Reports.begin` and tells each end, exactly once, by
    `Reports.end`, from any thread. What fails in `start` was not begun.
    """

    leaked: int

    def start(self, start: Start) -> None:
        """Begin an attempt."""
        ...

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        """End an attempt: 1 asks, 2 insists, 3 gives up; one that does not run is left alone."""
        ...

    def stack(self, run: RunId) -> str:
        """Return where a running attempt is, empty where that is not known."""
        ...

    def close(self) -> None:
        """Take no more attempts; does not wait for those that run."""
        ...


class Executors:
    """Routes each attempt to the executor it names; an idle one costs nothing.

    `state` is the directory beside the store where process groups are noted and, with `captures`,
    outputs are kept. Whoever makes it has the store's lock: the groups that an earlier daemon left
    behind are killed first. The rest is as for `Reports`.
    """

    def __init__(
        self,
        inbox: Inbox,
        clock: Clock,
        objects: Objects | None = None,
        state: Path | None = None,
        *,
        captures: bool = False,
        categories: Mapping[str, str] | None = None,
    ) -> None:
        self.outputs = Outputs(state) if state is not None and captures else None
        self.code = LoadedCode()
        self._objects = objects
        self._reports = Reports(inbox, clock, objects, categories, self.outputs)
        notes = None if state is None else state / "groups"
        self.killed = [] if notes is None else kill_leftovers(notes)
        self._nursery = Nursery(notes)
        self._making = threading.Lock()
        self._made: dict[str, OneExecutor] = {}
        self._makers: dict[str, Callable[[], OneExecutor]] = {
            Executor.THREAD: lambda: Threads(self._reports, self.code, self._hand_over),
            Executor.PROCESS: lambda: Processes(self._reports, self._nursery),
            Executor.ASYNC: lambda: Coroutines(self._reports, self.code),
            Executor.COMMAND: lambda: Commands(self._reports, self._nursery),
        }

    # -- the contract, on the loop's thread ------------------------------------------------------

    def start(self, start: Start) -> None:
        """Begin an attempt.

        Raises:
            RuntimeError, OSError: The machine gives no thread or process; nothing was begun.
        """
        crash_point("start.before")
        name = start.execution.chosen(is_command=start.call.is_command)
        try:
            executor = self._of(name)
        except TaskdError as error:
            self._reports.end(self._reports.begin(start), failed(error, self.categories))
        else:
            executor.start(start)
        crash_point("start.after")

    def interrupt(self, run: RunId, stage: int = 1) -> None:
        """End a running attempt: 1 asks, 2 insists, 3 gives up and replaces its slot."""
        crash_point("interrupt.before")
        for name, executor in list(self._made.items()):
            try:
                executor.interrupt(run, stage)
            # A plug-in's own fault: the attempt may be another executor's.
            except Exception:
                logger.exception("executor %s cannot interrupt run %s", name, run)
        crash_point("interrupt.after")

    def forget(self, runs: Sequence[RunId]) -> None:
        """Let go of what runs returned; delete what they printed, in a thread of its own."""
        if self._objects is not None:
            self._objects.forget(runs)
        if self.outputs is not None:
            delete = threading.Thread(target=self.outputs.delete, args=(runs,), daemon=True)
            try:
                delete.start()
            except RuntimeError:  # the machine gives none, and nobody else would delete them
                self.outputs.delete(runs)

    def stopping(self) -> None:
        """Set `current_run.stopping` of every running attempt."""
        self._reports.stop.set()
        processes = self._made.get(Executor.PROCESS)
        if isinstance(processes, Processes):
            processes.stopping()
        crash_point("shutdown.begun")

    def close(self) -> None:
        """Take no more attempts; does not wait for those that run. Processes are killed."""
        crash_point("shutdown.handed_back" if self._reports.running else "shutdown.drained")
        for name, executor in list(self._made.items()):
            try:
                executor.close()
            except Exception:
                logger.exception("executor %s cannot be closed", name)
        self._nursery.close()

    # -- from any thread -------------------------------------------------------------------------

    @property
    def leaked(self) -> int:
        """How many attempts were given up and have not ended."""
        return sum(executor.leaked for executor in list(self._made.values()))

    @property
    def categories(self) -> Mapping[str, str]:
        """A failure category for the name of an exception class; may be replaced at any time."""
        return self._reports.categories

    @categories.setter
    def categories(self, categories: Mapping[str, str]) -> None:
        self._reports.categories = categories

    def live(self, run: RunId) -> Live | None:
        """Return what is known of a running attempt and in no store; None: none runs here."""
        context = self._reports.running.get(run)
        if context is None:
            return None
        progress = context.gauge.read()
        return Live(context.executor, context.pid, progress, context.blocks)

    def stack(self, run: RunId) -> str:
        """Return where a running attempt is, empty where that is not known."""
        stacks = (executor.stack(run) for executor in list(self._made.values()))
        return next(filter(None, stacks), "")

    def recycle(self) -> None:
        """Have attempts in processes run the code as it is now; those under way go on."""
        processes = self._made.get(Executor.PROCESS)
        if isinstance(processes, Processes):
            processes.recycle()

    def is_called_from_within(self) -> bool:
        """Return whether the caller is one of its attempts."""
        context = CONTEXT.get(None)
        return context is not None and context.stop is self._reports.stop

    # -- parts -----------------------------------------------------------------------------------

    def _of(self, name: str) -> OneExecutor:
        with self._making:  # a thread may hand over while the loop starts
            if name not in self._made:
                maker = self._makers.get(name)
                self._made[name] = maker() if maker is not None else self._plugged(name)
            return self._made[name]

    def _plugged(self, name: str) -> OneExecutor:
        make = plugin(name)
        try:
            made: OneExecutor = make(self._reports)
        # A plug-in's code: whatever it raises is the error of the attempts that need it.
        except Exception as error:
            raise TaskdError(f"executor {name!r} cannot be had: {error!r}") from error
        return made

    def _hand_over(self, start: Start, context: RunContext) -> bool:
        """Give what a thread found to be an ``async def`` to the event loop."""
        coroutines = self._of(Executor.ASYNC)
        assert isinstance(coroutines, Coroutines)
        coroutines.adopt(start, context)
        return True
