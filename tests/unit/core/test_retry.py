"""Retry policies: how long until the next attempt, and which failures are given one."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.core.retry import Backoff, FailurePolicy, Jitter, OnCrash, RetryPolicy
from taskd.errors import InvalidJob

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
PLAIN = RetryPolicy(max_attempts=9, initial=SECOND, max_delay=MINUTE, jitter=Jitter.NONE)
draws = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("backoff", "seconds"),
    [
        (Backoff.FIXED, [1, 1, 1, 1]),
        (Backoff.LINEAR, [1, 2, 3, 4]),
        (Backoff.EXPONENTIAL, [1, 2, 4, 8]),
    ],
)
def test_a_delay_grows_as_its_backoff_says(backoff: Backoff, seconds: list[int]) -> None:
    policy = replace(PLAIN, backoff=backoff)
    assert [policy.delay(n, 0.7) / SECOND for n in (1, 2, 3, 4)] == seconds


@given(st.sampled_from(Backoff), st.integers(1, 10_000), draws)
def test_no_delay_is_over_the_longest(backoff: Backoff, failures: int, draw: float) -> None:
    assert replace(PLAIN, backoff=backoff).delay(failures, draw) <= MINUTE


@given(st.integers(1, 20), draws)
def test_jitter_takes_from_all_of_a_delay_or_from_its_upper_half(
    failures: int, draw: float
) -> None:
    whole = PLAIN.delay(failures, draw)
    full = replace(PLAIN, jitter=Jitter.FULL).delay(failures, draw)
    equal = replace(PLAIN, jitter=Jitter.EQUAL).delay(failures, draw)
    assert full == whole * draw
    assert whole / 2 <= equal <= whole


@pytest.mark.parametrize(
    ("retry_on", "give_up_on", "words", "covered"),
    [
        ((), (), {"ValueError"}, True),
        (("OSError",), (), {"ConnectionError", "OSError", "Exception"}, True),
        (("OSError",), (), {"ValueError", "Exception"}, False),
        ((), ("ValueError",), {"ValueError", "Exception"}, False),
        (("Exception",), ("ValueError",), {"ValueError", "Exception"}, False),
        (("transient",), (), {"TimeoutError", "transient"}, True),
    ],
)
def test_a_policy_covers_the_classes_and_categories_it_names(
    retry_on: tuple[str, ...], give_up_on: tuple[str, ...], words: set[str], covered: bool
) -> None:
    assert replace(PLAIN, retry_on=retry_on, give_up_on=give_up_on).covers(words) is covered


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"max_attempts": 0}, "retry.max_attempts"),
        ({"max_attempts": 10_001}, "retry.max_attempts"),
        ({"max_delay": timedelta(days=400)}, "retry.max_delay"),
        ({"initial": 2 * MINUTE}, "retry.initial"),
        ({"initial": -SECOND}, "retry.initial"),
        ({"max_elapsed": SECOND / 2}, "retry.max_elapsed"),
        ({"backoff": "quadratic"}, "retry.backoff"),
        ({"jitter": "some"}, "retry.jitter"),
        ({"retry_on": ("OSError",), "give_up_on": ("OSError",)}, "retry.give_up_on"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, object], key: str) -> None:
    with pytest.raises(InvalidJob) as refusal:
        replace(PLAIN, **wrong)  # type: ignore[arg-type]
    assert refusal.value.key == key


def test_words_may_be_given_as_text() -> None:
    policy = FailurePolicy(on_crash="fail")  # type: ignore[arg-type]
    assert policy.on_crash is OnCrash.FAIL
    with pytest.raises(InvalidJob, match="on_crash"):
        FailurePolicy(on_crash="panic")  # type: ignore[arg-type]
    with pytest.raises(InvalidJob, match="max_crashes"):
        FailurePolicy(max_crashes=0)
