"""The nursery: raises the processes that are to die.

It has imported taskd and has no threads, so that a fork of it is a process that is ready at once;
a daemon's start costs fifty times that. `python -m tests.storm.nursery AT_ONCE` reads cases as a
JSON list, gives each a process of its own, at most AT_ONCE together, and prints an answer for each
as one line of JSON: ``{"case": ..., "answer": ...}``, or ``"fault"`` where it failed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

Case = dict[str, Any]

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60  # for one life
FAULT = 99  # the status of a process whose own code failed


def fork(
    body: Callable[[], object], log: Path | None = None, *, patience_s: int = PATIENCE_S
) -> int:
    """Run `body` in a fork of this process and return its pid; `log` gets what it says.

    The kernel ends it after `patience_s` seconds; 0 is never.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return pid
    status = FAULT
    try:
        if log is not None:
            said = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(said, 1)
            os.dup2(said, 2)
        signal.alarm(patience_s)
        body()
        status = 0
    # The fork must not come back into the code of its parent.
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def reap(pid: int) -> int:
    """Wait for a process and return its status as a shell reports it."""
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if status >= 0 else 128 - status


def raise_all(function: str, cases: Sequence[Case], *, at_once: int) -> list[tuple[Case, Any]]:
    """Have a nursery call `function` (``module:name``) for each case; return cases and answers."""
    told = json.dumps({"function": function, "cases": cases})
    nursery = subprocess.Popen(
        [sys.executable, "-m", "tests.storm.nursery", str(at_once)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        printed, said = nursery.communicate(told)
    finally:
        with suppress(ProcessLookupError):  # none is left, save where the test was cut short
            os.killpg(nursery.pid, signal.SIGKILL)
        nursery.wait()
    assert nursery.returncode == 0, said
    answers = [json.loads(line) for line in printed.splitlines()]
    faults = [answer for answer in answers if "fault" in answer]
    assert not faults, "\n".join(f"{one['case']}: {one['fault']}" for one in faults)
    assert len(answers) == len(cases), said
    return [(answer["case"], answer["answer"]) for answer in answers]


def _answer(function: Callable[[Case], object], case: Case) -> None:
    try:
        told = {"case": case, "answer": function(case)}
    # Whatever it is, the test that asked must see it.
    except BaseException:  # noqa: BLE001
        told = {"case": case, "fault": traceback.format_exc()}
    # One write: the lines of several cases must not mix.
    Path(case["folder"], "answer").write_text(json.dumps(told))


def main() -> None:
    """Raise what stdin asks for."""
    plan = json.load(sys.stdin)
    module, _, name = plan["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    waiting, running = list(plan["cases"]), dict[int, Case]()
    while waiting or running:
        while waiting and len(running) < int(sys.argv[1]):
            case = waiting.pop(0)
            running[fork(partial(_answer, function, case), patience_s=0)] = case
        pid, _ = os.wait()
        case = running.pop(pid)
        answer = Path(case["folder"], "answer")
        died = json.dumps({"case": case, "fault": "its process ended without an answer"})
        print(answer.read_text() if answer.exists() else died, flush=True)


if __name__ == "__main__":
    main()
