"""How what runs is shown."""

from __future__ import annotations

import json
import re

from tests.unit.cli.conftest import Taskd, Terminal
from tests.unit.cli.peer import RUN_ID, Peer, job_document, run_document
from tests.unit.cli.test_reading import DANGEROUS, HARMLESS, HOSTILE


def live(**fields: object) -> dict[str, object]:
    return {
        "run": RUN_ID,
        "job": "report",
        "attempt": 2,
        "max_attempts": 3,
        "executor": "process",
        "pid": 4711,
        "started_at": "2026-01-02T03:04:05Z",
        "elapsed_s": 192.4,
        "stopping": False,
        "timed_out": False,
        "abandoned": False,
        "progress": {"done": 42, "total": 120, "note": "pages", "eta_s": 357.0},
        **fields,
    }


def test_what_runs_is_listed_with_its_progress(taskd_process: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/ps", [live(), live(job=None, progress=None, pid=None)])
    header, first, second = taskd_process("ps").out.splitlines()
    assert header.split() == ["RUN", "JOB", "ATTEMPT", "EXECUTOR", "PID", "ELAPSED", "PROGRESS"]
    assert first.split(maxsplit=8)[:8] == (
        [RUN_ID, "report", "2", "of", "3", "process", "4711", "3m12s"]
    )
    assert first.endswith("3m12s    35% (42 of 120), 5m57s left, pages")
    assert second.split()[-5:] == ["3", "process", "-", "3m12s", "-"]


def test_a_terminal_of_80_columns_shows_a_bar(taskd_terminal: Terminal, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/ps", [live()])
    shown = taskd_terminal("ps")
    assert "███░░░░░░░ 35%," in shown
    assert "5m57s left" in " ".join(shown.split())
    assert all(len(line) <= 80 for line in re.sub(r"\x1b\[\d*m", "", shown).splitlines())


def test_what_is_being_ended_is_told_first(taskd: Taskd, peer: Peer) -> None:
    runs = [live(stopping=True), live(timed_out=True), live(timed_out=True, abandoned=True)]
    peer.answers_with("GET", "/v1/ps", runs)
    told = [
        line.split("3m12s ")[1].split(",")[0].strip() for line in taskd("ps").out.splitlines()[1:]
    ]
    assert told == ["stopping", "timed out", "abandoned"]


def test_progress_without_a_total_is_told_without_a_share(taskd: Taskd, peer: Peer) -> None:
    progress = {"done": 0.5, "total": None, "note": HOSTILE, "eta_s": None}
    peer.answers_with("GET", "/v1/ps", [live(progress=progress)])
    out = taskd("ps").out
    assert out.rstrip("\n").endswith(f"0.5 done, {HARMLESS}")
    assert not DANGEROUS.search(out)


def test_more_done_than_there_is_counts_as_all(taskd: Taskd, peer: Peer) -> None:
    for done, total in ((7, 5), (0, 0)):
        progress = {"done": done, "total": total, "note": "", "eta_s": 0.0}
        peer.answers_with("GET", "/v1/ps", [live(progress=progress)])
    assert "100% (7 of 5)\n" in taskd("ps").out
    assert "100% (0 of 0)\n" in taskd("ps").out


def test_nearly_all_is_not_all(taskd: Taskd, peer: Peer) -> None:
    progress = {"done": 9999, "total": 10000, "note": "", "eta_s": None}
    peer.answers_with("GET", "/v1/ps", [live(progress=progress)])
    assert "99% (9999 of 10000)" in taskd("ps").out


def test_where_nothing_runs_that_is_said(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/ps", [])
    ended = taskd("ps")
    assert (ended.status, ended.out, ended.err) == (0, "", "nothing runs\n")


def test_what_runs_is_printed_as_the_daemon_gives_it(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/ps", [live()])
    assert json.loads(taskd("ps", "--json").out) == [live()]


def test_the_card_of_a_job_names_what_runs(taskd: Taskd, peer: Peer) -> None:
    peer.answers_with("GET", "/v1/jobs/report", job_document(running=1, live=[live()]))
    out = " ".join(taskd("status", "report").out.split())
    assert f"running 1 {RUN_ID} for 3m12s: 35% (42 of 120), 5m57s left, pages" in out


def test_the_card_of_a_run_tells_its_progress(taskd: Taskd, peer: Peer) -> None:
    progress = {"done": 42, "total": 120, "note": "", "eta_s": 357.0}
    attempt = {"number": 1, "outcome": None, "started_at": "2026-01-02T03:04:05Z"}
    attempt |= {"finished_at": None, "node": "here", "pid": 4711, "executor": "process"}
    run = run_document(state="RUNNING", finished_at=None, progress=progress, attempts=[attempt])
    peer.answers_with("GET", f"/v1/runs/{RUN_ID}", run)
    lines = [line.split(maxsplit=1) for line in taskd("status", RUN_ID).out.splitlines() if line]
    fields = {line[0]: line[1] for line in lines}
    assert fields["executor"] == "process, pid 4711"
    assert fields["progress"] == "35% (42 of 120), 5m57s left"
