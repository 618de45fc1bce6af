"""Probe: whether each job's callable imports and takes its arguments, in a throw-away process.

The modules of users do anything when they are imported: they print, exit, fork, hang and crash. So
they are imported in a child, one for all jobs; when it dies or hangs, the job that it was looking
at is to blame, and a fresh child goes on behind it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final

from taskd.core.job import Job

_CHILD: Final = Path(__file__).with_name("probe_child.py")
_CHUNK: Final = 65_536  # bytes: what a pipe holds
_DYING_S: Final = 1.0  # from closing its stdout, as the last of its files, to being gone
_HINT: Final = "keep what happens on import small: put it into a function"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the code of `job`; `key` is ``call``, ``args``, ``kwargs`` or
    ``executor``."""

    job: str
    key: str
    message: str
    hint: str = ""


def probe(
    jobs: Sequence[Job], python_path: Sequence[Path], *, timeout_s: float = 5.0
) -> list[Fault]:
    """The faults of the callables of `jobs`, in their order; blocks until all were looked at.

    `python_path` comes before this process's ``sys.path``. An import may take `timeout_s` seconds.
    Objects of this process (``local:``) and commands are passed over. Nothing is imported here.
    """
    faults: dict[str, Fault] = {}
    rest = [job for job in jobs if not (job.call.is_local or job.call.is_command)]
    path = [*map(str, python_path), *sys.path]
    while rest:
        answers, ending = _ask(rest, path, timeout_s)
        for job, answer in zip(rest, answers, strict=False):
            if answer:
                faults[job.name] = Fault(job.name, **answer)
        rest = rest[len(answers) :]
        if rest:
            # The module would do the same to each of its jobs, 5 s each: they are not asked again.
            module = _module(rest[0])
            for job in filter(lambda job: _module(job) == module, rest):
                faults[job.name] = Fault(job.name, "call", f"importing {module} {ending}", _HINT)
            rest = [job for job in rest if _module(job) != module]
    return [faults[job.name] for job in jobs if job.name in faults]


def _module(job: Job) -> str:
    return job.call.target.partition(":")[0]


def _ask(
    jobs: Sequence[Job], path: Sequence[str], timeout_s: float
) -> tuple[list[dict[str, str] | None], str]:
    """The answers of one child, and, where they are fewer than `jobs`, how it ended."""
    with tempfile.TemporaryFile() as orders:
        orders.write(_orders(jobs, path))
        orders.seek(0)
        child = subprocess.Popen(
            [
                sys.executable,
                "-P",
                str(_CHILD),
            ],  # -P: the script's directory is no place of modules
            stdin=orders,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    assert child.stdout is not None
    with child:
        try:
            lines = islice(_lines(child.stdout, timeout_s), len(jobs))
            answers = [json.loads(line) for line in lines]
            ending = _ending(child, timeout_s) if len(answers) < len(jobs) else ""
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return answers, ending


def _orders(jobs: Sequence[Job], path: Sequence[str]) -> bytes:
    orders = [
        {
            "call": job.call.target,
            "args": list(job.call.args),
            "kwargs": dict(job.call.kwargs),
            "executor": job.execution.executor,
        }
        for job in jobs
    ]
    return json.dumps({"sys_path": list(path), "jobs": orders}).encode()


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
