"""The child of probe.py: imports callables in a process that may be thrown away.

It runs as a script and imports nothing of taskd, so that it starts quickly and works wherever
taskd lies. It reads ``{"sys_path": [...], "orders": [...]}`` from stdin, where an order is
``{"call", "args", "kwargs"}`` or ``{"exception"}``, and writes a line of JSON for each to what was
its stdout: null, or ``{"key", "message", "hint"}``, where an empty key is the order's own.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys

_LONGEST_TEXT = 800  # characters of a message: a line must fit into a pipe in one piece
_forks: list[str] = []  # who forked since the last import began
_forking: set[str] = set()  # the modules that did; a second import would not


class Unfit(Exception):
    """The callable of a job cannot be called as its entry says; `key` is the part at fault."""

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        self.key = key
        self.message = message[:_LONGEST_TEXT]
        self.hint = hint[:_LONGEST_TEXT]
        super().__init__(message)


def main() -> None:
    """Answer for each order in turn, then end at once, whatever threads the modules left."""
    orders = json.load(sys.stdin)
    answers = _take_stdout()
    me = os.getpid()
    os.register_at_fork(after_in_parent=_note_fork)
    for order in orders["orders"]:
        sys.path[:] = orders["sys_path"]  # one module's edits are not to help another
        answer = _examine(order)
        if os.getpid() != me:
            os._exit(0)  # a copy that a module made of us: the original answers
        os.write(answers, json.dumps(answer).encode() + b"\n")
    os._exit(0)


def _take_stdout() -> int:
    """A private copy of stdout; the modules get /dev/null for all three."""
    answers = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    return answers


def _note_fork() -> None:
    caller = sys._getframe(1).f_globals.get("__name__", "")
    if caller != "multiprocessing.popen_fork":  # whose copies never come back here
        _forks.append(caller)


def _examine(order: dict[str, object]) -> dict[str, str] | None:
    try:
        if "exception" in order:
            _check_exception(str(order["exception"]))
        else:
            _check_call(order)
    except Unfit as unfit:
        return {"key": unfit.key, "message": unfit.message, "hint": unfit.hint}
    # A module may raise anything from anywhere, SystemExit included, and must not end the check.
    except BaseException as error:  # noqa: BLE001
        target = order.get("call") or order.get("exception")
        message = f"looking at {target} raised {_describe(error)}"
        return {"key": "", "message": message[:_LONGEST_TEXT], "hint": ""}
    return None


def _check_call(order: dict[str, object]) -> None:
    target, args, kwargs = order["call"], order["args"], order["kwargs"]
    assert isinstance(target, str) and isinstance(args, list) and isinstance(kwargs, dict)
    function = _resolve(target)
    _check_callable(target, function, order.get("executor"))
    _check_arguments(function, args, kwargs)


def _check_exception(name: str) -> None:
    """Refuse what no failure will ever be matched by."""
    module, _, path = name.rpartition(".")
    try:
        found = _resolve(f"{module}:{path}")
    except Unfit as unfit:
        raise Unfit("", unfit.message, unfit.hint) from None
    if not isinstance(found, type) or not issubclass(found, BaseException):
        raise Unfit("", f"{name} is not a class of exceptions")
    is_bare = found.__module__ == "builtins"
    real = found.__qualname__ if is_bare else f"{found.__module__}.{found.__qualname__}"
    if real != name:
        raise Unfit("", f"{name} is another name of {real}", f"write {real}")


def _resolve(target: str) -> object:
    module, _, path = target.partition(":")
    _forks.clear()
    found = _import(module)
    if _forks:
        _forking.add(module)
    if module in _forking:
        hint = 'move that into a function, or under if __name__ == "__main__"'
        raise Unfit("call", f"importing {module} forks the process, which is the daemon", hint)
    for name in path.split("."):
        if not hasattr(found, name):
            raise Unfit("call", f"{module} has no {path}", _nearest(name, dir(found)))
        found = getattr(found, name)
    return found


def _import(module: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            hint = "is its directory in python_path?"
            raise Unfit("call", f"there is no module {error.name}", hint) from None
        raise Unfit("call", f"importing {module} raised {_describe(error)}") from None
    except BaseException as error:  # noqa: BLE001 - as in _examine
        raise Unfit("call", f"importing {module} raised {_describe(error)}") from None


def _check_callable(target: str, function: object, executor: object) -> None:
    if not callable(function):
        raise Unfit("call", f"{target} is not callable, but of type {type(function).__name__}")
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        type(function).__call__
    )
    if is_async and executor in ("thread", "process"):
        hint = 'leave executor out, or write executor = "async"'
        raise Unfit("executor", f'{target} is async, and executor "{executor}" is not', hint)
    if executor == "async" and inspect.isfunction(function) and not is_async:
        hint = "leave executor out, or write async def"
        raise Unfit("executor", f'{target} is not async, and executor "async" is', hint)


def _check_arguments(function: object, args: list[object], kwargs: dict[str, object]) -> None:
    assert callable(function)
    try:
        signature = inspect.signature(function)
    except ValueError:
        return  # some built-in functions have none to check against
    hint = f"its parameters are {signature}"
    try:
        signature.bind_partial(*args)
    except TypeError as error:
        raise Unfit("args", str(error), hint) from None
    try:
        signature.bind_partial(*args, **kwargs)
    except TypeError as error:
        raise Unfit("kwargs", str(error), hint) from None
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        key = "args" if args else "kwargs" if kwargs else "call"
        raise Unfit(key, str(error), hint) from None


def _describe(error: BaseException) -> str:
    """The error as Python shows it, with the line of the user's code that it came from."""
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if isinstance(error, SyntaxError) or trace is None:
        return text
    return f"{text} ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})"


def _nearest(name: str, names: list[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, names, n=1)
    return f"did you mean {found[0]}?" if found else ""


if __name__ == "__main__":
    main()
