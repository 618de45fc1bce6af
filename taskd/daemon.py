"""Daemon: Scheduler + files + server + signals + systemd, for `taskd run`.

The main thread takes one message after another: a signal, somebody's request to end, the end of
the scheduler.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket as sockets
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias

from taskd import __version__
from taskd.config.load import Configuration, load
from taskd.config.report import problem_json, render
from taskd.config.settings import Reload
from taskd.config.system_zone import system_zone
from taskd.core.calendars import Calendar
from taskd.core.diff import Diff
from taskd.core.job import Job
from taskd.errors import ConfigError, SocketUnusable, Stopped, StoreError, StoreUnavailable
from taskd.executors.capture import captured
from taskd.places import socket_candidates, state_directory
from taskd.reloading import Reloader
from taskd.runlog import STDERR, Runlog
from taskd.scheduler import Scheduler
from taskd.server import Server, discard, listen
from taskd.systemd import (
    Notifier,
    feed_watchdog,
    inherited_socket,
    is_journal,
    watchdog_interval,
)
from taskd.views import Document, rfc3339

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 78  # EX_CONFIG of sysexits(3)
SWITCH_S: Final = 0.0001
"""How long a thread keeps the interpreter from others: a fiftieth of Python's default.

A turn of the loop gives it up at each statement of SQLite. Beside 8 jobs that only compute, due
runs start, and requests are answered, several times sooner; those jobs are hardly slower for it."""
LAST_WORDS_S: Final = 2.0  # for clients, for `atexit` and for threads that jobs left behind


# -- what the main thread is told ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal came."""

    number: int


@dataclass(frozen=True, slots=True)
class ShutdownAsked:
    """Somebody asked for the end."""

    now: bool


@dataclass(frozen=True, slots=True)
class StoreTold:
    """The store cannot be written any more, or can be again."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The scheduler has shut down."""


News: TypeAlias = Signalled | ShutdownAsked | StoreTold | Ended


def run(
    path: Path, *, socket: Path | None = None, store: str | None = None, as_json: bool = False
) -> int:
    """Run the daemon on the jobs.toml at `path` until it is told to end; return the exit status.

    `socket` and `store` win over the environment and the file. `as_json` has each line of the log
    be an object. 0: shut down as asked; 1: the store
    or the socket cannot be had; 78: the file has problems. The process must end then.
    """
    _prepare_standard_descriptors()  # first, or what is opened takes their place
    news = _watch_signals()
    sys.setswitchinterval(SWITCH_S)
    gc.disable()  # until it is ready: what start makes stays, and is looked through in vain
    runlog = Runlog(is_journal=is_journal(os.environ, STDERR), as_json=as_json)
    logging.basicConfig(level=logging.INFO, handlers=[runlog])
    try:
        with captured():
            return _run(path, socket, store, runlog, news)
    except ConfigError as error:
        for problem in error.problems:
            runlog.say(render(problem), logging.ERROR)
        return EXIT_CONFIG
    except (StoreError, SocketUnusable) as error:
        runlog.say(f"taskd: {error}", logging.ERROR)
        return EXIT_FAILED
    finally:
        runlog.finish()


def _run(
    path: Path, socket: Path | None, store: str | None, runlog: Runlog, news: SimpleQueue[News]
) -> int:
    # First of all: nothing that is started here may inherit it.
    inherited = inherited_socket(os.environ, os.getpid())
    # Whole paths: a job in a thread may change the working directory.
    daemon = Daemon(load(path.absolute()), store=store, runlog=runlog, news=news)
    try:
        place = socket or socket_candidates(os.environ, os.geteuid())[0]
        control = inherited or listen(place.absolute())
        return daemon.serve(control, owns_socket=inherited is None)
    except (SocketUnusable, StoreError):
        daemon.scheduler.shutdown(grace=timedelta(0))
        raise


class Daemon:
    """One running daemon; the host of the API. `news` has the signals that have come so far.

    Raises:
        StoreError: The store cannot be had.
        ConfigError: A job of the file has the name of one that was added to the store.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        store: str | None,
        runlog: Runlog,
        news: SimpleQueue[News],
    ) -> None:
        self._news = news
        self._runlog = runlog
        settings = configuration.settings
        self._store = store or settings.store or _default_store()
        self._workers = settings.workers
        self.scheduler = Scheduler(
            self._store,
            workers=settings.workers,
            durability=settings.durability.value,
            folder=Path.cwd() if store else configuration.path.parent,
            captures=True,
            on_end=runlog.ended,
            on_outage=lambda _: self._news.put(StoreTold()),
        )
        self._notifier = Notifier(os.environ)
        self._started_at = self.scheduler.clock.now()
        self._socket = Path()
        self._is_stopping = False
        try:
            self._files = Reloader(
                configuration,
                self.scheduler,
                say=runlog.say,
                notifier=self._notifier,
                summary=self._summary,
            )
        except ConfigError:
            self.scheduler.shutdown()
            raise

    # -- the main thread -------------------------------------------------------------------------

    def serve(self, control: sockets.socket, *, owns_socket: bool = True) -> int:
        """Serve until told to end; return the exit status."""
        self._socket = Path(control.getsockname())
        while not self._news.empty():  # it may have been told to end while it was made
            self._take(self._news.get())
        if self._is_stopping:
            self.scheduler.join()
            _leave_soon(0)
            discard(control, owns_socket=owns_socket)
            return 0
        self._files.start()
        server = Server(self, control, owns_socket=owns_socket)
        server.start()
        threading.Thread(target=self._await_end, name="taskd-end", daemon=True).start()
        self._start_watchdog()
        # Now and then the collector looks at all there is, and nothing else runs meanwhile: for
        # 15 ms, 50 with 10,000 jobs. What start has made need not be looked at again.
        gc.freeze()
        gc.enable()
        summary = self._summary()
        self._notifier.ready(summary)
        self._runlog.start(f"taskd {__version__} is ready: {summary}")
        status = self._take_news()
        _leave_soon(status)
        server.close()
        return status

    def _take_news(self) -> int:
        """Take one message after another until the scheduler has ended."""
        while not isinstance(news := self._news.get(), Ended):
            self._take(news)
        return 0 if self._is_stopping else EXIT_FAILED

    def _take(self, news: News) -> None:
        match news:
            case Signalled(signal.SIGHUP):
                self._hang_up()
            case Signalled():
                self._stop(now=self._is_stopping)
            case ShutdownAsked(now):
                self._stop(now=now)
            case StoreTold():
                self._notifier.status(self._summary())
            case Ended():
                pass  # `_take_news` sees to it

    def _hang_up(self) -> None:
        if self._files.configuration.settings.reload is Reload.OFF:
            self._runlog.say('taskd: SIGHUP does nothing, for daemon.reload is "off"')
        else:
            self._files.ask()  # its outcome is in the log

    def _stop(self, *, now: bool) -> None:
        grace = timedelta(0) if now else self._files.configuration.settings.shutdown_grace
        self.scheduler.shutdown(wait=False, grace=grace)
        if not self._is_stopping:
            self._is_stopping = True
            self._notifier.stopping()
            hint = "" if now else "; once more to force it"
            self._runlog.say(f"taskd is shutting down{hint}")
            self._files.close()

    # -- for the API, from the server's threads --------------------------------------------------

    @property
    def timezone(self) -> str:
        """The zone of jobs that name none."""
        return self._files.configuration.settings.timezone or system_zone()

    @property
    def calendars(self) -> Mapping[str, Calendar]:
        """The calendars of the file."""
        return self._files.configuration.calendars

    @property
    def python_path(self) -> tuple[Path, ...]:
        """Where callables are looked for first."""
        return self._files.configuration.settings.python_path

    @property
    def categories(self) -> Mapping[str, Sequence[str]]:
        """The classes of each failure category."""
        return self._files.configuration.categories

    def describe(self) -> Document:
        """Return the `daemon` part of the status."""
        problems = [problem_json(problem) for problem in self._files.problems]
        return {
            "version": __version__,
            "pid": os.getpid(),
            "node": sockets.gethostname(),
            "started_at": rfc3339(self._started_at),
            "config": str(self._files.configuration.path),
            "config_error": problems or None,
            "store": self._store,
            "store_path": str(self.scheduler.store_path),
            "leaked": self.scheduler.executor.leaked,
            "store_error": self.scheduler.outage.error or None,
            "socket": str(self._socket),
            "workers": self._workers,
            "stopping": self._is_stopping,
        }

    def problem_of(self, job: Job) -> str | None:
        """Return why the runs of a job will fail, or run old code, as things stand."""
        return self._files.problem_of(job)

    def reload(self) -> Future[Diff]:
        """Have the files read again."""
        return self._files.ask()

    def shut_down(self, *, now: bool) -> None:
        """Have the main thread begin to shut down."""
        self._news.put(ShutdownAsked(now))

    # -- parts -----------------------------------------------------------------------------------

    def _start_watchdog(self) -> None:
        """Tell systemd's watchdog that the loop makes progress, if it asked for that."""
        interval = watchdog_interval(os.environ, os.getpid())
        if interval is None:
            return

        def feed() -> None:
            with suppress(Stopped):
                feed_watchdog(
                    self._notifier,
                    interval,
                    progress=lambda: self.scheduler.inbox.query(lambda: None).result(),
                    has_ended=self.scheduler.join,
                )

        threading.Thread(target=feed, name="taskd-watchdog", daemon=True).start()

    def _await_end(self) -> None:
        self.scheduler.join()
        self._news.put(Ended())

    def _summary(self) -> str:
        if error := self.scheduler.outage.error:
            return f"nothing starts: {error}"
        try:
            count, due = self.scheduler.read(lambda history: history.outlook())
        except (StoreUnavailable, Stopped) as error:
            return str(error)
        soon = f"next due {due.astimezone():%H:%M:%S}" if due else "nothing due"
        jobs = "1 job" if count == 1 else f"{count} jobs"
        refused = "; the file has problems, see taskd status" if self._files.problems else ""
        return f"{jobs}, store {self._store}, socket {self._socket}, {soon}{refused}"


def _watch_signals() -> SimpleQueue[News]:
    """Return a queue that gets each signal from now on.

    A handler in Python runs once the main thread comes back from C, and a signal that comes just as
    it begins to wait for news, or to another thread, does not bring it back. So a thread reads what
    the handler in C writes: `signal.set_wakeup_fd`.
    """
    news: SimpleQueue[News] = SimpleQueue()
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    # The pipe is shared with what a job forks, and what is signalled there is not for us.
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def read() -> None:
        while numbers := os.read(told, 64):
            for number in numbers:
                news.put(Signalled(number))

    threading.Thread(target=read, name="taskd-signals", daemon=True).start()
    return news


def _default_store() -> str:
    path = state_directory(os.environ, os.geteuid()) / "taskd.db"
    return f"sqlite://{path.absolute()}"


def _prepare_standard_descriptors() -> None:
    """See that 0, 1 and 2 are open: whatever took their place would get what is printed.

    0 is empty: a job that reads it is not to wait for what somebody types.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.dup2(descriptor, 0)
    os.close(descriptor)


def _leave_soon(status: int) -> None:
    """End the process by force if clients, or threads that jobs left behind, keep it from that.

    All is on the disk by now, and the store is closed.
    """
    leave = threading.Timer(LAST_WORDS_S, os._exit, [status])
    leave.daemon = True
    leave.start()
