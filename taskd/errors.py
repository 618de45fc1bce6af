"""Every exception taskd raises, in one tree.

TaskdError
├── InvalidJob (ValueError)        a job, schedule or policy that cannot be
├── ConfigError                    the problems of a jobs.toml, all of them
├── NotImportable                  a callable that cannot be found or loaded
├── UnknownTask (KeyError)         no job or run of that name or id
├── Conflict                       refused as things stand: overlap, wrong state, name taken
├── KeyReused                      an Idempotency-Key that came with another request before
├── IllegalTransition              a run was to move along an edge that the table does not have
├── StoreError
│   ├── StoreLocked                another process owns the store
│   ├── StoreUnusable              newer, corrupt, read-only, or not a store at all
│   ├── StoreRefused               compare-and-set failed: somebody else moved a row
│   └── StoreUnavailable           the store cannot be read or written now
│       └── StoreDoubtful          whether a commit was written is not known yet
├── TaskFailed                     a task's result was asked for and it has none, but an error
├── Stopped                        the scheduler is shut down, or shutting down
├── NoDaemon                       nothing answers on the control socket
├── ApiError                       the daemon answered with a problem (RFC 9457)
├── ProcessDied                    an attempt's process ended without a word of the callable
└── Steering                       raised *by a callable* to steer its own run
    ├── Cancel                     end this run as CANCELLED
    └── Retry                      end this attempt, and make another

BaseException
└── Interrupted                    raised *into a callable* that does not end when asked to
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


class TaskdError(Exception):
    """The root of every error that taskd raises on purpose."""


class InvalidJob(TaskdError, ValueError):
    """A job, schedule or policy that cannot be.

    `key` is the jobs.toml key at fault (``cron``, ``every``, ``at``...), `message` says what is
    wrong with it, `hint` what to write instead (may be empty).
    """

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        self.key = key
        self.message = message
        self.hint = hint
        super().__init__(f"{key}: {message}" + (f" ({hint})" if hint else ""))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration, and where.

    `line` and `column` count from 1; both are 0 where no place is known (a file that is missing).
    `key` is the dotted path of the entry at fault, empty for syntax errors. `source` is the text of
    the line. `code` is true for problems of code (an import, a signature), which fault one job
    alone at start, and false for problems of the file, which refuse it whole.
    """

    file: str
    line: int
    column: int
    key: str
    message: str
    hint: str = ""
    source: str = ""
    code: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(TaskdError):
    """A configuration that was refused, with every problem found in one pass."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class NotImportable(TaskdError):
    """The callable `target` (``package.module:attr.path``) cannot be found; `reason` says why."""

    def __init__(self, target: str, reason: str) -> None:
        self.target = target
        self.reason = reason
        super().__init__(f"{target}: {reason}")


class UnknownTask(TaskdError, KeyError):
    """There is no job or run called `name`; `nearest` is the closest name there is, or empty."""

    def __init__(self, name: str, *, kind: str = "task", nearest: str = "") -> None:
        self.name = name
        self.kind = kind
        self.nearest = nearest
        super().__init__(name)

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"there is no {self.kind} {self.name!r}{hint}"


class Conflict(TaskdError):
    """Refused as things stand: a name that is taken, a state that does not allow it, an overlap.

    `run` is the id of the run that stands in the way, or empty.
    """

    def __init__(self, message: str, *, run: str = "") -> None:
        self.message = message
        self.run = run
        super().__init__(message)


class KeyReused(TaskdError):
    """The Idempotency-Key `key` came with another request before."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"the Idempotency-Key {key!r} was used for another request; take a new one"
        )


class IllegalTransition(TaskdError):
    """A run was to move along an edge that the transition table does not have: a defect."""

    def __init__(self, run: str, before: str, after: str) -> None:
        self.run = run
        self.before = before
        self.after = after
        super().__init__(f"run {run} cannot go from {before} to {after}")


class StoreError(TaskdError):
    """The durable store could not do what was asked."""


class StoreLocked(StoreError):
    """Another process owns the store at `path`; `pid` is its process id, 0 where unknown."""

    def __init__(self, path: str, pid: int) -> None:
        self.path = path
        self.pid = pid
        holder = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{path} is in use by {holder}; stop it, or give this one a store of its own"
        )


class StoreUnusable(StoreError):
    """The store at `path` cannot be served: newer, corrupt, read-only, not a database.

    Nothing of it was changed. `reason` says what was found, `fix` what to do.
    """

    def __init__(self, path: str, reason: str, fix: str) -> None:
        self.path = path
        self.reason = reason
        self.fix = fix
        super().__init__(f"{path}: {reason}; {fix}")


class StoreRefused(StoreError):
    """A commit met a row that somebody else had moved; nothing of it was written.

    `occurrences` are the (job, due instant) pairs that turned out to be decided already.
    """

    def __init__(self, message: str, occurrences: Sequence[tuple[str, datetime]] = ()) -> None:
        self.occurrences = tuple(occurrences)
        super().__init__(message)


class StoreUnavailable(StoreError):
    """The store cannot be read or written now (disk full, I/O error); a commit wrote nothing."""


class StoreDoubtful(StoreUnavailable):
    """A commit failed so that nobody can tell yet if it was written: the store's `settled` will."""


class TaskFailed(TaskdError):
    """The task ended badly in another process or before a restart: its error is known in words.

    `type` is the class's name, `message` its text, `traceback` where it happened.
    """

    def __init__(self, type: str, message: str, traceback: str = "") -> None:
        self.type = type
        self.message = message
        self.traceback = traceback
        super().__init__(f"{type}: {message}" if message else type)


class Stopped(TaskdError):
    """The scheduler is shut down, or shutting down, and takes nothing new."""


class NoDaemon(TaskdError):
    """Nothing answers on the control socket; `paths` are the places that were tried."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        super().__init__(
            f"no daemon answers on {', '.join(self.paths)}; start one with: taskd run jobs.toml"
        )


class ApiError(TaskdError):
    """The daemon refused a request: the fields of its problem document (RFC 9457).

    `status` is the HTTP status, `code` the stable word for the problem, `detail` a sentence,
    `problem` the whole document.
    """

    def __init__(self, status: int, code: str, detail: str, problem: dict[str, object]) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.problem = problem
        super().__init__(detail)


class SocketUnusable(TaskdError):
    """The control socket cannot be opened at `path`; `reason` says why and what to do."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class ProcessDied(TaskdError):
    """The process of an attempt ended by itself, or was killed; the message says how."""


class Interrupted(BaseException):
    """Raised within a callable that was asked to end and did not; let it pass.

    It is no `Exception`, so that ``except Exception`` does not swallow it.
    """


class Steering(TaskdError):
    """Raised by a callable to steer its own run rather than to report a fault."""


class Cancel(Steering):
    """Raised by a callable: end this run as CANCELLED, for `reason`."""

    def __init__(self, reason: str = "cancelled by the job itself") -> None:
        self.reason = reason
        super().__init__(reason)


class Retry(Steering):
    """Raised by a callable: end this attempt as FAILED and make another, whatever the error.

    It comes `after` that long (a timedelta, or seconds), by default when the job's retry policy
    says. It counts to ``retry.max_attempts``: where none is left the run is DEAD.

    Raises:
        ValueError: `after` is negative, or over a year.
    """

    def __init__(
        self, reason: str = "asked for by the job itself", *, after: timedelta | float | None = None
    ) -> None:
        self.reason = reason
        self.after = timedelta(seconds=after) if isinstance(after, int | float) else after
        if self.after is not None and not timedelta(0) <= self.after <= timedelta(days=366):
            raise ValueError(f"after must be 0 to 366 days, not {self.after}")
        super().__init__(reason)
