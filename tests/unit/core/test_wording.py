"""Schedules in plain words: short for what is common, longer but right for what is odd."""

from datetime import UTC, datetime, timedelta

import pytest

from taskd.core.cron import Cron
from taskd.core.schedule import At, Every, Mode
from taskd.core.wording import describe

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("30 2 * * mon-fri", "at 02:30, Monday to Friday"),
        ("@daily", "at 00:00, every day"),
        ("*/5 * * * *", "every 5 minutes"),
        ("* * * * *", "every minute"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("* * * * * *", "every second"),
        ("15 30 2 * * *", "at 02:30:15, every day"),
        ("@hourly", "at minute 0 of every hour"),
        ("0 8,12,18 * * *", "at 08:00, 12:00 and 18:00, every day"),
        ("*/5 8-18 * * sat,sun", "every 5 minutes of hours 8 to 18, Saturday and Sunday"),
        ("*/25 * * * *", "at minutes 0, 25 and 50 of every hour"),
        ("* 2 * * *", "every minute of hour 2"),
        ("30 * 2 * * *", "at second 30 of every minute of hour 2"),
        ("0 12 1 jan,jul *", "at 12:00, on day 1 of the month, in January and July"),
        ("0 0 * nov-feb *", "at 00:00, in January, February, November and December"),
        ("0 0 13 * fri", "at 00:00, on day 13 of the month or on Friday"),
        ("0 0 1-7 * */7", "at 00:00, on days 1 to 7 of the month if that is Sunday"),
        ("0 0 1-31 * mon", "at 00:00, every day"),
        ("0 0 L * *", "at 00:00, on the last day of the month"),
        ("0 0 15W * *", "at 00:00, on the day from Monday to Friday nearest to day 15"),
        ("0 0 * * fri#2", "at 00:00, the second Friday of the month"),
        ("0 0 * * L0", "at 00:00, the last Sunday of the month"),
    ],
)
def test_an_expression_is_told_in_words(text: str, words: str) -> None:
    assert describe(Cron((text,), "UTC", "job")) == words


def test_expressions_are_joined() -> None:
    both = Cron(("0 8 * * mon", "0 9 * * sat"), "UTC", "job")
    assert describe(both) == "at 08:00, Monday; and at 09:00, Saturday"


@pytest.mark.parametrize(
    ("every", "words"),
    [
        (Every(timedelta(seconds=10)), "every 10 seconds"),
        (Every(timedelta(hours=1)), "every hour"),
        (Every(timedelta(milliseconds=100)), "every 100 milliseconds"),
        (Every(timedelta(minutes=90)), "every 1 hour 30 minutes"),
        (
            Every(timedelta(minutes=15), align=True),
            "every 15 minutes, counted from 1970-01-01T00:00:00Z",
        ),
        (
            Every(timedelta(minutes=1), Mode.FIXED_DELAY),
            "1 minute after the end of the run before",
        ),
    ],
)
def test_an_interval_is_told_in_words(every: Every, words: str) -> None:
    assert describe(every) == words


def test_instants_are_listed_up_to_three() -> None:
    assert describe(At((NOON,))) == "at 2026-06-01T12:00:00Z"
    five = At(tuple(NOON + timedelta(days=number) for number in range(5)))
    assert describe(five).endswith(", 2026-06-03T12:00:00Z and 2 more instants")
