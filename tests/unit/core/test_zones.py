"""Zones as spans: they follow on each other, and know what the wall clock had reached."""

from itertools import pairwise

import pytest

from taskd.core.zones import Span, spans, to_instant, to_seconds, zone
from taskd.errors import InvalidJob

HOUR = 3600


def of_years(name: str, first: int, last: int) -> list[Span]:
    begin = to_seconds(to_instant(0).replace(year=first))
    end = to_seconds(to_instant(0).replace(year=last + 1))
    return list(spans(name, begin, end - 1))


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Asia/Dhaka", "Africa/Casablanca"])
def test_spans_follow_on_each_other_without_a_gap(name: str) -> None:
    found = of_years(name, 2005, 2012)
    assert all(one.end == other.start for one, other in pairwise(found))
    assert to_instant(found[0].start).year == 2005
    assert to_instant(found[-1].end).year == 2013


def test_a_year_without_changes_is_one_span() -> None:
    (only,) = of_years("UTC", 2026, 2026)
    assert (only.offset, only.opens, only.seen) == (0, only.start, only.start)


def test_a_span_knows_what_was_skipped_or_will_repeat() -> None:
    winter, summer, autumn = of_years("Europe/Berlin", 2026, 2026)
    assert winter.opens == winter.seen
    assert summer.opens - summer.seen == HOUR
    assert autumn.opens - autumn.seen == -HOUR


def test_local_times_that_repeat_across_new_year_are_remembered() -> None:
    # Dhaka's clocks went back from 24:00 to 23:00 on 31 December 2009.
    *_, last = of_years("Asia/Dhaka", 2009, 2009)
    first, *_ = of_years("Asia/Dhaka", 2010, 2010)
    assert last.opens - last.seen == -HOUR
    assert first.seen == first.opens


def test_zones_are_found_by_their_exact_name() -> None:
    assert zone("Europe/Berlin").key == "Europe/Berlin"
    with pytest.raises(InvalidJob) as refusal:
        zone("Mars/Olympus")
    assert refusal.value.key == "timezone"
