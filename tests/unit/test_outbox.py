"""The outbox: what any thread puts into it is called once, in order, by the loop's thread."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

from taskd.outbox import Outbox

SOON = 20.0


def test_what_threads_put_is_called_in_each_ones_order_by_the_thread_of_the_loop() -> None:
    events = asyncio.new_event_loop()
    looping = threading.Thread(target=events.run_forever)
    looping.start()
    outbox, called = Outbox(events), list[tuple[int, int, int]]()

    def note(who: int, number: int) -> None:
        called.append((who, number, threading.get_ident()))

    def put_many(who: int) -> None:
        for number in range(1000):
            outbox.put(partial(note, who, number))

    putting = [threading.Thread(target=put_many, args=(who,)) for who in range(4)]
    for thread in putting:
        thread.start()
    for thread in putting:
        thread.join(SOON)
    done = threading.Event()
    outbox.put(done.set)
    assert done.wait(SOON)
    for who in range(4):
        of_one = [number for asked, number, _ in called if asked == who]
        assert of_one == list(range(1000))
    assert {thread for _, _, thread in called} == {looping.ident}
    events.call_soon_threadsafe(events.stop)
    looping.join(SOON)
    events.close()


def test_what_gathers_is_called_in_one_go() -> None:
    events = asyncio.new_event_loop()
    outbox, called = Outbox(events), list[int]()
    for number in range(3):
        outbox.put(partial(called.append, number))
    events.run_until_complete(asyncio.sleep(0))
    assert called == [0, 1, 2]
    events.close()


def test_one_that_fails_keeps_no_other_from_being_called() -> None:
    events = asyncio.new_event_loop()
    failures, called = list[object](), list[int]()
    events.set_exception_handler(lambda _, context: failures.append(context["exception"]))
    outbox = Outbox(events)
    outbox.put(partial(next, iter(())))
    outbox.put(partial(called.append, 1))
    events.run_until_complete(asyncio.sleep(0.01))
    assert called == [1]
    assert [type(failure) for failure in failures] == [StopIteration]
    events.close()


def test_what_comes_after_the_end_is_dropped() -> None:
    events = asyncio.new_event_loop()
    events.close()
    Outbox(events).put(lambda: None)
