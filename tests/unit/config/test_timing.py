"""The keys of time and of late work: what they mean, and what is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskd.config.entry import InvalidEntry, inherit, job_from_entry
from taskd.config.load import load
from taskd.core.bounds import Bounds
from taskd.core.calendars import Calendar
from taskd.core.cron import Cron, DayMatch, DstGap, DstOverlap
from taskd.core.job import Job, Source
from taskd.core.late import Catchup, Late

OFF = {"off": Calendar("off", weekdays=(6,))}
ENTRY: dict[str, object] = {"call": "a:b"}


def read(**keys: object) -> Job:
    zone = "Europe/Berlin"
    return job_from_entry(
        "job", {**ENTRY, **keys}, source=Source.FILE, timezone=zone, calendars=OFF
    )


@pytest.mark.parametrize(
    ("key", "value", "column", "message"),
    [
        (
            "at",
            "2026-03-29T02:30:00",
            6,
            "the clocks of Europe/Berlin skip 2026-03-29 02:30:00: "
            "it stands for 2026-03-29 03:00:00 CEST, the first time after it",
        ),
        (
            "at",
            "[2026-03-28T02:30:00, 2026-03-29T02:30:00]",
            28,
            "the clocks of Europe/Berlin skip 2026-03-29 02:30:00: "
            "it stands for 2026-03-29 03:00:00 CEST, the first time after it",
        ),
        (
            "at",
            '"2026-10-25T02:30"',
            6,
            "the clocks of Europe/Berlin show 2026-10-25 02:30:00 twice: "
            "it stands for 2026-10-25 02:30:00 CEST, the first pass",
        ),
        ("at", "2026-03-29T02:30:00+01:00", 0, ""),
        ("at", "2026-03-29T03:30:00", 0, ""),
    ],
)
def test_a_local_time_that_is_none_or_two_is_warned_of_with_what_will_be_done(
    key: str, value: str, column: int, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "jobs.toml"
    entry = f'[jobs.a]\ncall = "a:b"\n{key} = {value}\n'
    file.write_text(f'[daemon]\ntimezone = "Europe/Berlin"\n{entry}')
    told = [(w.line, w.column, w.key, w.message) for w in load(file).warnings if w.line]
    assert [(line, at, key.partition("[")[0], words) for line, at, key, words in told] == (
        [(5, column, "jobs.a.at", message)] if message else []
    )


def test_cron_takes_its_rules() -> None:
    rules = {"dst_gap": "skip", "dst_overlap": "both", "day_match": "and"}
    cron = read(cron="0 0 13 * fri", **rules).schedule
    assert isinstance(cron, Cron)
    assert (cron.dst_gap, cron.dst_overlap) == (DstGap.SKIP, DstOverlap.BOTH)
    assert cron.day_match is DayMatch.AND
    assert cron != read(cron="0 0 13 * fri").schedule


def test_bounds_are_in_the_job_s_zone() -> None:
    job = read(every="1h", start_at="2026-06-01T00:00:00", end_at="2026-07-01T00:00Z", max_runs=3)
    start_at = datetime(2026, 5, 31, 22, tzinfo=UTC)
    assert job.bounds == Bounds(start_at, datetime(2026, 7, 1, tzinfo=UTC), 3)


def test_late_policies_calendars_and_jitter_are_read() -> None:
    job = read(
        every="1h",
        misfire_grace_time="10m",
        catchup="all",
        catchup_limit=5,
        exclude=["off"],
        jitter="5m",
    )
    assert job.late == Late(timedelta(minutes=10), Catchup.ALL, 5)
    assert job.exclude is not None
    assert (job.exclude.calendars, job.exclude.timezone) == ((OFF["off"],), "Europe/Berlin")
    assert job.jitter == timedelta(minutes=5)
    assert read(every="1h", misfire_grace_time="inf").late == Late()


@pytest.mark.parametrize("keys", [{"on": ["boot"]}, {"on": "boot"}, {"cron": "@reboot"}])
def test_boot_is_a_trigger_without_instants(keys: dict[str, object]) -> None:
    job = read(**keys)
    assert (job.boot, job.schedule) == (True, None)


def test_reboot_may_be_one_of_a_list() -> None:
    job = read(cron=["@Reboot", "0 5 * * *"])
    assert job.boot
    assert str(job.schedule) == "cron 0 5 * * *"


@pytest.mark.parametrize(
    ("keys", "key", "says"),
    [
        ({"every": "1h", "dst_gap": "skip"}, "dst_gap", "only a cron expression has it"),
        ({"cron": "@daily", "dst_gap": "later"}, "dst_gap", 'expected "next" or "skip"'),
        ({"cron": "@daily", "dst_overlap": 1}, "dst_overlap", '"first", "last" or "both"'),
        ({"cron": "@daily", "day_match": "xor"}, "day_match", '"or" or "and"'),
        ({"jitter": "5m"}, "jitter", "only a schedule has it"),
        ({"on": "boot", "catchup": "all"}, "catchup", "only a schedule has it"),
        ({"every": "1h", "jitter": 5}, "jitter", "a time needs a unit"),
        ({"every": "1h", "max_runs": 0}, "max_runs", "at least 1"),
        ({"every": "1h", "max_runs": True}, "max_runs", "expected a whole number"),
        ({"every": "1h", "catchup": "some"}, "catchup", '"latest", "all" or "skip"'),
        ({"every": "1h", "catchup_limit": 0}, "catchup_limit", "at least 1"),
        ({"every": "1h", "misfire_grace_time": "99999d"}, "misfire_grace_time", "100 years"),
        ({"every": "1h", "start_at": "noon"}, "start_at", "is not a date with a time"),
        ({"every": "1h", "start_at": "0001-01-01T00:00"}, "start_at", "outside the years"),
        (
            {"every": "1h", "start_at": "2026-01-02T00:00Z", "end_at": "2026-01-01T00:00Z"},
            "end_at",
            "is not after start_at",
        ),
        (
            {"cron": "@yearly", "start_at": "2026-01-02T00:00Z", "end_at": "2026-02-01T00:00Z"},
            "end_at",
            "nothing is due between",
        ),
        ({"every": "1h", "exclude": ["of"]}, "exclude[0]", "there is no calendar"),
        ({"on": ["signal:x"]}, "on[0]", "not supported by this version"),
        ({"on": ["reboot"]}, "on[0]", 'expected "boot"'),
        ({"on": "boot", "every": "1h"}, "every", "one trigger"),
    ],
)
def test_what_cannot_be_is_refused_at_its_key(keys: dict[str, object], key: str, says: str) -> None:
    with pytest.raises(InvalidEntry) as refusal:
        read(**keys)
    (flaw,) = refusal.value.problems
    assert flaw.key == key
    assert says in flaw.message


def test_an_unknown_calendar_is_told_the_nearest() -> None:
    with pytest.raises(InvalidEntry) as refusal:
        read(every="1h", exclude="of")
    assert refusal.value.problems[0].hint == "did you mean off?"


def test_defaults_of_schedules_reach_only_the_jobs_that_have_one() -> None:
    defaults: dict[str, object] = {"jitter": "1s", "dst_gap": "skip"}
    assert inherit(defaults, {"call": "a:b"}) == {"call": "a:b"}
    assert inherit(defaults, {"every": "1h"}) == {"every": "1h", "jitter": "1s"}
    assert inherit(defaults, {"cron": "@daily"}) == {"cron": "@daily", **defaults}
