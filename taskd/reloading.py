"""Reloading: keeps the jobs of jobs.toml the set, and refuses a reading that must not become it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import cast

from taskd.clock import monotonic_usec
from taskd.config.check import check_code, faults_of, problem_of
from taskd.config.load import Configuration, load
from taskd.config.positions import dotted
from taskd.config.report import render
from taskd.config.settings import Reload
from taskd.core.diff import Diff, diff
from taskd.core.execution import Executor
from taskd.core.job import Job, Source
from taskd.core.messages import Booted, JobsDefined
from taskd.core.record import JobRecord
from taskd.crashpoints import crash_point
from taskd.errors import ConfigError, Problem, Stopped, TaskdError
from taskd.executors.categories import by_class
from taskd.executors.loaded_code import LoadedCode
from taskd.scheduler import Scheduler
from taskd.systemd import Notifier
from taskd.watch import Watcher

logger = logging.getLogger("taskd")


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody asked for a reload, or the files changed."""

    by_hand: bool
    answer: Future[Diff] = field(default_factory=Future)


class Reloader:
    """Makes the jobs of the files the set: at start, when the files change, and when asked.

    A thread of its own does one reading after another, so that a module that hangs on import holds
    up no signal. A reading answers all who asked before it began: a storm of signals is two
    readings. Whatever is wrong with one, the old set runs on.

    `say` takes what a person should read. `summary` is the service's state in a line, for systemd.
    `configuration` and `problems`, what was wrong with the latest reading, may be read by any
    thread.

    Raises:
        ConfigError: A job of the file has the name of one that was added to the store.
    """

    def __init__(
        self,
        configuration: Configuration,
        scheduler: Scheduler,
        *,
        say: Callable[[str, int], None],
        notifier: Notifier,
        summary: Callable[[], str],
    ) -> None:
        self.configuration = configuration
        self.problems: tuple[Problem, ...] = ()
        self._scheduler = scheduler
        self._say = say
        self._notifier = notifier
        self._summary = summary
        self._faults: Mapping[str, str] = {}
        self._asked: SimpleQueue[Asked] = SimpleQueue()
        self._watcher = Watcher(lambda: self._asked.put(Asked(by_hand=False)))
        self._is_closed = Event()
        self._has_ended = Event()
        self._thread = Thread(target=self._run, name="taskd-reload", daemon=True)
        refuse_taken_names(configuration, self._added())

    # -- from any thread -------------------------------------------------------------------------

    def start(self) -> None:
        """Make the first reading the set, start the scheduler on it, and follow the files."""
        self._scheduler.executor.categories = by_class(self.configuration.categories)
        _import_from(self.configuration)
        defined = self._define(self.configuration)
        booted = self._scheduler.inbox.ask(Booted(actor="boot"))
        self._scheduler.start()
        defined.result()
        booted.result()
        self._watch(self.configuration)
        self._warn()
        self._thread.start()

    def ask(self) -> Future[Diff]:
        """Have the files read again, by hand.

        The future raises ConfigError, Stopped, or StoreUnavailable.
        """
        asked = Asked(by_hand=True)
        self._asked.put(asked)
        if self._has_ended.is_set():  # it may have come after the thread's last look
            self._refuse(self._gathered())
        return asked.answer

    def close(self) -> None:
        """Read no more; a reading under way may go on for as long as an import takes."""
        self._watcher.close()
        self._is_closed.set()
        self._asked.put(Asked(by_hand=False))

    def problem_of(self, job: Job) -> str | None:
        """Return why the runs of a job will fail, or run old code, as things stand."""
        fault = self._faults.get(job.name)
        return fault or old_code(job, self._scheduler.executor.code)

    # -- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._look_at_code()
            self._look_again()
        # The machine gives no process to look in, say: later readings need not fail with it.
        except Exception:
            logger.exception("the code of the jobs was not checked")
        while asked := [self._asked.get(), *self._gathered()]:
            if self._is_closed.is_set():
                break
            self._answer(asked)
        self._has_ended.set()
        self._refuse([*asked, *self._gathered()])

    def _gathered(self) -> list[Asked]:
        gathered: list[Asked] = []
        try:
            while True:
                gathered.append(self._asked.get_nowait())
        except Empty:
            return gathered

    def _refuse(self, asked: Iterable[Asked]) -> None:
        for one in asked:
            one.answer.set_exception(Stopped("taskd is shutting down"))

    def _look_at_code(self) -> None:
        """At start a problem of code faults its job alone, and need not hold up the others."""
        faults = faults_of(self.configuration)
        self._faults = {fault.job: fault.message for fault in reversed(faults)}
        for fault in faults:
            self._say(render(problem_of(self.configuration, fault)), logging.ERROR)

    def _look_again(self) -> None:
        """See what changed between the first reading and the watch."""
        if self.configuration.is_current():
            return
        try:
            is_as_read = load(self.configuration.path) == self.configuration
        except ConfigError:
            is_as_read = False
        if not is_as_read and self.configuration.settings.reload is Reload.AUTO:
            self._asked.put(Asked(by_hand=False))

    def _answer(self, asked: Sequence[Asked]) -> None:
        """Read the files once, for all who asked."""
        self._notifier.reloading(monotonic_usec())
        try:
            outcome = self._reload(by_hand=any(one.by_hand for one in asked))
        # A defect answers those who asked; the next reading may do better.
        except Exception as error:  # noqa: BLE001
            self._tell(error)
            for one in asked:
                one.answer.set_exception(error)
        else:
            for one in asked:
                one.answer.set_result(outcome)
        finally:
            self._notifier.ready(self._summary())

    def _tell(self, error: Exception) -> None:
        match error:
            case ConfigError():
                self._say("taskd: the file was not taken; the old jobs run on:", logging.ERROR)
                for problem in error.problems:
                    self._say(render(problem), logging.ERROR)
            case TaskdError():
                self._say(f"taskd: the file was not taken: {error}", logging.ERROR)
            case _:
                logger.error("a reload failed", exc_info=error)

    def _reload(self, *, by_hand: bool) -> Diff:
        """Read the files again and make their jobs the set, or change nothing."""
        self._watch_anew()
        try:
            configuration = load(self.configuration.path)
            refuse_taken_names(configuration, self._added())
            if not by_hand:
                refuse_emptied(self.configuration, configuration)
            refuse_bad_code(configuration, self._records(), self._scheduler.executor.code)
            crash_point("reload.checked")
            outcome = self._define(configuration).result()
        except ConfigError as error:
            self.problems = error.problems
            raise
        crash_point("reload.applied")
        self._scheduler.executor.recycle()
        self.problems, self._faults = (), {}
        self._adopt(configuration)
        crash_point("reload.adopted")
        kinds = ("added", "changed", "removed", "unchanged")
        counts = ", ".join(f"{len(getattr(outcome, kind))} {kind}" for kind in kinds)
        self._say(f"taskd has read {configuration.path}: {counts}", logging.INFO)
        return outcome

    def _adopt(self, configuration: Configuration) -> None:
        old, new = self.configuration.settings, configuration.settings
        for key in ("store", "workers", "durability", "reload"):
            if getattr(old, key) != getattr(new, key):
                logger.warning("daemon.%s takes effect with the next start", key)
        self.configuration = configuration
        self._scheduler.executor.categories = by_class(configuration.categories)
        self._warn()
        _import_from(configuration)
        self._watch(configuration)

    def _warn(self) -> None:
        for warning in self.configuration.warnings:
            self._say(f"warning: {render(warning)}", logging.WARNING)

    # -- parts -----------------------------------------------------------------------------------

    def _records(self) -> list[JobRecord]:
        return self._scheduler.read(lambda history: history.jobs())

    def _added(self) -> set[str]:
        return self._scheduler.read(lambda history: history.added_names())

    def _define(self, configuration: Configuration) -> Future[Diff]:
        defined = JobsDefined(configuration.jobs, Source.FILE, actor=str(configuration.path))
        return cast("Future[Diff]", self._scheduler.inbox.ask(defined))

    def _watch_anew(self) -> None:
        """Call a change whatever differs from now on, and not from what the watcher last saw.

        Else a change that is read by hand and undone before the watcher saw it would stay.
        """
        if self.configuration.settings.reload is Reload.AUTO:
            self._watcher.watch(())
            self._watch(self.configuration)

    def _watch(self, configuration: Configuration) -> None:
        if configuration.settings.reload is not Reload.AUTO:
            return
        folders = {str(Path(pattern).parent) for pattern in configuration.include}
        self._watcher.watch(configuration.files, sorted(folders))


def _import_from(configuration: Configuration) -> None:
    places = [str(place) for place in configuration.settings.python_path]
    sys.path[:] = places + [place for place in sys.path if place not in places]


# -- what a reading must not bring, its own problems apart ----------------------------------------


def refuse_taken_names(configuration: Configuration, added: Collection[str]) -> None:
    """Refuse jobs that bear the name of one that was added. Raises ConfigError."""
    _refuse(
        configuration,
        {
            job.name: f"there is a job {job.name} already, from taskd add; "
            f"rename this one, or: taskd remove {job.name}"
            for job in configuration.jobs
            if job.name in added
        },
    )


def refuse_emptied(old: Configuration, new: Configuration) -> None:
    """Refuse a file that lost all of its jobs: it may be half written. Raises ConfigError."""
    if old.jobs and not new.jobs:
        message = "there are no jobs any more; if that is meant: taskd reload"
        raise ConfigError([Problem(str(new.path), 0, 0, "jobs", message)])


def refuse_bad_code(
    configuration: Configuration, records: Iterable[JobRecord], code: LoadedCode
) -> None:
    """Refuse callables that do not import, and changed modules that a changed job needs.

    Raises:
        ConfigError: with all of them.
    """
    problems = check_code(configuration)
    if problems:
        raise ConfigError(problems)
    known = {r.job.name: r.job for r in records if r.job.source is Source.FILE}
    difference = diff(known, configuration.jobs)
    touched = {*difference.added, *difference.changed}
    _refuse(
        configuration,
        {
            job.name: message
            for job in configuration.jobs
            if job.name in touched and (message := old_code(job, code))
        },
    )


def old_code(job: Job, code: LoadedCode) -> str | None:
    """Return what to say of a job whose module's file changed since it was loaded, else None."""
    if job.call.is_command or job.execution.executor == Executor.PROCESS:
        return None  # its processes start fresh
    changed = code.changed(job.call)
    return f"{changed.name} changed since it was loaded; restart taskd" if changed else None


def _refuse(configuration: Configuration, faults: Mapping[str, str]) -> None:
    problems = []
    for name, message in faults.items():
        file, line, column, source = configuration.place(name, "call")
        key = dotted(("jobs", name, "call"))
        problems.append(Problem(file, line, column, key, message, source=source, code=True))
    if problems:
        raise ConfigError(problems)
