"""[calendars]: dates, weekdays and files of events, to the days they have."""

from datetime import date
from pathlib import Path

import pytest

from taskd.config.calendars import calendars_from_tables
from taskd.config.ics import ics_dates
from taskd.config.load import load, survey
from taskd.errors import InvalidJob

EVENT = "BEGIN:VEVENT\nUID:1\nSUMMARY:fair\n{0}\nEND:VEVENT\n"


def ics(folder: Path, *events: str) -> Path:
    path = folder / "days.ics"
    body = "".join(EVENT.format(event) for event in events)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:t\n{body}END:VCALENDAR\n"
    path.write_text(text.replace("\n", "\r\n"))
    return path


@pytest.mark.parametrize(
    ("event", "days"),
    [
        ("DTSTART;VALUE=DATE:20261225", [25]),
        ("DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227", [24, 25, 26]),
        ("DTSTART;VALUE=DATE:20261224\nDURATION:P2D", [24, 25]),
        ("DTSTART:20261224T100000\nDTEND:20261224T110000", [24]),
        ("DTSTART:20261224T200000\nDTEND:20261225T000000", [24]),
        ("DTSTART:20261224T200000\nDTEND:20261225T000001", [24, 25]),
        ("DTSTART:20261224T233000Z", [25]),  # in Berlin
        ("DTSTART;TZID=America/New_York:20261224T233000", [24]),
    ],
)
def test_an_event_is_on_the_dates_it_touches(tmp_path: Path, event: str, days: list[int]) -> None:
    assert ics_dates(ics(tmp_path, event), "Europe/Berlin") == [date(2026, 12, n) for n in days]


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("RRULE:FREQ=YEARLY;COUNT=3", ["2026-12-25", "2027-12-25", "2028-12-25"]),
        ("RRULE:FREQ=YEARLY;UNTIL=20271225", ["2026-12-25", "2027-12-25"]),
        ("RRULE:FREQ=YEARLY;UNTIL=20271224", ["2026-12-25"]),
        ("RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=2", ["2026-12-25", "2027-01-29"]),
        ("RDATE;VALUE=DATE:20270101,20270106", ["2026-12-25", "2027-01-01", "2027-01-06"]),
        (
            "RRULE:FREQ=DAILY;COUNT=4\nEXDATE;VALUE=DATE:20261226,20261227",
            ["2026-12-25", "2026-12-28"],
        ),
        (
            "DURATION:P2D\nRRULE:FREQ=WEEKLY;COUNT=2",
            ["2026-12-25", "2026-12-26", "2027-01-01", "2027-01-02"],
        ),
    ],
)
def test_an_event_that_repeats_is_on_each_of_its_dates(
    tmp_path: Path, rule: str, days: list[str]
) -> None:
    path = ics(tmp_path, f"DTSTART;VALUE=DATE:20261225\n{rule}")
    assert [day.isoformat() for day in ics_dates(path, "Europe/Berlin")] == days


def test_the_end_of_a_rule_in_utc_is_read_on_the_clock_of_the_event(tmp_path: Path) -> None:
    event = "DTSTART:20261224T233000Z\nRRULE:FREQ=DAILY;UNTIL=20261225T233000Z"
    assert ics_dates(ics(tmp_path, event), "Europe/Berlin") == [
        date(2026, 12, 25),
        date(2026, 12, 26),
    ]


def test_an_event_without_an_end_repeats_for_fifty_years(tmp_path: Path) -> None:
    event = "DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY"
    assert [day.year for day in ics_dates(ics(tmp_path, event), "UTC")] == list(range(2026, 2076))


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ("DTSTART:20261225T100000\nRRULE:FREQ=SECONDLY", "FREQ=SECONDLY is less than a day"),
        ("DTSTART:20261225T100000\nRRULE:FREQ=DAILY;INTERVAL=0", "INTERVAL is less than 1"),
        ("DTSTART:19000101T100000\nRRULE:FREQ=DAILY", "has more than 20000 days"),
        ("DTSTART;VALUE=DATE:20261225\nRRULE:COUNT=3", "repeats in a way that cannot be read"),
        ("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261224", "ends"),
        ("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:99991224", "ends"),
        ("COMMENT:nothing", "has no DTSTART"),
        ("DTSTART:20261225T100000\nDTSTART:20261226T100000", "has no DTSTART"),
        ("DTSTART:20261225T100000\nDTEND:20261226T1\nDTEND:20261226T2", "DTEND"),
    ],
)
def test_an_event_that_cannot_be_resolved_is_refused(tmp_path: Path, event: str, says: str) -> None:
    with pytest.raises(InvalidJob, match=says):
        ics_dates(ics(tmp_path, event), "UTC")


@pytest.mark.parametrize("content", [b"", b"no calendar", b"\xff\xfe\x00", b"BEGIN:VCALENDAR"])
def test_a_file_that_is_no_calendar_is_refused_or_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "days.ics"
    path.write_bytes(content)
    try:
        assert ics_dates(path, "UTC") == []
    except InvalidJob as refusal:
        assert refusal.key == "ics"


def test_a_table_is_dates_weekdays_and_a_file(tmp_path: Path) -> None:
    ics(tmp_path, "DTSTART;VALUE=DATE:20261225")
    table = {"dates": ["2026-05-01", date(2026, 1, 1)], "weekdays": ["Sat", "sunday"]}
    found = calendars_from_tables({"off": {**table, "ics": "days.ics"}}, tmp_path, "UTC")
    assert found.flaws == []
    assert found.files == [tmp_path / "days.ics"]
    off = found.by_name["off"]
    assert off.dates == (date(2026, 1, 1), date(2026, 5, 1), date(2026, 12, 25))
    assert off.weekdays == (5, 6)


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ("[calendars.x]", "3:12 calendars.x"),
        ('[calendars.x]\ndates = ["soon"]', "4:10 calendars.x.dates[0]"),
        ("[calendars.x]\ndates = [2026-01-01T00:00:00]", "4:10 calendars.x.dates[0]"),
        ('[calendars.x]\nweekdays = ["sat", "someday"]', "4:20 calendars.x.weekdays[1]"),
        ('[calendars.x]\nics = "none.ics"', "4:7 calendars.x.ics"),
        ('[calendars.x]\nfile = "x"', "4:1 calendars.x.file"),
        ("[calendars]\nx = 1", "4:5 calendars.x"),
    ],
)
def test_a_problem_of_a_calendar_has_a_place(tmp_path: Path, lines: str, place: str) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text(f'[daemon]\nstore = "sqlite://"\n{lines}\n')
    _, problems = survey(file)
    assert [f"{one.line}:{one.column} {one.key}" for one in problems] == [place]


def test_a_changed_calendar_changes_the_jobs_that_use_it(tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    text = '[calendars.x]\ndates = [{}]\n[jobs.a]\ncall = "a:b"\nevery = "1h"\nexclude = "x"\n'
    file.write_text(text.format("2026-01-01"))
    (before,) = load(file).jobs
    file.write_text(text.format("2026-01-02"))
    (after,) = load(file).jobs
    assert before != after
    assert before.exclude is not None
    assert before.exclude.calendars[0].dates == (date(2026, 1, 1),)


def test_the_files_of_calendars_are_followed(tmp_path: Path) -> None:
    path = ics(tmp_path, "DTSTART;VALUE=DATE:20261225")
    file = tmp_path / "jobs.toml"
    file.write_text('[calendars.x]\nics = "days.ics"\n')
    assert load(file).files == (file, path)
