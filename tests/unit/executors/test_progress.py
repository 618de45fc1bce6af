"""Rules of progress: what is told last counts, and the pace since what was told first."""

from __future__ import annotations

import math

import pytest

from taskd.executors.progress import NOTE_LIMIT, Gauge, Progress


class Watch:
    """Seconds that a test has pass."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def gauge(watch: Watch) -> Gauge:
    return Gauge(watch)


def tell(gauge: Gauge, watch: Watch, after: float, done: float, total: float) -> None:
    watch.at += after
    gauge.tell(done, total)


def eta(gauge: Gauge) -> float | None:
    progress = gauge.read()
    assert progress is not None
    return progress.eta_s


def test_nothing_is_known_before_it_is_told(gauge: Gauge) -> None:
    assert gauge.read() is None
    gauge.tell(3)
    assert gauge.read() == Progress(3)


def test_the_time_left_is_that_at_the_pace_so_far(gauge: Gauge, watch: Watch) -> None:
    tell(gauge, watch, 0, 0, 100)
    assert eta(gauge) is None
    tell(gauge, watch, 10, 25, 100)
    assert eta(gauge) == 30
    watch.at += 20  # it goes on, and tells nothing
    assert eta(gauge) == 10
    watch.at += 10  # it is stuck, and nobody knows for how long
    assert eta(gauge) is None


def test_what_was_done_before_does_not_count_for_the_pace(gauge: Gauge, watch: Watch) -> None:
    tell(gauge, watch, 1, 500, 1000)
    tell(gauge, watch, 10, 510, 1000)
    assert eta(gauge) == 490


def test_a_second_phase_has_a_pace_of_its_own(gauge: Gauge, watch: Watch) -> None:
    for told in ((0, 0, 10), (1000, 10, 10), (0, 0, 100), (1, 10, 100)):
        tell(gauge, watch, *told)
    assert eta(gauge) == 9


@pytest.mark.parametrize("told", [(5, None), (7, 5), (5, 5), (0, 0)])
def test_no_time_is_left_where_all_is_done_and_none_known_without_a_total(
    gauge: Gauge, watch: Watch, told: tuple[float, float | None]
) -> None:
    gauge.tell(0, 10)
    watch.at += 1
    gauge.tell(*told)
    assert eta(gauge) == (None if told[1] is None else 0)


@pytest.mark.parametrize("wrong", [-1, -0.5, math.nan, math.inf, -math.inf, 10**400])
def test_what_is_no_amount_is_refused_and_changes_nothing(gauge: Gauge, wrong: float) -> None:
    gauge.tell(1, 2)
    for told in ((wrong, 2), (1, wrong)):
        with pytest.raises(ValueError, match="in numbers from 0 on"):
            gauge.tell(*told)
    assert gauge.read() == Progress(1, 2)


@pytest.mark.parametrize("wrong", ["5", [1], 1j])
def test_what_is_no_number_is_refused(gauge: Gauge, wrong: float) -> None:
    for told in ((wrong, 2), (1, wrong)):
        with pytest.raises(TypeError, match="in numbers"):
            gauge.tell(*told)
    assert gauge.read() is None


def test_a_note_is_kept_in_part_and_in_what_utf_8_has(gauge: Gauge) -> None:
    gauge.tell(1, 2, "\ud800" + "x" * 1000)
    progress = gauge.read()
    assert progress is not None
    assert progress.note == "\\ud800" + "x" * (NOTE_LIMIT - 1)


def test_numbers_as_large_as_floats_are_give_no_time_left(gauge: Gauge, watch: Watch) -> None:
    tell(gauge, watch, 0, 0, 1e308)
    tell(gauge, watch, 1000, 1e-308, 1e308)
    assert eta(gauge) is None
