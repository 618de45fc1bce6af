"""Callables that misbehave, each in its own way: as a job's callable, awaited, or as a program.

``python badly.py NAME`` calls one as the whole of a program, for the executor of commands.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

MEGABYTE = 1024 * 1024
OUTPUT = int(os.environ.get("TASKD_MATRIX_OUTPUT", "4"))  # megabytes
RESULT = int(os.environ.get("TASKD_MATRIX_RESULT", "17"))  # megabytes; over the limit of 16
BAD: dict[str, Callable[[], object]] = {}


def bad(function: Callable[[], object]) -> Callable[[], object]:
    BAD[function.__name__] = function
    return function


def awaited(function: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    async def call() -> object:
        return function()

    return call


@bad
def sys_exit() -> NoReturn:
    sys.exit(3)


@bad
def keyboard_interrupt() -> NoReturn:
    raise KeyboardInterrupt


@bad
def os_exit() -> None:
    os._exit(9)


@bad
def segmentation_fault() -> None:
    signal.signal(signal.SIGSEGV, signal.SIG_DFL) if threading.current_thread() is (
        threading.main_thread()
    ) else None
    ctypes.string_at(0)


@bad
def deep_recursion() -> object:
    return deep_recursion()


@bad
def long_traceback() -> None:
    """A message of a million lines."""
    raise ValueError("line\n" * 1_000_000)


class TwoArguments(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


@bad
def exception_not_unpicklable() -> None:
    raise TwoArguments("a", "b")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@bad
def exception_str_raises() -> None:
    raise Mute


@bad
def result_not_picklable() -> object:
    return threading.Lock()


@bad
def result_too_large() -> object:
    return "x" * (RESULT * MEGABYTE)


@bad
def much_output() -> None:
    line = "x" * 1023
    for _ in range(OUTPUT * 1024):
        print(line)


@bad
def binary_output() -> None:
    for _ in range(100):
        sys.stdout.buffer.write(bytes(range(256)))
        sys.stdout.buffer.flush()


@bad
def output_without_newline() -> None:
    print("." * 20_000, end="")


@bad
def fork() -> str:
    """A copy of the process goes on as if it were the original."""
    child = os.fork()
    if child == 0:
        return "the copy"
    os.waitpid(child, 0)
    return "the original"


@bad
def cwd_and_umask_changed() -> None:
    os.chdir("/")
    os.umask(0)


@bad
def signal_handlers_changed() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


@bad
def threads_leaked() -> None:
    for _ in range(20):
        threading.Thread(target=threading.Event().wait, daemon=True).start()


@bad
def descriptors_leaked() -> None:
    for _ in range(50):
        os.open(os.devnull, os.O_RDONLY)


@bad
def stdin_read() -> object:
    return [sys.stdin.read(), os.read(0, 1).decode()]


@bad
def sleep_in_c() -> None:
    ctypes.CDLL(None).sleep(6)


@bad
def endless_loop() -> None:
    """Until the test has seen enough of it: in a thread nobody else could end it."""
    enough = Path(os.environ["TASKD_MATRIX_ENOUGH"])
    while not enough.exists():
        pass


globals().update({f"awaited_{name}": awaited(function) for name, function in BAD.items()})

if __name__ == "__main__":
    BAD[sys.argv[1]]()
