"""Late work: whatever held it up, what was missed runs by the policy, and costs no more than it."""

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.core.bounds import Bounds
from taskd.core.calendars import Calendar, Exclude
from taskd.core.cron import Cron
from taskd.core.job import Job
from taskd.core.late import FORGIVING, Catchup, Late
from taskd.core.messages import ClockStepped, Paused, Resumed
from taskd.core.occurrences import due_after
from taskd.core.planning import first_seen, plan, resumed
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.run import MICROSECOND
from taskd.core.schedule import At, Every, Schedule
from taskd.errors import InvalidJob
from tests.simulation.policies import Decision, fired, released
from tests.unit.core.driver import HOUR, JOB, MINUTE, NOON, SECOND, Driver, a_job

TUESDAYS = Exclude((Calendar("tuesdays", weekdays=(1,)),), "Europe/Berlin")
schedules: st.SearchStrategy[Schedule] = st.one_of(
    st.builds(Every, st.timedeltas(10 * MINUTE, 9 * HOUR), align=st.booleans()),
    st.sampled_from([Cron(("*/50 3 * * *",), "UTC", "job"), Cron(("15 */2 * * *",), "UTC", "job")]),
    st.lists(st.datetimes(datetime(2026, 6, 1), datetime(2026, 6, 6), timezones=st.just(UTC)))
    .filter(bool)
    .map(lambda instants: At(tuple(instants))),
)
lates = st.builds(
    Late,
    st.none() | st.timedeltas(timedelta(0), 60 * HOUR),
    st.sampled_from(Catchup),
    st.integers(1, 9),
)
jobs = st.builds(
    lambda schedule, late, exclude, max_runs: replace(
        a_job(schedule=schedule), late=late, exclude=exclude, bounds=Bounds(max_runs=max_runs)
    ),
    schedules,
    lates,
    st.none() | st.just(TUESDAYS),
    st.none() | st.integers(1, 9),
)


def listed(record: JobRecord, until: datetime) -> list[datetime]:
    found, due_at = list[datetime](), record.next_due_at
    while due_at is not None and due_at <= until:
        found.append(due_at)
        due_at = due_after(record.job, due_at, record.anchor_at)
    return found


def spread(decisions: tuple[Skip | datetime, ...], dues: list[datetime]) -> list[Decision]:
    """The decisions, one for each due instant."""
    told = list[Decision]()
    for decision in decisions:
        if isinstance(decision, datetime):
            told.append((decision, None))
        else:
            covered = [due for due in dues if decision.first_at <= due <= decision.last_at]
            assert len(covered) == decision.count
            told += [(due, decision.reason) for due in covered]
    return told


@given(jobs, st.timedeltas(timedelta(0), 100 * HOUR), st.booleans())
def test_every_due_instant_is_decided_once_by_the_policy(
    job: Job, wait: timedelta, busy: bool
) -> None:
    record, now = first_seen(job, NOON), NOON + wait
    if not (dues := listed(record, now)):
        return
    decided = plan(record, now, live=int(busy))
    wanted = fired(job, dues, now, live=int(busy), made=0, delay=timedelta(0))
    assert spread(decided.decisions, dues) == wanted
    is_spent = job.bounds.is_spent(len(decided.runs))
    following = due_after(job, dues[-1], record.anchor_at)
    assert decided.next_due_at == (None if is_spent else following)


@given(jobs, st.timedeltas(timedelta(0), 100 * HOUR))
def test_a_pause_is_late_work_like_any_other(job: Job, wait: timedelta) -> None:
    record = replace(first_seen(job, NOON), state=JobState.PAUSED)
    now = NOON + wait
    if not (dues := listed(record, now)):
        return
    active, skips = resumed(record, now, live=0)
    told = spread(skips, dues)
    if active.next_due_at is not None and active.next_due_at <= now:
        rest = listed(active, now)
        told += spread(plan(active, now, live=0).decisions, rest)
    assert told == released(job, dues, now, live=0, made=0, delay=timedelta(0))


@pytest.mark.parametrize(
    "late", [FORGIVING, Late(HOUR, Catchup.ALL, 5), Late(catchup=Catchup.SKIP)]
)
def test_a_year_of_seconds_costs_no_more_than_what_runs(late: Late) -> None:
    job = replace(a_job(schedule=Every(SECOND)), late=late)
    decided = plan(first_seen(job, NOON), NOON + timedelta(days=365), live=0)
    assert len(decided.decisions) <= 7
    counts = [one.count if isinstance(one, Skip) else 1 for one in decided.decisions]
    assert sum(counts) == 365 * 86400 + 1


@pytest.mark.parametrize(
    "late", [FORGIVING, Late(HOUR, Catchup.ALL, 5), Late(catchup=Catchup.SKIP)]
)
@pytest.mark.parametrize(
    "schedule", [Every(SECOND / 10), Every(SECOND / 10, align=True)], ids=["grid", "aligned"]
)
def test_a_week_of_tenths_of_seconds_costs_as_much_as_a_minute_of_them(
    late: Late, schedule: Every
) -> None:
    def calls(missed: timedelta) -> int:
        """How many functions are called to decide what was missed."""
        record = first_seen(replace(a_job(schedule=schedule), late=late), NOON)
        counted = 0

        def count(frame: object, event: str, arg: object) -> None:
            nonlocal counted
            counted += event == "call"

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            plan(record, NOON + missed, live=0)
        finally:
            sys.setprofile(before)
        return counted

    assert calls(7 * 24 * HOUR) < 2 * calls(MINUTE)


def test_a_grid_of_tenths_of_seconds_does_not_drift_in_ten_thousand_ticks_and_a_restart() -> None:
    tick = SECOND / 10
    driver = Driver(a_job(schedule=Every(tick)))
    for number in range(10_000):
        assert [run.scheduled_at for run in driver.running] == [NOON + number * tick]
        driver.finish(after=tick / 3)
        if number == 5_000:
            driver.restart()
        late = timedelta(milliseconds=number % 7)  # the loop wakes up a little late, each time
        driver.turn(after=NOON + (number + 1) * tick + late - driver.now)
        driver.runs = {run.id: run for run in driver.running}
    assert driver.job.next_due_at == NOON + 10_001 * tick


def test_all_that_was_missed_is_queued_at_once_and_runs_one_after_another() -> None:
    late = Late(catchup=Catchup.ALL, limit=3)
    driver = Driver(replace(a_job(schedule=Every(HOUR)), late=late))
    driver.finish()
    turn = driver.turn(after=5 * HOUR)
    assert [start.run.scheduled_at for start in turn.starts] == [NOON + HOUR]
    assert len(turn.changes.runs) == 3
    for hours in (2, 3):
        driver.finish()
        assert [run.scheduled_at for run in driver.running] == [NOON + hours * HOUR]
    driver.finish()
    assert driver.skipped == [(NOON + 4 * HOUR, NOON + 5 * HOUR, 2, "misfire")]
    assert driver.job.next_due_at == NOON + 6 * HOUR


def test_a_clock_that_is_set_forward_makes_late_work_of_cron() -> None:
    late = Late(10 * MINUTE, Catchup.LATEST)
    cron = Cron(("0 * * * *",), "UTC", "job")
    driver = Driver(replace(a_job(schedule=cron), late=late))
    driver.finish()
    driver.now += 3 * HOUR + 30 * MINUTE
    driver.turn(ClockStepped(3 * HOUR))
    assert driver.running == []
    assert [row[2:] for row in driver.skipped] == [(3, "misfire")]


def test_what_fell_into_a_pause_and_is_to_run_all_runs() -> None:
    driver = Driver(replace(a_job(schedule=Every(HOUR)), late=Late(catchup=Catchup.ALL)))
    driver.finish()
    driver.ask(Paused(jobs=(JOB,)))
    driver.turn(after=3 * HOUR)
    driver.ask(Resumed(jobs=(JOB,)))
    assert len([run for run in driver.runs.values() if not run.state.is_final]) == 3
    assert driver.skips == {}


@pytest.mark.parametrize(
    ("lateness", "runs"), [(timedelta(0), True), (SECOND, True), (SECOND + MICROSECOND, False)]
)
def test_without_catching_up_only_what_is_on_time_runs(lateness: timedelta, runs: bool) -> None:
    driver = Driver(replace(a_job(schedule=Every(HOUR)), late=Late(catchup=Catchup.SKIP)))
    driver.finish()
    driver.turn(after=HOUR + lateness)
    assert bool(driver.running) is runs
    assert [row[3] for row in driver.skipped] == ([] if runs else ["misfire"])


def test_an_excluded_day_is_one_row_of_skips() -> None:
    driver = Driver(replace(a_job(schedule=Every(HOUR)), exclude=TUESDAYS))
    driver.finish()  # 1 June 2026 is a Monday
    for _ in range(40):
        driver.turn(after=HOUR)
        if driver.running:
            driver.finish()
    midnight = datetime(2026, 6, 1, 22, tzinfo=UTC)
    assert driver.skipped == [(midnight, midnight + 23 * HOUR, 24, "calendar")]
    assert driver.job.counts == {"SUCCEEDED": 17, "SKIPPED": 24}


@pytest.mark.parametrize(
    ("key", "policy"),
    [
        ("misfire_grace_time", lambda: Late(timedelta(days=40_000))),
        ("catchup_limit", lambda: Late(limit=0)),
    ],
)
def test_a_policy_that_cannot_be_is_refused(key: str, policy) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidJob) as refusal:
        policy()
    assert refusal.value.key == key


def test_the_reasons_of_skips_are_those_of_the_contract() -> None:
    assert {*SkipReason} == {*("misfire", "overlap", "paused", "stopped", "calendar", "unique")}
