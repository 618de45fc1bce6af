"""Durations: what is read, what is refused, and that what is written reads back."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.core.duration import format_duration, parse_duration
from taskd.core.execution import Execution
from taskd.core.job import Call, Job, JobName
from taskd.core.late import Late
from taskd.core.retention import Retention
from taskd.core.retry import RetryPolicy
from taskd.core.schedule import Every
from taskd.core.unique import Scope, Unique
from taskd.errors import InvalidJob


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("100ms", timedelta(milliseconds=100)),
        ("1h30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
        ("0.5s", timedelta(milliseconds=500)),
        ("1w2d3h4m5s6ms", timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5.006)),
        ("0.001ms", timedelta(microseconds=1)),
        ("0s", timedelta()),
    ],
)
def test_a_duration_is_numbers_with_units(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10", 'has no unit (write "10s" for seconds)'),
        ("1.5", "has no unit"),
        ("-1s", "is negative"),
        ("", "is not a duration"),
        ("s", "is not a duration"),
        ("1x", "is not a duration"),
        ("1h 30m", "is not a duration"),
        ("1h30", "is not a duration"),
        ("1H", "is not a duration"),
        (".5s", "is not a duration"),
        ("\u0661s", "is not a duration"),
        ("30m1h", "repeats or misplaces a unit"),
        ("1m1m", "repeats or misplaces a unit"),
        ("0.0001ms", "finer than a microsecond"),
        ("999999999999w", "is over 100 years"),
        ("9" * 65 + "s", "longer than 64 characters"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(InvalidJob) as refusal:
        parse_duration(text)
    assert says in str(refusal.value)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(minutes=90), "1h30m"),
        (timedelta(milliseconds=100), "100ms"),
        (timedelta(seconds=1.5), "1.5s"),
        (timedelta(minutes=1, microseconds=1), "1m0.001ms"),
        (timedelta(days=10), "10d"),
        (timedelta(weeks=2), "2w"),
        (timedelta(hours=36), "1d12h"),
        (timedelta(), "0s"),
    ],
)
def test_a_duration_is_written_short(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=36_525)))
def test_what_is_written_reads_back_to_the_microsecond(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


def test_a_negative_duration_has_no_text() -> None:
    with pytest.raises(ValueError, match="negative"):
        format_duration(timedelta(seconds=-1))


CALL = Call("work:f")
CENTURY = timedelta(days=36_525)
OVER = CENTURY + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda time: Job(name=JobName("a"), call=CALL, timeout=time), "timeout"),
        (lambda time: Job(name=JobName("a"), call=CALL, kill_grace=time), "kill_grace"),
        (lambda time: Job(name=JobName("a"), call=CALL, jitter=time), "jitter"),
        (lambda time: RetryPolicy(max_elapsed=time), "retry.max_elapsed"),
        (lambda time: Unique(scope=Scope.PERIOD, period=time), "unique.period"),
        (lambda time: Retention(success=time), "retention.success"),
        (lambda time: Retention(failed=time), "retention.failed"),
        (lambda time: Execution(max_cpu_time=time), "max_cpu_time"),
        (lambda time: Every(time), "every"),
        (lambda time: Late(grace=time), "misfire_grace_time"),
    ],
)
def test_a_policy_is_not_over_a_century_for_no_instant_is_that_far_away(
    make: Callable[[timedelta], object], key: str
) -> None:
    make(CENTURY)
    with pytest.raises(InvalidJob) as refusal:
        make(OVER)
    assert refusal.value.key == key


def test_what_is_written_is_not_over_a_century() -> None:
    assert parse_duration("36525d") == CENTURY
    with pytest.raises(InvalidJob):
        parse_duration("36525d1ms")
