"""Every and At: grids without drift, counting without iterating, lists of instants."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.core.schedule import At, Every, Missed, Mode
from taskd.errors import InvalidJob

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TEN_SECONDS = timedelta(seconds=10)

instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
intervals = st.timedeltas(timedelta(milliseconds=100), timedelta(days=40))


def test_the_first_run_of_an_interval_is_at_once() -> None:
    assert Every(TEN_SECONDS).first(NOON) == NOON


def test_an_aligned_interval_begins_at_the_first_multiple_not_before_now() -> None:
    quarter = Every(timedelta(minutes=15), align=True)
    assert quarter.first(NOON) == NOON
    assert quarter.first(NOON + timedelta(microseconds=1)) == NOON + timedelta(minutes=15)


def test_a_due_instant_is_strictly_after_the_one_before() -> None:
    assert Every(TEN_SECONDS).after(NOON, NOON) == NOON + TEN_SECONDS
    assert Every(TEN_SECONDS, align=True).after(NOON, NOON) == NOON + TEN_SECONDS


def test_a_grid_has_no_instant_before_its_anchor() -> None:
    assert Every(TEN_SECONDS).after(NOON - timedelta(days=1), NOON) == NOON


def test_a_fixed_delay_counts_from_the_end_of_the_run() -> None:
    ended_at = NOON + timedelta(seconds=3.25)
    every = Every(TEN_SECONDS, Mode.FIXED_DELAY)
    assert every.after(ended_at, NOON) == ended_at + TEN_SECONDS


def test_a_fixed_delay_misses_one_run_however_long_it_was_down() -> None:
    until = NOON + timedelta(days=30)
    missed = Every(TEN_SECONDS, Mode.FIXED_DELAY).missed(NOON, until, NOON)
    assert missed == Missed(1, NOON, until + TEN_SECONDS)


@given(intervals, instants, st.integers(0, 10**9), st.booleans())
def test_a_grid_never_drifts(
    interval: timedelta, anchor_at: datetime, steps: int, align: bool
) -> None:
    every = Every(interval, align=align)
    origin = every.first(anchor_at)
    steps = min(steps, timedelta(days=36_000) // interval)
    due_at = origin + steps * interval
    assert every.after(due_at, anchor_at) == due_at + interval
    assert every.after(due_at - timedelta(microseconds=1), anchor_at) == due_at


@given(intervals, instants, st.integers(0, 50), st.timedeltas(timedelta(), timedelta(days=400)))
def test_missed_counts_what_iterating_would(
    interval: timedelta, anchor_at: datetime, steps: int, down: timedelta
) -> None:
    every = Every(interval)
    first = anchor_at + steps * interval
    until = first + min(down, 200 * interval)
    listed = list(takewhile(lambda due_at: due_at <= until, _following(every, first)))
    expected = Missed(len(listed), listed[-1], every.after(listed[-1], anchor_at))
    assert every.missed(first, until, anchor_at) == expected


def _following(every: Every, due_at: datetime) -> Iterator[datetime]:
    while True:
        yield due_at
        due_at = every.after(due_at, due_at)


@pytest.mark.parametrize("interval", [timedelta(), timedelta(milliseconds=99), timedelta.max])
def test_an_interval_out_of_range_is_refused(interval: timedelta) -> None:
    with pytest.raises(InvalidJob) as refusal:
        Every(interval)
    assert refusal.value.key == "every"


def test_a_fixed_delay_cannot_be_aligned() -> None:
    with pytest.raises(InvalidJob) as refusal:
        Every(TEN_SECONDS, Mode.FIXED_DELAY, align=True)
    assert refusal.value.key == "align"


def test_instants_are_kept_in_utc_in_order_and_once() -> None:
    berlin = timezone(timedelta(hours=2))
    later = NOON + timedelta(days=1)
    assert At((later, NOON, NOON.astimezone(berlin))).instants == (NOON, later)


def test_an_instant_already_past_is_still_the_first() -> None:
    assert At((NOON,)).first(NOON + timedelta(days=9)) == NOON


def test_instants_end() -> None:
    at = At((NOON, NOON + TEN_SECONDS))
    assert at.after(NOON, NOON) == NOON + TEN_SECONDS
    assert at.after(NOON + TEN_SECONDS, NOON) is None


def test_missed_instants_are_counted_from_the_first_to_the_last_before_now() -> None:
    at = At(tuple(NOON + step * TEN_SECONDS for step in range(5)))
    missed = at.missed(NOON + TEN_SECONDS, NOON + timedelta(seconds=35), NOON)
    assert missed == Missed(3, NOON + 3 * TEN_SECONDS, NOON + 4 * TEN_SECONDS)
    assert at.missed(NOON, NOON + timedelta(days=1), NOON).next is None


@pytest.mark.parametrize("at", [(), (datetime(2026, 6, 1),)])
def test_no_instant_or_one_without_a_zone_is_refused(at: tuple[datetime, ...]) -> None:
    with pytest.raises(InvalidJob) as refusal:
        At(at)
    assert refusal.value.key == "at"


def test_schedules_are_shown_in_the_words_of_the_file() -> None:
    assert str(Every(TEN_SECONDS)) == "every 10s"
    assert str(Every(TEN_SECONDS, Mode.FIXED_DELAY)) == "every 10s fixed-delay"
    assert str(Every(TEN_SECONDS, align=True)) == "every 10s align"
    assert str(At((NOON,))) == "at 2026-06-01T12:00:00Z"
    three = At(tuple(NOON + step * TEN_SECONDS for step in range(3)))
    assert str(three) == "at 2026-06-01T12:00:00Z +2 more"
