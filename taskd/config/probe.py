"""Probe: whether each job's callable imports and takes its arguments, in a throw-away process,
and whether the classes of exceptions that retry policies and categories name are there.

The modules of users do anything when they are imported: they print, exit, fork, hang and crash. So
they are imported in a child, one for all; when it dies or hangs, the module that it was looking at
is to blame, and a fresh child goes on behind it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

from taskd.config.exceptions import imported
from taskd.core.job import Job

_CHILD: Final = Path(__file__).with_name("probe_child.py")
_CHUNK: Final = 65_536  # bytes: what a pipe holds
_DYING_S: Final = 1.0  # from closing its stdout, as the last of its files, to being gone
_HINT: Final = "keep what happens on import small: put it into a function"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the code of `job`.

    `key` is ``call``, ``args``, ``executor``, ``retry.retry_on``... Of a failure category `job` is
    empty and `key` is its name.
    """

    job: str
    key: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class _Order:
    """What a child is to look at: the callable of a job, or a class of exceptions, in `module`."""

    job: str
    key: str
    module: str
    document: Mapping[str, object]


def probe(
    jobs: Sequence[Job],
    python_path: Sequence[Path],
    *,
    categories: Mapping[str, Sequence[str]] = MappingProxyType({}),
    timeout_s: float = 5.0,
) -> list[Fault]:
    """The faults of the code of `jobs`, then of `categories`, in their order; blocks meanwhile.

    `python_path` comes before this process's ``sys.path``. An import may take `timeout_s` seconds.
    Objects of this process (``local:``) and commands are passed over. Nothing is imported here.
    """
    orders = list(_orders(jobs, categories))
    faults: dict[int, Fault] = {}
    rest = list(enumerate(orders))
    path = [*map(str, python_path), *sys.path]
    while rest:
        answers, ending = _ask([order for _, order in rest], path, timeout_s)
        for (index, order), answer in zip(rest, answers, strict=False):
            if answer:
                key = answer["key"] or order.key
                faults[index] = Fault(order.job, key, answer["message"], answer["hint"])
        rest = rest[len(answers) :]
        if rest:
            # The module would do the same to each that needs it, 5 s each: it is not asked again.
            module = rest[0][1].module
            for index, order in rest:
                if order.module == module:
                    message = f"importing {module} {ending}"
                    faults[index] = Fault(order.job, order.key, message, _HINT)
            rest = [(index, order) for index, order in rest if order.module != module]
    return [faults[index] for index in sorted(faults)]


def _orders(jobs: Iterable[Job], categories: Mapping[str, Sequence[str]]) -> Iterator[_Order]:
    for job in jobs:
        call, retry = job.call, job.failure.retry
        if not (call.is_local or call.is_command):
            document = {
                "call": call.target,
                "args": list(call.args),
                "kwargs": dict(call.kwargs),
                "executor": job.execution.executor,
            }
            yield _Order(job.name, "call", call.target.partition(":")[0], document)
        yield from _classes(job.name, "retry.retry_on", retry.retry_on)
        yield from _classes(job.name, "retry.give_up_on", retry.give_up_on)
    for category, classes in categories.items():
        yield from _classes("", category, classes)


def _classes(job: str, key: str, words: Iterable[str]) -> Iterator[_Order]:
    for word in imported(words):
        yield _Order(job, key, word.rpartition(".")[0], {"exception": word})


def _ask(
    orders: Sequence[_Order], path: Sequence[str], timeout_s: float
) -> tuple[list[dict[str, str] | None], str]:
    """The answers of one child, and, where they are fewer than `orders`, how it ended."""
    documents = [order.document for order in orders]
    with tempfile.TemporaryFile() as paper:
        paper.write(json.dumps({"sys_path": list(path), "orders": documents}).encode())
        paper.seek(0)
        child = subprocess.Popen(
            [
                sys.executable,
                "-P",
                str(_CHILD),
            ],  # -P: the script's directory is no place of modules
            stdin=paper,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    assert child.stdout is not None
    with child:
        try:
            lines = islice(_lines(child.stdout, timeout_s), len(orders))
            answers = [json.loads(line) for line in lines]
            ending = _ending(child, timeout_s) if len(answers) < len(orders) else ""
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return answers, ending


def _lines(stream: IO[bytes], timeout_s: float) -> Iterator[bytes]:
    """The lines of `stream` until it ends, or until the next one takes over `timeout_s`."""
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    pending = b""
    while poll.poll(timeout_s * 1000):
        chunk = os.read(stream.fileno(), _CHUNK)
        if not chunk:
            return
        *lines, pending = (pending + chunk).split(b"\n")
        yield from lines


def _ending(child: subprocess.Popen[bytes], timeout_s: float) -> str:
    try:
        status = child.wait(_DYING_S)
    except subprocess.TimeoutExpired:
        return f"took more than {timeout_s:g} s"
    if status < 0:
        return f"killed the process with {signal.Signals(-status).name}"
    return f"ended the process with exit status {status}"
