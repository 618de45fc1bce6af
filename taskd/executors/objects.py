"""Objects: what an in-memory scheduler keeps as it is, beside the store, which holds text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from taskd.core.run import Run


@dataclass(frozen=True, slots=True)
class LocalCall:
    """A callable of this process, with its arguments."""

    function: Callable[..., object]
    args: Sequence[object]
    kwargs: Mapping[str, object]


class Objects:
    """Callables by target, and what the latest finished run of each task returned or raised.

    A task is known by its id: the run's for a one-time task, the job's name for a periodic one. The
    callable of a one-time task is let go when it has run.
    """

    def __init__(self) -> None:
        self.calls: dict[str, LocalCall] = {}
        self.results: dict[str, object] = {}
        self.errors: dict[str, BaseException] = {}

    def call(self, target: str, run: Run, *, carry: bool) -> LocalCall:
        """Return what to call; with `carry`, the first argument is the last result."""
        call = self.calls[target]
        if carry and run.job in self.results:
            call = replace(call, args=[self.results[run.job], *call.args[1:]])
        return call

    def returned(self, run: Run, result: object) -> None:
        """Keep a result."""
        task = run.job or run.id
        self.results[task] = result
        self.errors.pop(task, None)

    def raised(self, run: Run, error: BaseException) -> None:
        """Keep an exception."""
        self.errors[run.job or run.id] = error

    def forget(self, target: str) -> None:
        """Let go of the callable of a task that has come to its end."""
        self.calls.pop(target, None)
