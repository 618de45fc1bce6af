"""dst_gap, dst_overlap and day_match, against a reading of the wall clock minute by minute."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo, available_timezones

import pytest

from taskd.core.cron import Cron, DayMatch, DstGap, DstOverlap
from tests.unit.core.test_cron import CORRECTION, HARD_ZONES, MINUTE, between, changes

AROUND = timedelta(hours=5)
WILDCARDS: dict[str, Callable[[datetime], bool]] = {
    "*/15 * * * *": lambda at: at.minute % 15 == 0,
    "10 */2 * * *": lambda at: at.minute == 10 and at.hour % 2 == 0,
}
FIXED: dict[str, Callable[[datetime], bool]] = {
    "30 0-3 * * *": lambda at: at.minute == 30 and at.hour <= 3,
    "5,45 23,1 * * *": lambda at: at.minute in (5, 45) and at.hour in (23, 1),
}
POLICIES = list(product([None, *DstGap], [None, *DstOverlap]))


def read_off(
    zone: ZoneInfo,
    start: datetime,
    end: datetime,
    matches: Callable[[datetime], bool],
    gap: DstGap,
    overlap: DstOverlap,
) -> Iterator[datetime]:
    """The due instants in [start, end): every minute of the wall clock is looked at."""
    before, at = (start - MINUTE).astimezone(zone), start
    while at < end:
        local = at.astimezone(zone)
        shown, expected = local.replace(tzinfo=None), before.replace(tzinfo=None) + MINUTE
        hidden = (shown - expected) // MINUTE
        in_gap = any(matches(expected + n * MINUTE) for n in range(hidden))
        made_up = gap is DstGap.NEXT and in_gap and shown - expected < CORRECTION
        passes = {local.replace(fold=fold).utcoffset() for fold in (0, 1)}
        is_shown = (
            len(passes) == 1
            or {
                DstOverlap.FIRST: local.fold == 0,
                DstOverlap.LAST: local.fold == 1,
                DstOverlap.BOTH: True,
            }[overlap]
        )
        if made_up or (matches(shown) and is_shown):
            yield at
        before, at = local, at + MINUTE


def check(name: str, year: int, text: str, gap: DstGap | None, overlap: DstOverlap | None) -> None:
    is_wildcard = text in WILDCARDS
    rule = gap or (DstGap.SKIP if is_wildcard else DstGap.NEXT)
    passes = overlap or (DstOverlap.BOTH if is_wildcard else DstOverlap.FIRST)
    cron = Cron((text,), name, "job", gap, overlap)
    for change in changes(name, year):
        start, end = change - AROUND, change + AROUND
        wanted = list(read_off(ZoneInfo(name), start, end, (WILDCARDS | FIXED)[text], rule, passes))
        assert between(cron, start, end) == wanted, (name, change)
        if wanted:
            missed = cron.missed(wanted[0], end - MINUTE, end)
            assert (missed.count, missed.last) == (len(wanted), wanted[-1])


@pytest.mark.parametrize(("name", "year"), HARD_ZONES)
@pytest.mark.parametrize(("gap", "overlap"), POLICIES)
def test_hard_zones_obey_the_policies(
    name: str, year: int, gap: DstGap | None, overlap: DstOverlap | None
) -> None:
    for text in ("*/15 * * * *", "30 0-3 * * *"):
        check(name, year, text, gap, overlap)


def distinct_zones(year: int) -> list[str]:
    """A zone for each way in which the clocks of any zone change in a year."""
    alike = dict[object, str]()
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        offsets = [
            (at, (at - MINUTE).astimezone(zone).utcoffset(), at.astimezone(zone).utcoffset())
            for at in changes(name, year)
        ]
        alike.setdefault(tuple(offsets), name)
    return list(alike.values())


@pytest.mark.parametrize("year", [2010])
def test_every_change_of_a_year_obeys_some_policies(year: int) -> None:
    zones = distinct_zones(year)
    assert len(zones) > 20
    for name, text in product(zones, ("*/15 * * * *", "5,45 23,1 * * *")):
        check(name, year, text, DstGap.NEXT, DstOverlap.LAST)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("year", range(2000, 2038))
def test_every_change_of_every_year_obeys_every_policy(year: int) -> None:
    texts = WILDCARDS | FIXED
    for name, text, (gap, overlap) in product(distinct_zones(year), texts, POLICIES):
        check(name, year, text, gap, overlap)


def test_a_gap_that_is_skipped_makes_up_for_nothing() -> None:
    day = datetime(2026, 3, 29, tzinfo=UTC)  # Berlin goes from 02:00 to 03:00 at 01:00 UTC
    skips = Cron(("30 2 * * *",), "Europe/Berlin", "job", dst_gap=DstGap.SKIP)
    assert between(skips, day, day + timedelta(hours=24)) == []
    wild = Cron(("*/40 2 * * *",), "Europe/Berlin", "job", dst_gap=DstGap.NEXT)
    assert between(wild, day, day + timedelta(hours=24)) == [day + timedelta(hours=1)]


@pytest.mark.parametrize(
    ("overlap", "hours"),
    [(DstOverlap.FIRST, [0.5]), (DstOverlap.LAST, [1.5]), (DstOverlap.BOTH, [0.5, 1.5])],
)
def test_a_time_that_repeats_runs_at_the_pass_it_is_to(
    overlap: DstOverlap, hours: list[float]
) -> None:
    day = datetime(2026, 10, 25, tzinfo=UTC)  # Berlin shows 02:00 to 03:00 twice from 00:00 UTC
    for text in ("30 2 * * *", "30/40 2 * * *", "*/30 2 * * *"):
        cron = Cron((text,), "Europe/Berlin", "job", dst_overlap=overlap)
        found = between(cron, day, day + timedelta(hours=24))
        assert [at for at in found if at.minute == 30] == [day + h * 60 * MINUTE for h in hours]


def test_the_last_pass_is_foreseen_at_new_year() -> None:
    # Dhaka's clocks went back from 24:00 to 23:00 on 31 December 2009.
    end = datetime(2009, 12, 31, 17, tzinfo=UTC)
    cron = Cron(("30 23 * * *",), "Asia/Dhaka", "job", dst_overlap=DstOverlap.LAST)
    found = between(cron, end - timedelta(hours=24), end + timedelta(hours=24))
    assert found == [end + 30 * MINUTE]


def test_nuuk_s_gap_belongs_to_the_evening_it_was_meant_for() -> None:
    # On Saturday 30 March 2024 the clocks went from 23:00 to midnight.
    cron = Cron(("30 23 * * sat",), "America/Nuuk", "job")
    start = datetime(2024, 3, 30, tzinfo=UTC)
    assert between(cron, start, start + timedelta(hours=48)) == [
        datetime(2024, 3, 31, 1, tzinfo=UTC)
    ]
    skips = Cron(("30 23 * * sat",), "America/Nuuk", "job", dst_gap=DstGap.SKIP)
    assert between(skips, start, start + timedelta(hours=48)) == []


@pytest.mark.parametrize(
    ("match", "days"), [(DayMatch.OR, [2, 6, 9, 13, 16, 20, 23, 27, 30]), (DayMatch.AND, [13])]
)
def test_two_restricted_day_fields_match_as_told(match: DayMatch, days: list[int]) -> None:
    cron = Cron(("0 0 13 * fri,mon",), "UTC", "job", day_match=match)
    start = datetime(2026, 11, 1, tzinfo=UTC)
    found = [at.day for at in between(cron, start, start + timedelta(days=30))]
    assert found == days


def test_day_match_is_nothing_to_a_field_that_begins_with_a_star() -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    one, two = (Cron(("0 0 */2 * mon",), "UTC", "job", day_match=match) for match in DayMatch)
    assert between(one, start, start + 99 * timedelta(days=1)) == between(
        two, start, start + 99 * timedelta(days=1)
    )
