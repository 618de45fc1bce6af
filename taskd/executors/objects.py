"""Objects: what an in-memory scheduler keeps as it is, beside the store, which holds text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from taskd.core.job import JobName
from taskd.core.run import Run, RunId
from taskd.core.value import replace, value


@value()
class LocalCall:
    """A callable of this process, with its arguments."""

    function: Callable[..., object]
    args: Sequence[object]
    kwargs: Mapping[str, object]


class Objects:
    """Callables by target, and by run what it returned or raised.

    An attempt's thread puts in what it has before it reports its end, so that the object is there
    whenever the state says so. Only the loop takes out, once that is committed.
    """

    def __init__(self) -> None:
        self.calls: dict[str, LocalCall] = {}
        self.results: dict[RunId, object] = {}
        self.errors: dict[RunId, BaseException] = {}
        self._carried: dict[JobName, object] = {}
        self._latest: dict[JobName, RunId] = {}

    def call(self, target: str, run: Run, *, carry: bool) -> LocalCall:
        """Return what to call; with `carry`, the first argument is the last result."""
        call = self.calls[target]
        if carry and run.job in self._carried:
            call = replace(call, args=[self._carried[run.job], *call.args[1:]])
        return call

    def returned(self, run: Run, result: object) -> None:
        """Keep a result."""
        self.results[run.id] = result
        if run.job is not None:
            self._carried[run.job] = result

    def raised(self, run: Run, error: BaseException) -> None:
        """Keep an exception."""
        self.errors[run.id] = error

    def ended(self, run: Run) -> None:
        """Let go of what nobody can ask for any more, now that the end of `run` is committed.

        A one-time task is not called again; of a periodic one only the latest run is asked for.
        """
        if run.job is None:
            if run.call is not None:
                self.calls.pop(run.call.target, None)
            return
        before = self._latest.get(run.job)
        self._latest[run.job] = run.id
        if before is not None:
            self.forget([before])

    def forget(self, runs: Sequence[RunId]) -> None:
        """Let go of what runs came to that are in the store no more."""
        for run in runs:
            self.results.pop(run, None)
            self.errors.pop(run, None)
