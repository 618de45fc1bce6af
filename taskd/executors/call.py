"""Call: resolve one callable, call it, and put what came of it into words the store can keep."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType, TracebackType
from typing import TypeVar, cast

from taskd.core.messages import AttemptFinished
from taskd.core.run import UNKNOWN_USAGE, Outcome, Result, Run, RunError, Usage
from taskd.core.turn import Start
from taskd.core.value import replace, value
from taskd.errors import Cancel, Interrupted, NotImportable, Retry
from taskd.executors.current_run import CONTEXT
from taskd.executors.loaded_code import LoadedCode
from taskd.executors.objects import LocalCall, Objects

T = TypeVar("T")

TEXT_LIMIT = 64 * 1024  # characters of an error's text; a recursion's million lines help nobody
RESULT_LIMIT = 16 * 1024 * 1024  # characters; it is written to the run's row and to the journal
NO_CATEGORIES: Mapping[str, str] = MappingProxyType({})
NOTHING = Result("null")  # what most callables return
HEADROOM = 200  # levels of nesting left to those who read a result back from a deeper stack


@value()
class End:
    """How a call ended, in the store's words; see `AttemptFinished`."""

    outcome: Outcome
    result: Result | None = None
    error: RunError | None = None
    reason: str = ""
    classes: tuple[str, ...] = ()
    wants_retry: bool = False
    retry_after: timedelta | None = None
    usage: Usage = UNKNOWN_USAGE

    def with_stack(self, stack: str) -> End:
        """Return this end with an error that tells where the callable was before, if anywhere."""
        if not stack or self.error is None:
            return self
        told = f"{self.error.traceback}\nBefore it was interrupted:\n{stack}".lstrip()
        return replace(self, error=replace(self.error, traceback=told))

    def of(self, run: Run, at: datetime) -> AttemptFinished:
        """Return the report that the latest attempt of `run` ended so, at `at`."""
        return AttemptFinished(
            run=run.id,
            attempt=run.attempt,
            at=at,
            outcome=self.outcome,
            result=self.result,
            error=self.error,
            reason=self.reason,
            classes=self.classes,
            wants_retry=self.wants_retry,
            retry_after=self.retry_after,
            usage=self.usage,
        )


def perform(
    start: Start,
    objects: Objects | None,
    code: LoadedCode,
    categories: Mapping[str, str] = NO_CATEGORIES,
) -> End:
    """Call what `start` names and return how it ended; never raises what the callable raised.

    `categories` gives a failure category for the name of an exception class.
    """
    try:
        call = local_call(start, objects)
        code.remember(start.call)
    except BaseException as raised:  # noqa: BLE001 - an import runs the user's code
        return raised_end(start.run, raised, objects, categories)
    return called(start.run, call, objects, categories)


def called(
    run: Run, call: LocalCall, objects: Objects | None, categories: Mapping[str, str]
) -> End:
    """Call what was found for a run and return how that ended; see `perform`."""
    try:
        refuse_stopped()
        value = _awaited_by_nobody(call.function(*call.args, **call.kwargs))
    # The attempt boundary: whatever a job raises, SystemExit and KeyboardInterrupt too, ends this
    # attempt alone and not the worker thread.
    except BaseException as raised:  # noqa: BLE001
        return raised_end(run, raised, objects, categories)
    return returned_end(run, value, objects)


def refuse_stopped() -> None:
    """Refuse to begin a call that was asked to stop meanwhile, while its module was imported, say.

    Raises:
        Interrupted: It was.
    """
    context = CONTEXT.get(None)
    if context is not None and context.cancel.is_set():
        raise Interrupted("it was stopped before it began")


def _awaited_by_nobody(value: T) -> T:
    """Return what a plain callable returned; a coroutine is work that was not done."""
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError(
            f"the callable returned the coroutine {value.__qualname__}, which nobody awaits: "
            "name the async def itself, or run it in the callable with asyncio.run"
        )
    return value


def returned_end(run: Run, value: object, objects: Objects | None) -> End:
    """Return how an attempt ended that returned `value`."""
    if objects is not None:
        objects.returned(run, value)
        return End(Outcome.SUCCEEDED)
    return End(Outcome.SUCCEEDED, result=describe_result(value))


def raised_end(
    run: Run, raised: BaseException, objects: Objects | None, categories: Mapping[str, str]
) -> End:
    """Return how an attempt ended that raised."""
    if isinstance(raised, Cancel):
        return End(Outcome.CANCELLED, reason=_text(str, raised.reason))
    if objects is not None:
        objects.raised(run, raised)
    return failed(raised, categories)


def failed(raised: BaseException, categories: Mapping[str, str]) -> End:
    """Return how a call ended that raised."""
    classes = tuple(class_name(kind) for kind in type(raised).__mro__)
    category = next((categories[name] for name in classes if name in categories), None)
    return End(
        Outcome.FAILED,
        error=replace(describe_error(raised), category=category),
        classes=classes,
        wants_retry=isinstance(raised, Retry),
        retry_after=raised.after if isinstance(raised, Retry) else None,
    )


def local_call(start: Start, objects: Objects | None) -> LocalCall:
    """Return the callable and the arguments of an attempt.

    Raises:
        NotImportable: The target cannot be found, or is not a callable.
    """
    call = start.call
    if call.is_local:
        if objects is None or call.target not in objects.calls:
            raise NotImportable(call.target, "belongs to a process that has ended")
        return objects.call(call.target, start.run, carry=start.carry)
    args = list(call.args)
    if start.carried is not None:
        args[:1] = [json.loads(start.carried)]
    return LocalCall(resolve(call.target), args, call.kwargs)


def resolve(target: str) -> Callable[..., object]:
    """Import ``package.module:attr.path`` and return the callable.

    Raises:
        NotImportable: No such module or attribute, a failing import, or no callable.
    """
    module_name, _, path = target.partition(":")
    if module_name not in sys.modules:
        importlib.invalidate_caches()  # the file may be younger than the finder's directory listing
    try:
        found: object = importlib.import_module(module_name)
    # An import runs the user's code: whatever it raises is that job's error alone.
    except BaseException as raised:
        raise NotImportable(target, f"cannot import {module_name}: {text_of(raised)}") from raised
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise NotImportable(target, f"{module_name} has no {path}") from None
        # So does a module's __getattr__.
        except BaseException as raised:
            reason = f"cannot get {path} of {module_name}: {text_of(raised)}"
            raise NotImportable(target, reason) from raised
    if not callable(found):
        raise NotImportable(target, f"{path} is not callable")
    return cast("Callable[..., object]", found)


def describe_result(value: object) -> Result:
    """Return `value` as JSON text, or the text of its repr where it is not JSON or too much."""
    if value is None:
        return NOTHING
    try:
        text = _json(value)
    # A dict of the user's own class may raise anything.
    except BaseException:  # noqa: BLE001
        text = ""
    if 0 < len(text) <= RESULT_LIMIT:
        return Result(text)
    return Result(_text(repr, value), is_repr=True)


def describe_error(error: BaseException) -> RunError:
    """Return what was raised in words: class, message, traceback from the callable on, repr."""
    # The first frame is `perform`.
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    return RunError(
        type=_clipped(class_name(type(error))),
        message=text_of(error),
        traceback=_text(lambda raised: _formatted(raised, frames), error),
        text=_text(repr, error),
    )


def class_name(kind: type) -> str:
    """Return the name by which retry policies and categories know a class of exceptions."""
    is_bare = kind.__module__ in ("builtins", "__main__")
    return kind.__qualname__ if is_bare else f"{kind.__module__}.{kind.__qualname__}"


def text_of(error: BaseException) -> str:
    """Return the message of an exception, whatever its own `__str__` does."""
    return _text(str, error)


def _json(value: object) -> str:
    text = json.dumps(value, allow_nan=False)
    if text.count("[") + text.count("{") > HEADROOM:  # it may be nested deep
        for _ in range(HEADROOM):
            value = [value]
        json.dumps(value)
    return text


def _formatted(error: BaseException, frames: TracebackType | None) -> str:
    return "".join(traceback.format_exception(type(error), error, frames))


def _text(words: Callable[[T], str], value: T) -> str:
    """Return what `words` makes of a user's object, whose own code may raise anything at all."""
    try:
        return _clipped(words(value))
    # Still the attempt boundary.
    except BaseException as fault:  # noqa: BLE001
        return f"<{type(value).__name__} whose text cannot be had: {type(fault).__name__}>"


def _clipped(text: str) -> str:
    """Return `text` cut in its middle where it is too long, in characters that UTF-8 has."""
    if len(text) > TEXT_LIMIT:
        half, left_out = TEXT_LIMIT // 2, len(text) - TEXT_LIMIT
        text = f"{text[:half]}\n... {left_out} characters left out ...\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
