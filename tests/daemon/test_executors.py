"""Executors under a real daemon: what it runs, what it keeps of it, and what its death leaves."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.daemon.live import PATIENCE_S, Live

JOBS = """
[jobs.plain]
call = "work:who"
every = "1h"

[jobs.process]
call = "work:who"
executor = "process"
every = "1h"

[jobs.async]
call = "work:later"
every = "1h"

[jobs.command]
command = "echo hello there"
every = "1h"

[jobs.bad]
command = ["false"]
every = "1h"
"""
MORE = """

def who():
    print("printed by", os.getpid())
    return os.getpid()

async def later():
    return "awaited"

def parent(ready):
    import subprocess, sys
    code = ("import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
            "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)")
    subprocess.run([sys.executable, "-c", code, ready])
"""


def outputs(live: Live) -> dict[str, str]:
    """What was printed, by the id of its run."""
    files = (live.folder / "taskd.db-logs").glob("*/*/1.0")
    return {file.parent.name: file.read_text() for file in files}


def test_jobs_that_compute_hand_over_the_interpreter_often(live: Live) -> None:
    live.start('[jobs.switch]\ncall = "sys:getswitchinterval"\nevery = "1h"\n')
    live.until(lambda: any(run["finished_at"] for run in live.client.runs()))
    (run,) = live.client.runs()
    assert float(run["result"]) < 0.001


def test_each_executor_runs_its_jobs_and_keeps_what_they_print(live: Live) -> None:
    (live.folder / "work.py").write_text((live.folder / "work.py").read_text() + MORE)
    live.start(JOBS)
    live.until(lambda: sum(run["finished_at"] is not None for run in live.client.runs()) == 5)
    runs = {run["job"]: run for run in live.client.runs()}
    assert live.process is not None
    assert runs["plain"]["result"] == live.process.pid
    assert runs["process"]["result"] != live.process.pid
    assert (runs["async"]["result"], runs["command"]["result"]) == ("awaited", None)
    assert runs["command"]["state"] == "SUCCEEDED"
    assert (runs["bad"]["state"], runs["bad"]["error"]["message"]) == ("FAILED", "exit status 1")
    (attempt,) = live.client.run(runs["bad"]["id"])["attempts"]
    assert (attempt["exit_status"], attempt["signal"]) == (1, None)
    printed = outputs(live)
    assert printed[runs["command"]["id"]] == "hello there\n"
    for job in ("plain", "process"):
        assert printed[runs[job]["id"]] == f"printed by {runs[job]['result']}\n"
    assert not [line for line in live.said if "printed by" in line]


def test_a_daemon_that_was_killed_leaves_no_process_to_the_next(live: Live) -> None:
    (live.folder / "work.py").write_text((live.folder / "work.py").read_text() + MORE)
    ready = live.folder / "grandchild"
    live.start(
        f'[jobs.parent]\ncall = "work:parent"\nargs = ["{ready}"]\nexecutor = "process"\n'
        'every = "1h"\n'
    )
    grandchild = int(live.until(lambda: ready.exists() and ready.read_text()))
    ready.unlink()
    live.end(signal.SIGKILL)
    live.start()
    again = int(live.until(lambda: ready.exists() and ready.read_text()))
    assert not Path(f"/proc/{grandchild}/fd").exists() or state_of(grandchild) == "Z"
    (run,) = live.client.runs(job="parent")
    first, *_ = live.client.run(run["id"])["attempts"]
    assert first["outcome"] == "LOST"
    live.client.shutdown(now=True)
    assert live.process is not None
    assert live.process.wait(PATIENCE_S) == 0
    live.until(lambda: state_of(again) in {"Z", ""})


def test_a_process_has_new_code_after_a_reload(live: Live) -> None:
    code = live.folder / "work.py"
    live.start('[jobs.ping]\ncall = "work:ping"\nexecutor = "process"\n')
    live.client.trigger("ping")
    live.until(lambda: [run["result"] for run in live.client.runs()] == ["pong"])
    code.write_text(code.read_text().replace('return "pong"', 'return "the new pong"'))
    live.client.reload()
    live.client.trigger("ping")
    live.until(lambda: [run["result"] for run in live.client.runs()] == ["the new pong", "pong"])


def state_of(pid: int) -> str:
    """The state letter of a process, empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_what_an_executor_cannot_honour_is_refused_at_once(live: Live) -> None:
    live.write('[jobs.a]\ncall = "work:ping"\nmax_memory = "1GiB"\n[jobs.b]\ncommand = ""\n')
    checked = live.taskd("check", str(live.config))
    assert checked.returncode == 78
    said = checked.stdout + checked.stderr
    assert "jobs.a.max_memory" in said
    assert "jobs.b.command" in said
