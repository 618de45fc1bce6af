"""Every IANA zone: a fixed-time daily job runs once per existing local date."""

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from taskd.core.cron import Cron
from taskd.core.engine import Engine
from taskd.core.job import Call, Job, JobName, Source
from taskd.core.messages import AttemptFinished, Input, JobsDefined, Page, Restored
from taskd.core.run import Outcome, RunId
from tests.simulation.dues import DAY, change_between, daily

Change = tuple[datetime, timedelta, timedelta]


def changes_of(zone: ZoneInfo, year: int) -> tuple[Change, ...]:
    """When the zone's offset changes in a year, from what to what."""
    noons = [datetime(year, 1, 1, 12, tzinfo=UTC) + n * DAY for n in range(-1, 367)]
    offsets = [noon.astimezone(zone).utcoffset() or timedelta() for noon in noons]
    return tuple(
        (change_between(zone, *noons_around), before, after)
        for noons_around, (before, after) in zip(pairwise(noons), pairwise(offsets), strict=True)
        if before != after
    )


def hardest_time(changes: tuple[Change, ...]) -> time:
    """A time of day that a change of the year skips, or else one that it repeats."""
    for at, before, after in sorted(changes, key=lambda change: change[1] - change[2]):
        if abs(after - before) < timedelta(hours=3):
            skipped_or_repeated = at + before + (after - before) / 2
            return skipped_or_repeated.time().replace(second=0, microsecond=0)
    return time(2, 30)


def jobs_of_all_zones(year: int) -> dict[JobName, tuple[ZoneInfo, time]]:
    """One job for each way in which a zone goes through the year."""
    alike = dict[object, tuple[ZoneInfo, time]]()
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        changes = changes_of(zone, year)
        first = datetime(year, 1, 1, tzinfo=UTC).astimezone(zone).utcoffset()
        alike.setdefault((first, changes), (zone, hardest_time(changes)))
    return {JobName(f"job-{n}"): setting for n, setting in enumerate(alike.values())}


def runs_of_a_year(jobs: tuple[Job, ...], year: int) -> dict[JobName, list[datetime]]:
    """The due instants that an engine runs when every attempt ends at once."""
    ids = count()
    engine = Engine(
        node="here",
        pid=1,
        workers=len(jobs),
        new_id=lambda now: RunId(f"{next(ids):09}"),
        draw=lambda: 0.0,
    )
    nothing = Page((), complete=True)
    inputs: list[Input] = [
        Restored((), (), nothing, nothing),
        JobsDefined(jobs=jobs, source=Source.FILE),
    ]
    runs = defaultdict[JobName, list[datetime]](list)
    now, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    while now < end:
        turn = engine.turn(inputs, now)
        for start in turn.starts:
            assert start.run.job is not None
            runs[start.run.job].append(start.run.scheduled_at)
        inputs = [AttemptFinished(start.run.id, 1, now, Outcome.SUCCEEDED) for start in turn.starts]
        wakeup = engine.next_wakeup()
        assert wakeup is not None
        now = now if inputs else wakeup
    return runs


@pytest.mark.parametrize("year", [2011, 2026])
def test_a_fixed_time_daily_job_runs_once_per_local_date_in_every_zone(year: int) -> None:
    """2011: Samoa went without its 30 December."""
    settings = jobs_of_all_zones(year)
    jobs = tuple(
        Job(
            name=name,
            call=Call("any:thing"),
            schedule=Cron((f"{at.minute} {at.hour} * * *",), zone.key, name),
        )
        for name, (zone, at) in settings.items()
    )
    runs = runs_of_a_year(jobs, year)
    begin, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    for name, (zone, at) in settings.items():
        dates = (date(year, 1, 1) + n * DAY for n in range(-1, 367))
        dues = [due for day in dates if (due := daily(at, zone, day)) is not None]
        assert runs[name] == [due for due in dues if begin <= due < end], zone
    assert len(settings) > 30
