"""Objects: an in-memory scheduler keeps what may still be asked for, and no more."""

import gc
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from weakref import ref

import pytest

from taskd import Scheduler

SOON = 20.0


class Thing(Exception):
    """A result, or an error."""


def give_back(thing: Thing) -> Thing:
    return thing


def throw(thing: Thing) -> None:
    raise thing


@pytest.mark.parametrize("end", [give_back, throw])
def test_what_a_periodic_task_made_does_not_pile_up(end: Callable[[Thing], object]) -> None:
    made: list[ref[Thing]] = []
    enough = threading.Event()

    def make() -> object:
        thing = Thing()
        made.append(ref(thing))
        if len(made) == 6:
            enough.set()
        return end(thing)

    with Scheduler() as scheduler:
        scheduler.schedule_periodic(make, timedelta(seconds=0.1))
        assert enough.wait(SOON)
        scheduler.read_in_turn(lambda _: None)
        gc.collect()
        assert sum(thing() is not None for thing in made) <= 2  # the latest, and one under way


def test_the_callable_of_a_one_time_task_is_let_go_when_it_has_run() -> None:
    thing = Thing()
    alive = ref(thing)

    def hold(thing: Thing = thing) -> None: ...

    with Scheduler() as scheduler:
        task_id = scheduler.schedule_one_time(hold, datetime.now(UTC))
        scheduler.get_task_result(task_id, SOON)
        scheduler.read_in_turn(lambda _: None)
        del hold, thing
        gc.collect()
        assert alive() is None
