"""Start, work, end: a real daemon as its operator sees it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.live import HOLD, PING, Live


def test_the_ready_line_comes_first_then_one_line_for_each_finished_run(live: Live) -> None:
    ready = live.start(PING + '[jobs.bad]\ncall = "work:fail"\nevery = "1h"\n')
    assert live.said == [ready]
    assert "2 jobs" in ready
    assert str(live.socket) in ready
    lines = sorted([live.line_with("FAILED"), *live.said[1:]], key=lambda line: line.split()[1])
    assert lines[0].endswith("s ValueError: no such luck")


def test_it_ends_cleanly_when_told_and_takes_its_socket_along(live: Live) -> None:
    live.start(PING)
    assert live.end(signal.SIGINT) == 0
    assert not live.socket.exists()


def test_the_collector_of_garbage_need_not_look_at_what_start_has_made(live: Live) -> None:
    live.start('[jobs.frozen]\ncall = "gc:get_freeze_count"\ncron = "0 0 1 1 *"\n')
    run = live.client.trigger("frozen")
    assert live.client.wait(run["id"], timeout=20)["result"] > 10_000


def test_a_signal_is_taken_whichever_thread_the_kernel_gives_it_to(live: Live) -> None:
    live.start(PING)
    assert live.process is not None
    threads = sorted(int(task.name) for task in Path(f"/proc/{live.process.pid}/task").iterdir())
    assert threads[0] == live.process.pid
    libc = ctypes.CDLL(None)
    assert libc.tgkill(live.process.pid, threads[-1], signal.SIGTERM) == 0
    assert live.process.wait(20) == 0


def test_a_shutdown_waits_for_what_runs(live: Live) -> None:
    live.start(HOLD)
    live.until((live.folder / "gate.begun").exists)
    live.client.shutdown()
    live.line_with("shutting down")
    (live.folder / "gate.open").touch()
    assert live.process is not None
    assert live.process.wait(20) == 0
    live.start()
    (run,) = live.client.runs(job="hold")
    assert (run["state"], run["result"]) == ("SUCCEEDED", "let go")


def test_what_does_not_end_in_time_is_handed_back_and_runs_after_the_restart(live: Live) -> None:
    live.start(
        '[daemon]\nshutdown_grace = "100ms"\n[jobs.hold]\ncall = "work:hold"\nevery = "1h"\n'
    )
    live.until((live.folder / "gate.begun").exists)
    assert live.end() == 0
    (live.folder / "gate.open").touch()
    live.start()
    run = live.until(lambda: live.client.runs(job="hold", state="SUCCEEDED"))[0]
    assert [a["outcome"] for a in run["attempts"]] == ["RELEASED", "SUCCEEDED"]


def test_a_second_signal_forces_the_end(live: Live) -> None:
    live.start(HOLD)
    live.until((live.folder / "gate.begun").exists)
    assert live.process is not None
    live.process.send_signal(signal.SIGTERM)
    live.line_with("shutting down")
    assert live.end() == 0


def test_after_kill_9_everything_that_was_acknowledged_is_there(live: Live) -> None:
    live.start(PING)
    live.client.add({"name": "added", "call": "work:add", "args": [41], "every": "1h"})
    live.client.add({"name": "stopped", "call": "work:ping", "cron": "0 0 1 1 *"})
    live.client.stop_job("stopped")
    live.client.pause("ping", reason="a test")
    run = live.until(lambda: live.job("added")["last_run"])
    live.end(signal.SIGKILL)
    live.start()
    assert live.job("added")["last_run"] == run
    assert live.job("added")["counts"] == {"SUCCEEDED": 1}
    assert live.client.run(run["id"])["result"] == 42
    assert live.job("stopped")["state"] == "stopped"
    assert (live.job("ping")["state"], live.job("ping")["pause_reason"]) == ("paused", "a test")


def test_the_journal_tells_why_a_job_was_paused_resumed_and_stopped(live: Live) -> None:
    live.start(PING)
    for verb in ("pause", "resume", "stop"):
        assert live.taskd(verb, "ping", "--reason", f"to {verb}").returncode == 0
    told = [event for event in live.client.events(limit=50) if event["kind"].startswith("job.")]
    told = [event for event in told if event["kind"] != "job.advanced"][-3:]
    assert [event["kind"] for event in told] == ["job.paused", "job.resumed", "job.stopped"]
    assert told[0]["data"]["job"]["pause_reason"] == "to pause"
    assert [event["data"]["reason"] for event in told[1:]] == ["to resume", "to stop"]


def test_a_run_whose_process_died_is_lost_and_runs_again(live: Live) -> None:
    live.start(HOLD)
    live.until((live.folder / "gate.begun").exists)
    live.end(signal.SIGKILL)
    (live.folder / "gate.open").touch()
    live.start()
    run = live.until(lambda: live.client.runs(job="hold", state="SUCCEEDED"))[0]
    assert [a["outcome"] for a in run["attempts"]] == ["LOST", "SUCCEEDED"]


def test_a_job_that_takes_the_daemon_down_each_time_is_dead_after_three(live: Live) -> None:
    live.write(PING + '[jobs.crash]\ncall = "work:crash"\nevery = "1h"\n')
    for _ in range(3):
        process = live.spawn()
        assert process.wait(20) == 9
        assert process.stderr is not None
        process.stderr.close()
    live.start()
    assert live.until(lambda: live.job("crash")["last_run"])["state"] == "DEAD"
    assert live.until(lambda: live.job("ping")["last_run"])["state"] == "SUCCEEDED"


def test_a_second_daemon_on_the_store_names_the_first(live: Live) -> None:
    live.start(PING)
    second = live.spawn()
    _, said = second.communicate(timeout=20)
    assert second.returncode == 1
    assert live.process is not None
    assert f"in use by process {live.process.pid}" in said


def test_the_socket_is_private_and_a_stale_one_is_replaced(live: Live) -> None:
    live.start(PING)
    assert stat.S_IMODE(live.socket.stat().st_mode) == 0o600
    live.end(signal.SIGKILL)
    assert live.socket.exists()
    live.start()
    assert live.client.ping()["version"]


def test_another_kind_of_file_in_the_sockets_place_is_not_touched(live: Live) -> None:
    live.write(PING)
    live.socket.write_text("precious")
    _, said = (process := live.spawn()).communicate(timeout=20)
    assert process.returncode == 1
    assert "not a socket" in said
    assert live.socket.read_text() == "precious"


def test_a_live_socket_is_not_taken(live: Live) -> None:
    live.write(PING)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(live.socket))
        other.listen()
        _, said = (process := live.spawn()).communicate(timeout=20)
    assert process.returncode == 1
    assert "another daemon answers there" in said


def test_a_path_too_long_for_a_socket_is_refused(live: Live) -> None:
    live.write(PING)
    live.socket = live.folder / ("x" * 100) / "taskd.sock"
    _, said = (process := live.spawn()).communicate(timeout=20)
    assert process.returncode == 1
    assert "107 bytes" in said


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA application_id = 0x7461736B")
        db.execute("PRAGMA user_version = 999")
        db.execute("CREATE TABLE t (x)")


def make_other(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE contacts (name)")


def make_text(path: Path) -> None:
    path.write_text("this is not a database " * 100)


@pytest.mark.parametrize(
    ("make", "words"),
    [(make_newer, "schema 999"), (make_other, "another program's"), (make_text, "not a database")],
)
def test_a_store_that_cannot_be_served_is_refused_and_left_as_it_was(
    live: Live, make: object, words: str
) -> None:
    live.write(PING)
    path = live.folder / "taskd.db"
    assert callable(make)
    make(path)
    before = path.read_bytes()
    _, said = (process := live.spawn()).communicate(timeout=20)
    assert process.returncode == 1
    assert words in said
    assert path.read_bytes() == before


def test_a_broken_file_ends_the_start_with_78_and_every_problem(live: Live) -> None:
    live.write('[jobs.a]\ncall = "work:ping"\nevery = 10\n[jobs.b]\ncal = "work:ping"\n')
    _, said = (process := live.spawn()).communicate(timeout=20)
    assert process.returncode == 78
    assert f"{live.config}:3:" in said
    assert "jobs.b.cal" in said


def test_at_start_a_problem_of_code_faults_that_job_alone(live: Live) -> None:
    live.start(PING + '[jobs.gone]\ncall = "work:gone"\nevery = "1h"\n')
    assert live.until(lambda: live.job("gone")["problem"])
    run = live.until(lambda: live.client.runs(job="gone", state="FAILED"))[0]
    assert "work has no gone" in run["error"]["message"]
    assert live.until(lambda: live.job("ping")["last_run"])["state"] == "SUCCEEDED"


def test_systemd_is_told_each_step(live: Live) -> None:
    address = str(live.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(address)
        notices.settimeout(20)
        live.start(PING, NOTIFY_SOCKET=address, WATCHDOG_USEC="200000")
        assert notices.recv(4096).startswith(b"READY=1\nSTATUS=1 job")
        assert notices.recv(4096) == b"WATCHDOG=1"
        live.client.reload()
        said = [notices.recv(4096) for _ in range(2)]
        while not said[-1].startswith(b"READY=1"):
            said.append(notices.recv(4096))
        assert any(s.startswith(b"RELOADING=1\nMONOTONIC_USEC=") for s in said)
        assert live.process is not None
        live.process.send_signal(signal.SIGTERM)
        while notices.recv(4096) != b"STOPPING=1":
            pass
        assert live.process.wait(20) == 0


def test_a_daemon_whose_stderr_nobody_reads_goes_on(live: Live) -> None:
    live.write('[jobs.fast]\ncall = "work:ping"\nevery = "100ms"\n')
    process = live.process = live.spawn()
    assert process.stderr is not None
    live.until(live.answers)
    process.stderr.close()  # from here on writing to it is EPIPE
    live.until(lambda: live.job("fast")["counts"].get("SUCCEEDED", 0) >= 5)


def test_a_daemon_whose_stderr_is_full_goes_on_and_ends_when_told(live: Live) -> None:
    live.write('[jobs.fast]\ncall = "work:ping"\nevery = "100ms"\n')
    read, write = os.pipe()
    os.set_blocking(write, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(write, b"." * 65536)
    os.set_blocking(write, True)
    process = live.process = live.spawn(write)
    live.until(live.answers)
    live.until(lambda: live.job("fast")["counts"].get("SUCCEEDED", 0) >= 5)
    assert live.end() == 0
    os.close(read)
    os.close(write)
    assert process.returncode == 0


def test_a_daemon_that_was_given_no_stderr_works_and_nothing_else_takes_its_place(
    live: Live,
) -> None:
    live.write(PING)
    program = f"import os; os.close(2); os.execv({sys.executable!r}, {live.command()!r})"
    live.process = subprocess.Popen([sys.executable, "-c", program], text=True)
    live.until(live.answers)
    live.until(lambda: live.job("ping")["last_run"])
    assert Path(f"/proc/{live.process.pid}/fd/2").readlink() == Path("/dev/null")
    assert live.end() == 0


def test_a_thread_that_a_job_left_behind_does_not_keep_it_from_ending(live: Live) -> None:
    live.start('[jobs.leave]\ncall = "work:leave"\nevery = "1h"\n')
    live.until(lambda: live.job("leave")["last_run"])
    assert live.end() == 0


def test_a_daemon_that_may_not_listen_starts_no_run(live: Live) -> None:
    live.start('[jobs.tick]\ncall = "work:tick"\nevery = "100ms"\n')
    ticked = live.folder / "ticked"
    live.until(ticked.exists)
    live.end(signal.SIGKILL)
    live.socket.unlink()
    live.socket.mkdir()
    process = live.spawn()
    process.communicate(timeout=20)
    assert process.returncode == 1
    live.socket.rmdir()
    live.start()
    assert live.client.runs(job="tick", state="FAILED") == []  # it would not find its module


def test_what_was_missed_while_it_was_down_becomes_one_run(live: Live) -> None:
    live.start('[jobs.fast]\ncall = "work:ping"\nevery = "100ms"\n')
    live.until(lambda: live.job("fast")["last_run"])
    live.end(signal.SIGKILL)
    down_at = datetime.now(UTC)
    live.start()
    up_at = datetime.fromisoformat(live.client.status()["daemon"]["started_at"])
    live.until(lambda: at(live.job("fast")["last_run"], "scheduled_at") > up_at)
    runs = live.client.runs(job="fast", state="SUCCEEDED", limit=1000)
    due = sorted((at(run, "scheduled_at"), at(run, "queued_at")) for run in runs)
    assert len({due_at for due_at, _ in due}) == len(due)
    assert up_at - down_at > timedelta(milliseconds=200)
    # It catches up some time after `up_at`, and what is due until then is missed as well.
    _, caught_up_at = next(pair for pair in due if pair[0] > down_at)
    assert len([due_at for due_at, _ in due if down_at < due_at <= caught_up_at]) == 1


def at(run: dict[str, Any], key: str) -> datetime:
    return datetime.fromisoformat(run[key])


def test_a_store_that_cannot_be_made_is_told_in_words(live: Live) -> None:
    live.write(PING)
    live.store = "sqlite:////proc/nowhere/taskd.db"
    _, said = (process := live.spawn()).communicate(timeout=20)
    assert process.returncode == 1
    assert said.startswith("taskd: ")
    assert "/proc/nowhere" in said
    assert "Traceback" not in said
