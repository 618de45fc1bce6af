from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from taskd import FailurePolicy, RetryPolicy, Scheduler, current_run
from taskd.errors import InvalidJob
from taskd.executors.categories import by_class


def test_classes_and_names_are_one() -> None:
    found = by_class({"a": [OSError, "app.Late"], "b": (InvalidJob,), "none": []})
    assert found == {"OSError": "a", "app.Late": "a", "taskd.errors.InvalidJob": "b"}


def test_a_class_in_two_categories_is_refused() -> None:
    with pytest.raises(InvalidJob, match="OSError is in a and in b"):
        Scheduler(categories={"a": ["OSError"], "b": [OSError]})


def test_a_category_of_the_library_is_told_and_retried_by() -> None:
    def late() -> int:
        if current_run.attempt == 1:
            raise ConnectionResetError("once")
        raise KeyError("for good")

    retry = RetryPolicy(max_attempts=9, initial=timedelta(0), retry_on=("transient",))
    with Scheduler(categories={"transient": [OSError]}) as scheduler:
        policy = FailurePolicy(retry=retry)
        task = scheduler.task(scheduler.schedule_one_time(late, datetime.now(UTC), failure=policy))
        task.wait(20)
        run = scheduler.read(lambda history: history.run(task.id))
        attempts = scheduler.read(lambda history: history.attempts(task.id))
    assert run is not None
    assert [attempt.error and attempt.error.category for attempt in attempts] == ["transient", None]
    assert run.failures == 2
