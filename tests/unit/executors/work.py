"""What the executors' tests have called: in a thread, in a process and, with a prefix, awaited."""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from taskd import current_run


class TwoArguments(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


class Opaque:
    def __reduce__(self) -> NoReturn:
        raise RuntimeError("not to be pickled")

    def __repr__(self) -> str:
        return "<opaque>"


def give(kind: str) -> object:
    """Return, raise or recurse as `kind` says."""
    match kind:
        case "value":
            return {"answer": 42}
        case "opaque":
            return Opaque()
        case "huge":
            return "x" * 1_000_000
        case "nested":
            value: object = 1
            for _ in range(100_000):
                value = [value]
            return value
        case "exit":
            sys.exit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "two arguments":
            raise TwoArguments("a", "b")
        case "recursion":
            return give(kind)
        case "error":
            raise ValueError("no such luck")
        case _:
            raise AssertionError(kind)


async def agive(kind: str) -> object:
    await asyncio.sleep(0)
    return give(kind)


def heed(ready: str) -> str:
    """End when asked to."""
    Path(ready).touch()
    pause = threading.Event()
    while not current_run.cancelled:
        pause.wait(0.01)
    return "heeded"


async def aheed(ready: str) -> str:
    Path(ready).touch()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "heeded"
    return "never"


def spin(ready: str) -> None:
    """Be deaf, in Python."""
    Path(ready).touch()
    while True:
        time.sleep(0.005)


async def aspin(ready: str) -> None:
    """Be deaf to the first request alone."""
    Path(ready).touch()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        Path(f"{ready}.heard").touch()
    await asyncio.sleep(60)


def hang(ready: str, release: str) -> str:
    """Be deaf to all but a file that appears."""
    Path(ready).touch()
    while not Path(release).exists():
        with suppress(BaseException):
            time.sleep(0.01)
    return "released"


async def ahang(ready: str, release: str) -> str:
    """Block the loop."""
    return hang(ready, release)


def listen(ready: str, heard: str) -> None:
    """Have the worker busy for ever with what the daemon says while this is called."""

    def loads(_: object) -> NoReturn:
        Path(heard).touch()
        while True:
            time.sleep(0.005)

    json.loads = loads  # type: ignore[assignment]
    spin(ready)


def crowd(ready: str) -> None:
    """Have many threads that call and return all the time."""
    for _ in range(20):
        threading.Thread(target=descend, daemon=True).start()
    Path(ready).touch()
    while True:
        time.sleep(0.005)


def descend() -> None:
    while True:
        dive(60)


def dive(depth: int) -> None:
    if depth:
        dive(depth - 1)
    else:
        time.sleep(0.001)


def speak(count: int, word: str) -> None:
    logger = logging.getLogger("work")
    for number in range(count):
        print(word, number)
        print(word, number, file=sys.stderr)
        logger.warning("%s %s", word, number)


async def aspeak(count: int, word: str) -> None:
    speak(count, word)


def pour(lines: int) -> None:
    line = "x" * 1023
    for _ in range(lines):
        print(line)


def lie(frame: object) -> None:
    """Say something to the daemon that no worker would; 36 R stand for the run."""
    import gc

    from taskd.executors.frames import encode
    from taskd.executors.worker import Worker

    (worker,) = (one for one in gc.get_objects() if isinstance(one, Worker))
    data = frame.encode() if isinstance(frame, str) else encode(frame)  # type: ignore[arg-type]
    worker._connection.sendall(data.replace(b"R" * len(current_run.id), current_run.id.encode()))
    threading.Event().wait()


def die(how: str) -> None:
    match how:
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            raise AssertionError(how)


def eat(megabytes: int) -> int:
    return len(b"x" * (megabytes * 1024 * 1024))


def burn() -> None:
    while True:
        pass


def who(count: int = 0) -> list[object]:
    current_run.progress(count, 10, "there")
    about = [current_run.id, current_run.job, current_run.attempt, current_run.fence]
    return [*about, current_run.scheduled_at.isoformat(), os.getpid()]


def where() -> list[object]:
    return [os.environ.get("GREETING"), str(Path.cwd())]


def wreck() -> None:
    """Leave the process as nobody would want to find it."""
    os.environ["GREETING"] = "wrecked"
    os.chdir("/")
    os.umask(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout.close()


def progress(ready: str, release: str) -> None:
    for number in range(1000):
        current_run.progress(number, 1000)
    current_run.progress(1000, 1000, "all")
    hang(ready, release)


def remember() -> bool:
    current_run.checkpoint({"at": 1})
    return current_run.once("key") and current_run.last_checkpoint == {"at": 1}


GRANDCHILD = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "open(sys.argv[1], 'w').write(str(__import__('os').getpid())); time.sleep(600)"
)


def parent(ready: str) -> None:
    """Have a child that ignores SIGTERM, and wait for it."""
    subprocess.run([sys.executable, "-c", GRANDCHILD, ready], check=False)


def shout() -> None:
    """Have a child print."""
    subprocess.run("echo child out; echo child err >&2", shell=True, check=True)


def reconfigure() -> None:
    sys.stdout.reconfigure(encoding="ascii", errors="replace")  # type: ignore[union-attr]
    print("ü")
    sys.stdout.buffer.write(b"\xff\xfe\n")
    assert sys.stdout.fileno() == 1
    assert not sys.stdout.isatty()
