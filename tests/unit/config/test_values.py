from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.config import values
from taskd.config.shape import shown
from taskd.errors import InvalidJob

# Python refuses to write it in decimal digits.
HUGE = pytest.param(16**6000, id="huge")


def test_a_local_time_in_a_gap_is_the_first_instant_after_it() -> None:
    skipped = datetime(2026, 3, 29, 2, 30, 0, 500)
    assert values.instant(skipped, "Europe/Berlin") == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_a_local_time_that_repeats_is_its_first_pass() -> None:
    twice = datetime(2026, 10, 25, 2, 30)
    assert values.instant(twice, "Europe/Berlin") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_local_time_of_a_day_that_a_zone_left_out_is_the_start_of_the_next() -> None:
    left_out = datetime(2011, 12, 30, 12)
    assert values.instant(left_out, "Pacific/Apia") == datetime(2011, 12, 30, 10, tzinfo=UTC)


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_a_local_time_that_exists_is_shown_by_the_clocks_at_its_instant(
    local: datetime, timezone: str
) -> None:
    instant = values.instant(local, timezone)
    shown_locally = instant.astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    earlier = instant - timedelta(microseconds=1)
    assert shown_locally == local or (
        earlier.astimezone(ZoneInfo(timezone)).replace(tzinfo=None) < local < shown_locally
    )


def test_a_time_with_an_offset_ignores_the_zone() -> None:
    aware = datetime(2026, 12, 24, 18, tzinfo=timezone(timedelta(hours=1)))
    assert values.instant(aware, "Asia/Tokyo") == datetime(2026, 12, 24, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1),
        datetime(9999, 12, 31),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=5))),
    ],
)
def test_an_instant_that_utc_cannot_hold_is_refused(moment: datetime) -> None:
    with pytest.raises(InvalidJob, match="outside the years") as refusal:
        values.instant(moment, "Europe/Berlin")
    assert refusal.value.key == "at"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-24T18:00:00Z", datetime(2026, 12, 24, 18, tzinfo=UTC)),
        ("2026-12-24t18:00:00.25z", datetime(2026, 12, 24, 18, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-12-24 18:00", datetime(2026, 12, 24, 18)),
    ],
)
def test_an_rfc_3339_text_is_a_moment(text: str, expected: datetime) -> None:
    assert values.moment(text) == expected


@pytest.mark.parametrize(
    "value",
    [
        "2026-12-24",
        "20261224T180000Z",
        "2026-W52-4T18:00:00Z",
        "tomorrow",
        "2026-13-01T00:00:00Z",
        "٢٠٢٦-12-24T18:00:00Z",
        date(2026, 12, 24),
        time(18, 0),
        1_766_600_000,
        True,
        None,
        [],
    ],
)
def test_what_is_not_a_date_with_a_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"not a date|no time of day|no date|month must be"):
        values.moment(value)


@pytest.mark.parametrize(("value", "written"), [(10, '"10s"'), (0.5, '"0.5s"')])
def test_a_bare_number_for_a_time_is_told_to_have_a_unit(value: object, written: str) -> None:
    with pytest.raises(InvalidJob) as refusal:
        values.duration(value)
    assert refusal.value.message == "a time needs a unit"
    assert written in refusal.value.hint


@pytest.mark.parametrize("value", ["10", "", "s", True, None, [], "-1s"])
def test_what_is_not_a_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"no unit|not a duration|expected text|negative"):
        values.duration(value)


@pytest.mark.parametrize(
    ("value", "number"), [("low", -50), ("critical", 100), (-100, -100), (100, 100), (0, 0)]
)
def test_a_priority_is_a_name_or_a_number(value: object, number: int) -> None:
    assert values.priority(value) == number


@pytest.mark.parametrize("value", ["urgent", 101, -101, True, 1.0, None, [], HUGE])
def test_another_priority_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"-100 to 100"):
        values.priority(value)


@pytest.mark.parametrize(
    ("text", "count"),
    [("1B", 1), ("512MiB", 2**29), ("1 GB", 10**9), ("1KiB", 1024), ("2TiB", 2**41)],
)
def test_a_size_has_its_unit(text: str, count: int) -> None:
    assert values.size(text) == count


@pytest.mark.parametrize("value", ["1", "", "MiB", "-1MiB", "1.5MiB", "1mib", 1, True, None, []])
def test_another_size_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"expected a size|needs a unit"):
        values.size(value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("true", ("true",)),
        ("echo 'a b' c", ("echo", "a b", "c")),
        (["echo", "a b", ""], ("echo", "a b", "")),
    ],
)
def test_a_command_is_a_list_or_what_a_shell_would_split(
    value: object, words: tuple[str, ...]
) -> None:
    assert values.argv(value) == words


@pytest.mark.parametrize("value", ["", [], [""], [1], "'", 1, None, ["a\0"]])
def test_another_command_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        values.argv(value)


@pytest.mark.parametrize("value", ["threads", "", 1, None, []])
def test_another_executor_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match='expected "thread"'):
        values.executor(value)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner),
    )
)
def test_a_json_value_stays_as_it_is(value: object) -> None:
    assert values.json_value(value) is value


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        [float("inf")],
        {"a": datetime(2026, 1, 1)},
        date(2026, 1, 1),
        time(1),
        2**63,
        -(2**63) - 1,
        HUGE,
        "\ud800",
        {"\udfff": 1},
    ],
)
def test_what_json_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"not JSON|64 bits|surrogate"):
        values.json_value(value)


def test_a_value_that_is_nested_too_deeply_is_refused() -> None:
    value: object = 1
    for _ in range(65):
        value = [value]
    with pytest.raises(ValueError, match="64 deep"):
        values.json_value(value)


def test_a_reference_to_a_result_is_refused_rather_than_passed_on() -> None:
    with pytest.raises(ValueError, match="not supported by this version"):
        values.keyword_argument({"from": "a.result"})
    assert values.keyword_argument({"from": "a.result", "to": 1})
    assert values.keyword_argument({"from": "Berlin"})


@given(
    st.integers()
    | st.floats()
    | st.text()
    | st.none()
    | st.dates()
    | st.lists(st.none())
    | st.builds(pow, st.just(16), st.just(6000))
)
def test_any_value_is_shown_shortly(value: object) -> None:
    assert 1 <= len(shown(value)) <= 70
