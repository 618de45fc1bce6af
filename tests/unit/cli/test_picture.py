from __future__ import annotations

from typing import Any

import pytest

from taskd.cli.picture import picture, sections
from tests.unit.cli.peer import OTHER_RUN_ID, RUN_ID, failed_run, job_document, run_document

HOSTILE = "a\x1b]0;x\x07[red]\u202eb"


def live_document(**fields: object) -> dict[str, Any]:
    return {
        "run": RUN_ID,
        "job": "report",
        "attempt": 1,
        "max_attempts": 3,
        "executor": "thread",
        "pid": 7,
        "started_at": "2026-01-02T03:04:05Z",
        "elapsed_s": 3.0,
        "stopping": False,
        "timed_out": False,
        "abandoned": False,
        "progress": {"done": 5, "total": 10, "note": "rows", "eta_s": 3.0},
        **fields,
    }


def top_document(**fields: object) -> dict[str, Any]:
    return {
        "daemon": {
            "version": "0.1.0",
            "config": "jobs.toml",
            "started_at": "2026-01-01T00:00:00Z",
            "workers": 4,
        },
        "running": [live_document()],
        "retrying": [],
        "queued": 3,
        "jobs": {"active": 2, "paused": 1},
        "next": [job_document(), job_document(name="other", state="paused", paused_until=None)],
        "failures": [failed_run()],
        **fields,
    }


def drawn(document: dict[str, Any], width: int = 80, height: int | None = None) -> list[str]:
    return [line.plain.rstrip() for line in picture(document, width, height)]


def test_it_shows_what_runs_what_comes_and_what_failed() -> None:
    head, slots, _, running, report, *rest = drawn(top_document())
    assert head.startswith("taskd 0.1.0 on jobs.toml, up ")
    assert head.endswith("jobs: 2 active, 1 paused")
    assert slots == "slots ███░░░░░░░░░ 1 of 4   queued 3   retrying 0"
    assert running.split() == ["RUNNING", "STATE", "FOR", "PROGRESS", "ATTEMPT"]
    assert "█████░░░░░ 50%, 3.0s left, rows" in report
    assert any(line.startswith("NEXT") for line in rest)
    assert rest[-1].split()[:2] == ["report", "FAILED"]
    assert rest[-1].endswith("ValueError: no")


def test_a_paused_job_is_due_when_it_is_to_go_on() -> None:
    paused = job_document(state="paused", paused_until=None)
    till = job_document(state="paused", paused_until="2099-01-01T00:00:00Z", name="b")
    rows = sections(top_document(next=[paused, till]))[1].rows
    assert rows[0].cells[2] == ""
    assert rows[1].cells[2].startswith("in ")


def test_failures_of_one_job_are_one_row_with_their_number() -> None:
    early = failed_run(id=OTHER_RUN_ID, finished_at="2026-01-01T00:00:00Z")
    (row,) = sections(top_document(failures=[failed_run(), early]))[2].rows
    assert row.run == RUN_ID
    assert "x2" in row.cells


def test_a_run_that_is_retried_says_when_and_why() -> None:
    waiting = failed_run(state="RETRYING", next_attempt_at="2099-01-01T00:00:00Z")
    _, row = sections(top_document(retrying=[waiting]))[0].rows
    assert row.cells[3].startswith("again in ")
    assert row.cells[3].endswith(", ValueError: no")


def test_nothing_is_said_where_there_is_nothing() -> None:
    lines = drawn(top_document(running=[], next=[], failures=[]))
    assert [line for line in lines if line.islower() and "no" in line.split()[0]] == [
        "nothing runs",
        "no jobs",
        "nothing failed",
    ]


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("height", [4, 16, 24, 60])
def test_it_is_as_high_as_the_screen_and_no_wider(width: int, height: int) -> None:
    runs = [live_document(run=f"{RUN_ID[:-2]}{n}", job=f"job-{n}") for n in range(10, 30)]
    jobs = [job_document(name=f"job-{n}", call="app.reports:" + "build" * 9) for n in range(60)]
    failures = [failed_run(id=f"{OTHER_RUN_ID[:-2]}{n:02}", job=f"job-{n}") for n in range(20)]
    document = top_document(running=runs, next=jobs, failures=failures)
    selected = sections(document)[2].rows[-1]
    lines = picture(document, width, height, selected=selected)
    assert max(line.cell_len for line in lines) <= width
    assert len(lines) == height
    reversed_ones = [line for line in lines if any(span.style == "reverse" for span in line.spans)]
    assert [line.plain[:6] for line in reversed_ones] == (["job-19"] if height > 4 else [])


def test_names_and_errors_drive_no_terminal() -> None:
    error = {"type": "E", "message": HOSTILE, "traceback": "", "category": None}
    document = top_document(
        running=[live_document(job=HOSTILE)], failures=[run_document(state="FAILED", error=error)]
    )
    together = "\n".join(drawn(document, 200))
    assert together.count(r"a\x1b]0;x\x07[red]\u202eb") == 2
    assert not {"\x1b", "\x07", "\u202e"} & set(together)
