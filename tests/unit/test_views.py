"""Rules of the documents that users see."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from taskd.core.cron import Cron
from taskd.core.record import JobState
from taskd.core.run import Result, RunError, RunState
from taskd.core.schedule import Every
from taskd.views import error_view, job_state, job_view, rfc3339, run_view
from tests.stores.records import NOW, a_job, a_run

HOUR = timedelta(hours=1)

# SPEC section 5, "JSON of the main verbs": fields may be added, never changed.
JOB_FIELDS = {
    *("name", "source", "call", "schedule", "timezone", "state", "paused", "next_due_at"),
    *("running", "last_run", "counts"),
}
LAST_RUN_FIELDS = {"id", "state", "scheduled_at", "started_at", "finished_at", "duration_s"}
RUN_FIELDS = {
    *("id", "job", "origin", "state", "reason", "scheduled_at", "queued_at", "started_at"),
    *("finished_at", "attempt", "max_attempts", "result", "result_repr", "error", "node"),
    *("retry_of", "attempts"),
}
ATTEMPT_FIELDS = {"number", "outcome", "started_at", "finished_at", "node", "pid", "error"}


def test_a_job_has_the_promised_fields() -> None:
    ended = a_run(state=RunState.SUCCEEDED, started_at=NOW, finished_at=NOW + HOUR)
    view = job_view(a_job(schedule=Every(HOUR)), last_run=ended, live=())
    assert view.keys() >= JOB_FIELDS
    last_run = view["last_run"]
    assert isinstance(last_run, dict)
    assert last_run.keys() >= LAST_RUN_FIELDS
    assert last_run["duration_s"] == 3600


def test_a_run_has_the_promised_fields_and_its_attempt_under_way() -> None:
    run = a_run(state=RunState.RUNNING, started_at=NOW, attempt=2, node="here", pid=7)
    view = run_view(run)
    assert view.keys() >= RUN_FIELDS
    attempts = view["attempts"]
    assert isinstance(attempts, list)
    (attempt,) = attempts
    assert attempt.keys() >= ATTEMPT_FIELDS
    assert (attempt["number"], attempt["outcome"], attempt["pid"]) == (2, None, 7)


def test_an_error_has_the_promised_fields() -> None:
    view = error_view(RunError("E", "m", "t"))
    assert view == {"type": "E", "message": "m", "traceback": "t", "category": None}


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (None, (None, False)),
        (Result("[1, null]"), ([1, None], False)),
        (Result("<object>", is_repr=True), ("<object>", True)),
    ],
)
def test_a_result_that_is_not_json_is_shown_as_its_repr(
    result: Result | None, shown: tuple[object, bool]
) -> None:
    view = run_view(a_run(state=RunState.SUCCEEDED, result=result))
    assert (view["result"], view["result_repr"]) == shown


def test_a_job_that_is_not_enabled_counts_as_stopped() -> None:
    record = a_job()
    assert job_state(record) == "active"
    assert job_state(replace(record, job=replace(record.job, enabled=False))) == "stopped"
    assert job_state(replace(record, state=JobState.PAUSED)) == "paused"


def test_instants_are_rfc_3339_in_utc() -> None:
    assert rfc3339(datetime(2026, 3, 1, 12, tzinfo=UTC)) == "2026-03-01T12:00:00Z"
    assert rfc3339(None) is None


def test_only_a_cron_schedule_has_a_zone() -> None:
    cron = Cron(("0 0 * * *",), "Europe/Berlin", "H")
    assert job_view(a_job(schedule=cron), last_run=None, live=())["timezone"] == "Europe/Berlin"
    assert job_view(a_job(schedule=Every(HOUR)), last_run=None, live=())["timezone"] is None
