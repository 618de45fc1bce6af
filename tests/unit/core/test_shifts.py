"""Shifts: what the clocks do around due instants, in words that can be shown to anybody."""

from datetime import UTC, datetime, timedelta

import pytest

from taskd.core.cron import Cron, DstGap, DstOverlap
from taskd.core.schedule import At, Every
from taskd.core.shifts import mark, silences
from tests.unit.core.test_cron import between

DAY = timedelta(days=1)
TWO = "02:15 and 02:45 are skipped: run once, 03:00"
THREE = "02:00 to 02:30 are skipped: run once, 03:00"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def marks(cron: Cron, start: str, end: str) -> list[str]:
    return [words for due in between(cron, at(start), at(end)) if (words := mark(cron, due))]


@pytest.mark.parametrize(
    ("zone", "text", "day", "words"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-03-29", "02:30 is skipped: runs 03:00"),
        ("America/New_York", "15 2 * * *", "2026-03-08", "02:15 is skipped: runs 03:00"),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-04", "02:15 is skipped: runs 02:30"),
        ("Antarctica/Troll", "30 1 * * *", "2026-03-29", "01:30 is skipped: runs 03:00"),
        ("America/Santiago", "0 0 * * *", "2026-09-06", "00:00 is skipped: runs 01:00"),
        ("Africa/Casablanca", "30 2 * * *", "2026-03-22", "02:30 is skipped: runs 03:00"),
        ("America/Nuuk", "30 23 * * *", "2024-03-31", "23:30 on 2024-03-30 is skipped: runs 00:00"),
        ("Europe/Berlin", "15,45 2 * * *", "2026-03-29", TWO),
        ("Europe/Berlin", "0,15,30 2,3 * * *", "2026-03-29", THREE),
        ("Europe/Berlin", "59 59 2 * * *", "2026-03-29", "02:59:59 is skipped: runs 03:00"),
        ("Europe/Berlin", "30 2 * * *", "2026-10-25", "02:30 comes twice: first pass only"),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-05", "01:45 comes twice: first pass only"),
    ],
)
def test_what_the_clocks_skip_or_repeat_is_told_at_the_run(
    zone: str, text: str, day: str, words: str
) -> None:
    cron = Cron((text,), zone, "job")
    noon = datetime.fromisoformat(f"{day}T12:00Z")
    found = between(cron, noon - 20 * DAY, noon + 20 * DAY)
    told = {due: mark(cron, due) for due in found if mark(cron, due)}
    assert list(told.values()) == [words]
    assert all(abs(due - noon) <= DAY for due in told)


@pytest.mark.parametrize(
    ("overlap", "words"),
    [
        (DstOverlap.BOTH, ["02:30 comes twice: first pass", "02:30 comes twice: second pass"]),
        (DstOverlap.LAST, ["02:30 comes twice: second pass only"]),
        (DstOverlap.FIRST, ["02:30 comes twice: first pass only"]),
    ],
)
def test_the_pass_at_which_it_runs_is_told(overlap: DstOverlap, words: list[str]) -> None:
    cron = Cron(("30 2 * * *",), "Europe/Berlin", "job", None, overlap)
    assert marks(cron, "2026-10-24T12:00Z", "2026-10-26T12:00Z") == words


def test_of_two_lines_that_meet_in_a_repeated_time_one_runs_again() -> None:
    both = Cron(("30 2 * * *", "30 * * * *"), "Europe/Berlin", "job")
    assert marks(both, "2026-10-25T00:00Z", "2026-10-25T02:00Z") == [
        "02:30 comes twice: first pass",
        "02:30 comes twice: second pass",
    ]


@pytest.mark.parametrize(
    ("cron", "start", "words"),
    [
        (
            Cron(("30 2 * * *",), "Europe/Berlin", "job", DstGap.SKIP),
            "2026-03-28T12:00Z",
            ["02:30 on 2026-03-29 is skipped: nothing runs"],
        ),
        (
            Cron(("*/20 2 * * *",), "Europe/Berlin", "job"),
            "2026-03-28T12:00Z",
            ["02:00 to 02:40 on 2026-03-29 are skipped: nothing runs"],
        ),
        (
            Cron(("0 12 * * *",), "Pacific/Apia", "job"),
            "2011-12-30T00:00Z",
            ["12:00 on 2011-12-30 is skipped: nothing runs"],
        ),
        (Cron(("30 2 * * *",), "Europe/Berlin", "job"), "2026-03-28T12:00Z", []),
        (Cron(("30 12 * * *",), "Europe/Berlin", "job", DstGap.SKIP), "2026-03-28T12:00Z", []),
        (Every(timedelta(hours=1)), "2026-03-28T12:00Z", []),
    ],
    ids=["by policy", "wildcard", "no such day", "made up", "elsewhere", "interval"],
)
def test_what_the_clocks_skip_for_good_is_told_where_it_would_have_been(
    cron: Cron, start: str, words: list[str]
) -> None:
    told = list(silences(cron, at(start), at(start) + 2 * DAY))
    assert [word for _, word in told] == words
    assert all(at(start) < when <= at(start) + 2 * DAY for when, _ in told)


def test_most_instants_and_other_schedules_have_no_mark() -> None:
    noon = at("2026-03-29T01:00Z")
    assert mark(At((noon,)), noon) == mark(Every(DAY), noon) == mark(None, noon) == ""
    three = Cron(("0 3 * * *",), "Europe/Berlin", "job")
    assert marks(three, "2026-03-01T00:00Z", "2026-05-01T00:00Z") == []
