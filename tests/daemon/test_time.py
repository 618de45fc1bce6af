"""Boot, jitter, calendars and why, on a real daemon."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from tests.daemon.live import Live


def test_a_boot_job_runs_at_each_start_and_at_no_reload(live: Live) -> None:
    job = '[jobs.up]\ncall = "work:ping"\non = ["boot"]\n'
    live.start(job)
    live.line_with("up ")
    live.write(job + '[jobs.other]\ncall = "work:ping"\n')
    live.client.reload()
    assert [run["origin"] for run in live.client.runs(job="up")] == ["boot"]
    assert live.end() == 0
    live.start()
    live.until(lambda: len(live.client.runs(job="up", state="SUCCEEDED")) == 2)
    assert live.job("up")["schedule"] == "on boot"


def test_a_restart_keeps_the_jitter_that_was_drawn(live: Live) -> None:
    live.start('[jobs.soon]\ncall = "work:ping"\ncron = "0 0 1 1 *"\njitter = "9h"\n')

    def drawn() -> int:
        with closing(sqlite3.connect(live.folder / "taskd.db")) as db:
            (delay,) = db.execute("SELECT delay FROM jobs").fetchone()
        return int(delay)

    first = drawn()
    assert 0 < first < 9 * 3600 * 10**6
    assert live.end() == 0
    live.start()
    assert drawn() == first


def test_a_calendar_holds_a_job_back_until_its_file_changes(live: Live) -> None:
    days = "DTSTART;VALUE=DATE:{:%Y%m%d}\nDTEND;VALUE=DATE:{:%Y%m%d}\n"
    event = f"BEGIN:VEVENT\nUID:1\n{days}END:VEVENT\n"
    calendar = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:t\n{event}END:VCALENDAR\n"
    today = datetime.now(UTC).date()
    around = today - timedelta(days=1), today + timedelta(days=2)
    (live.folder / "days.ics").write_text(calendar.format(*around))
    live.start(
        '[calendars.fair]\nics = "days.ics"\n'
        '[jobs.beat]\ncall = "work:ping"\nevery = "200ms"\nexclude = ["fair"]\ntimezone = "UTC"\n'
    )
    live.until(lambda: live.job("beat")["counts"].get("SKIPPED", 0) >= 2)
    assert "SUCCEEDED" not in live.job("beat")["counts"]
    told = live.taskd("why", "beat").stdout
    assert "skipped, calendar" in told
    assert "its day is in the calendar fair" in told
    draft = live.folder / "draft.ics"
    draft.write_text(calendar.format(today - timedelta(days=9), today - timedelta(days=8)))
    draft.replace(live.folder / "days.ics")
    live.until(lambda: live.job("beat")["counts"].get("SUCCEEDED"))


def test_an_added_job_takes_policies_and_calendars(live: Live) -> None:
    live.start('[calendars.fair]\nweekdays = ["sun"]\n')
    flags = ("--exclude", "fair", "--catchup", "all", "--misfire-grace-time", "1h")
    ended = live.taskd("add", "late", "work:ping", "--every", "1h", *flags, "--jitter", "5m")
    assert ended.returncode == 0, ended.stderr
    job = live.job("late")
    assert (job["exclude"], job["catchup"], job["jitter"]) == (["fair"], "all", "5m")
    assert job["misfire_grace_time"] == "1h"
    refused = live.taskd("add", "other", "work:ping", "--every", "1h", "--exclude", "far")
    assert refused.returncode == 1
    assert "there is no calendar" in refused.stderr


def test_why_tells_the_last_and_the_next(live: Live) -> None:
    live.start('[jobs.ping]\ncall = "work:ping"\nevery = "1h"\n')
    live.line_with("ping ")
    document = live.json("why", "ping")
    last, following = document["reasons"]
    assert (last["decision"], following["decision"]) == ("run", "undecided")
    assert last["run"]["state"] == "SUCCEEDED"
    (alone,) = live.json("why", "ping", "--at", "2020-01-01T00:00Z")["reasons"]
    assert alone["decision"] == "none"
    assert live.taskd("why", "nobody").returncode == 4
    assert "/v1/jobs/ping/why" in live.taskd("why", "ping", "--curl").stdout
