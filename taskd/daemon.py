"""Daemon: Scheduler + config + server + signals + systemd, for `taskd run`.

The main thread takes one message after another: a signal, a changed file, somebody's request to
reload, the end of the scheduler. So there is never more than one reload under way.
"""

from __future__ import annotations

import logging
import os
import signal
import socket as sockets
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias

from taskd import __version__
from taskd.clock import monotonic_usec
from taskd.config.check import check_code
from taskd.config.load import Configuration, load
from taskd.config.report import problem_json, render
from taskd.config.settings import Reload
from taskd.config.system_zone import system_zone
from taskd.core.diff import Diff
from taskd.core.job import Job, Source
from taskd.core.messages import JobsDefined
from taskd.core.record import JobRecord
from taskd.errors import ConfigError, Conflict, Problem, SocketUnusable, Stopped, StoreError
from taskd.places import socket_candidates, state_directory
from taskd.reloading import old_code, refuse_bad_code, refuse_emptied, refuse_taken_names
from taskd.runlog import Runlog
from taskd.scheduler import Scheduler
from taskd.server import Server, listen
from taskd.systemd import Notifier, watchdog_interval
from taskd.views import Document, rfc3339
from taskd.watch import Watcher

logger = logging.getLogger("taskd")

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 78  # EX_CONFIG of sysexits(3)


# -- what the main thread is told ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal came."""

    number: int


@dataclass(frozen=True, slots=True)
class FileChanged:
    """The watcher saw jobs.toml, or a file it includes, come to rest with another content."""


@dataclass(frozen=True, slots=True)
class ReloadAsked:
    """Somebody asked for a reload and waits for its outcome."""

    answer: Future[Diff] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class ShutdownAsked:
    """Somebody asked for the end."""

    now: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The scheduler has shut down."""


News: TypeAlias = Signalled | FileChanged | ReloadAsked | ShutdownAsked | Ended


def run(path: Path, *, socket: Path | None = None, store: str | None = None) -> int:
    """Run the daemon on the jobs.toml at `path` until it is told to end; return the exit status.

    `socket` and `store` win over the environment and the file. 0: shut down as asked; 1: the store
    or the socket cannot be had; 78: the file has problems.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        configuration = load(path)
        daemon = Daemon(configuration, store=store)
    except ConfigError as error:
        _report(error.problems)
        return EXIT_CONFIG
    except StoreError as error:
        _say(f"taskd: {error}")
        return EXIT_FAILED
    try:
        control = listen(socket or socket_candidates(os.environ, os.geteuid())[0])
    except SocketUnusable as error:
        _say(f"taskd: {error}")
        daemon.scheduler.shutdown()
        return EXIT_FAILED
    return daemon.serve(control)


class Daemon:
    """One running daemon; the host of the API.

    Raises:
        StoreError: The store cannot be had.
        ConfigError: A job of the file has the name of one that was added to the store.
    """

    def __init__(self, configuration: Configuration, *, store: str | None) -> None:
        self._news: SimpleQueue[News] = SimpleQueue()
        self._configuration = configuration
        self._config_problems: tuple[Problem, ...] = ()
        self._code_problems: Mapping[str, str] = {}
        settings = configuration.settings
        self._store = store or settings.store or _default_store()
        self._runlog = Runlog()
        self.scheduler = Scheduler(
            self._store,
            workers=settings.workers,
            durability=settings.durability.value,
            folder=Path.cwd() if store else configuration.path.absolute().parent,
            on_end=self._runlog.ended,
        )
        self.timezone = settings.timezone or system_zone()
        self.python_path = settings.python_path
        self._notifier = Notifier(os.environ)
        self._watcher = Watcher(lambda: self._news.put(FileChanged()))
        self._started_at = self.scheduler.clock.now()
        self._socket = Path()
        self._is_stopping = False
        try:
            refuse_taken_names(configuration, self._records())
        except ConfigError:
            self.scheduler.shutdown()
            raise

    # -- the main thread -------------------------------------------------------------------------

    def serve(self, control: sockets.socket) -> int:
        """Serve until told to end; return the exit status."""
        self._socket = Path(control.getsockname())
        self._watch_signals()
        self._import_from(self.python_path)
        defined = self.scheduler.inbox.ask(self._jobs_defined(self._configuration))
        self.scheduler.start()
        defined.result()
        server = Server(self, control)
        server.start()
        self._watch_files(self._configuration)
        threading.Thread(target=self._await_end, name="taskd-end", daemon=True).start()
        threading.Thread(target=self._check_code, name="taskd-check", daemon=True).start()
        self._feed_watchdog()
        self._notifier.ready(self._summary())
        _say(f"taskd {__version__} is ready: {self._summary()}")
        self._runlog.start()
        status = self._take_news()
        self._watcher.close()
        server.close()
        self._refuse_late_reloads()
        self._runlog.close()
        return status

    def _take_news(self) -> int:
        """Take one message after another until the scheduler has ended."""
        while True:
            match self._news.get():
                case Signalled(signal.SIGHUP):
                    self._reload_unasked(by_hand=True)
                case Signalled():
                    self._stop(now=self._is_stopping)
                case FileChanged():
                    self._reload_unasked(by_hand=False)
                case ReloadAsked(answer):
                    self._reload_for(answer)
                case ShutdownAsked(now):
                    self._stop(now=now)
                case Ended():
                    return 0 if self._is_stopping else EXIT_FAILED

    def _refuse_late_reloads(self) -> None:
        while not self._news.empty():
            match self._news.get():
                case ReloadAsked(answer):
                    answer.set_exception(Stopped("taskd has shut down"))
                case _:
                    pass

    def _stop(self, *, now: bool) -> None:
        if not self._is_stopping:
            self._notifier.stopping()
            _say("taskd is shutting down" + ("" if now else "; once more to force it"))
        self._is_stopping = True
        grace = timedelta(0) if now else self._configuration.settings.shutdown_grace
        self.scheduler.shutdown(wait=False, grace=grace)

    def _reload_for(self, answer: Future[Diff]) -> None:
        try:
            answer.set_result(self._reload(by_hand=True))
        except (ConfigError, Conflict, Stopped, StoreError) as error:
            answer.set_exception(error)

    def _reload_unasked(self, *, by_hand: bool) -> None:
        try:
            self._reload(by_hand=by_hand)
        except ConfigError as error:
            _say("taskd: the file was not taken; the old jobs run on:")
            _report(error.problems)
        except (Stopped, StoreError) as error:
            _say(f"taskd: the file was not taken: {error}")

    def _reload(self, *, by_hand: bool) -> Diff:
        """Read the files again and make their jobs the set, or change nothing.

        Raises:
            ConfigError: They have problems; `status` says which until they are mended.
        """
        self._notifier.reloading(monotonic_usec())
        try:
            configuration = load(self._configuration.path)
            refuse_taken_names(configuration, self._records())
            if not by_hand:
                refuse_emptied(self._configuration, configuration)
            refuse_bad_code(configuration, self._records(), self.scheduler.executor.code)
            outcome = self.scheduler.inbox.ask(self._jobs_defined(configuration)).result()
            assert isinstance(outcome, Diff)
        except ConfigError as error:
            self._config_problems = error.problems
            raise
        else:
            self._config_problems, self._code_problems = (), {}
            self._adopt(configuration)
            _say(f"taskd has read {configuration.path}: {_counts(outcome)}")
            return outcome
        finally:
            self._notifier.ready(self._summary())

    def _adopt(self, configuration: Configuration) -> None:
        old, new = self._configuration.settings, configuration.settings
        for key in ("store", "workers", "durability", "reload"):
            if getattr(old, key) != getattr(new, key):
                logger.warning("daemon.%s takes effect with the next start", key)
        self._configuration = configuration
        self.timezone = new.timezone or system_zone()
        self.python_path = new.python_path
        self._import_from(new.python_path)
        self._watch_files(configuration)

    # -- for the API, from the server's threads --------------------------------------------------

    def describe(self) -> Document:
        """Return the `daemon` part of the status."""
        problems = [problem_json(problem) for problem in self._config_problems]
        return {
            "version": __version__,
            "pid": os.getpid(),
            "node": sockets.gethostname(),
            "started_at": rfc3339(self._started_at),
            "config": str(self._configuration.path),
            "config_error": problems or None,
            "store": self._store,
            "socket": str(self._socket),
            "stopping": self._is_stopping,
        }

    def problem_of(self, job: Job) -> str | None:
        """Return why the runs of a job will fail, or run old code, as things stand."""
        if job.name in self._code_problems:
            return self._code_problems[job.name]
        return old_code(job, self.scheduler.executor.code)

    def reload(self) -> Diff:
        """Have the main thread read the files again, and wait for the outcome."""
        asked = ReloadAsked()
        self._news.put(asked)
        return asked.answer.result()

    def shut_down(self, *, now: bool) -> None:
        """Have the main thread begin to shut down."""
        self._news.put(ShutdownAsked(now))

    # -- parts -----------------------------------------------------------------------------------

    def _records(self) -> list[JobRecord]:
        return self.scheduler.read(lambda history: history.jobs())

    def _jobs_defined(self, configuration: Configuration) -> JobsDefined:
        return JobsDefined(configuration.jobs, Source.FILE, actor=str(configuration.path))

    def _watch_signals(self) -> None:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            # SimpleQueue.put is reentrant, so that a signal may come in the middle of another put.
            signal.signal(number, lambda number, _: self._news.put(Signalled(number)))

    def _watch_files(self, configuration: Configuration) -> None:
        if configuration.settings.reload is not Reload.AUTO:
            return
        folders = {Path(pattern).parent for pattern in configuration.include}
        plain = [folder for folder in sorted(folders) if folder.is_dir()]
        self._watcher.watch(configuration.files, plain)

    def _import_from(self, python_path: tuple[Path, ...]) -> None:
        places = [str(place) for place in python_path]
        sys.path[:] = places + [place for place in sys.path if place not in places]

    def _check_code(self) -> None:
        """At start a problem of code faults its job alone, and need not hold up the others."""
        problems = check_code(self._configuration)
        self._code_problems = {
            problem.key.split(".", 1)[1].rsplit(".", 1)[0]: problem.message for problem in problems
        }
        _report(problems)

    def _feed_watchdog(self) -> None:
        """Tell systemd's watchdog that the loop makes progress, if it asked for that."""
        interval = watchdog_interval(os.environ, os.getpid())
        if interval is None:
            return

        def feed() -> None:
            with suppress(Stopped):
                while not self.scheduler.join(interval.total_seconds()):
                    # A loop that hangs does not answer, and systemd then restarts the service.
                    self.scheduler.read_in_turn(lambda _: None)
                    self._notifier.watchdog()

        threading.Thread(target=feed, name="taskd-watchdog", daemon=True).start()

    def _await_end(self) -> None:
        self.scheduler.join()
        self._news.put(Ended())

    def _summary(self) -> str:
        records = self._records()
        due = min((r.next_due_at for r in records if r.next_due_at is not None), default=None)
        soon = f"next due {due.astimezone():%H:%M:%S}" if due else "nothing due"
        jobs = "1 job" if len(records) == 1 else f"{len(records)} jobs"
        return f"{jobs}, store {self._store}, socket {self._socket}, {soon}"


def _default_store() -> str:
    path = state_directory(os.environ, os.geteuid()) / "taskd.db"
    return f"sqlite:///{path.absolute()}"


def _counts(difference: Diff) -> str:
    kinds = ("added", "changed", "removed", "unchanged")
    return ", ".join(f"{len(getattr(difference, kind))} {kind}" for kind in kinds)


def _report(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        _say(render(problem))


def _say(text: str) -> None:
    with suppress(OSError):  # nobody may be reading any more: the work goes on
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
