"""The child of probe.py: imports callables in a process that may be thrown away.

It runs as a script and imports nothing of taskd, so that it starts quickly and works wherever
taskd lies. It reads ``{"sys_path": [...], "jobs": [{"call", "args", "kwargs"}...]}`` from stdin and
writes a line of JSON per job to what was its stdout: null, or ``{"key", "message", "hint"}``.
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
    """Answer for each job in turn, then end at once, whatever threads the modules left."""
    orders = json.load(sys.stdin)
    answers = _take_stdout()
    me = os.getpid()
    os.register_at_fork(after_in_parent=_note_fork)
    for job in orders["jobs"]:
        sys.path[:] = orders["sys_path"]  # one module's edits are not to help another
        answer = _examine(job)
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


def _examine(job: dict[str, object]) -> dict[str, str] | None:
    target, args, kwargs = job["call"], job["args"], job["kwargs"]
    assert isinstance(target, str) and isinstance(args, list) and isinstance(kwargs, dict)
    try:
        function = _resolve(target)
        _check_callable(target, function, job.get("executor"))
        _check_arguments(function, args, kwargs)
    except Unfit as unfit:
        return {"key": unfit.key, "message": unfit.message, "hint": unfit.hint}
    # A module may raise anything from anywhere, SystemExit included, and must not end the check.
    except BaseException as error:  # noqa: BLE001
        message = f"looking at {target} raised {_describe(error)}"
        return {"key": "call", "message": message[:_LONGEST_TEXT], "hint": ""}
    return None


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
