"""Handover: everything is taken once, in order, by threads that sleep meanwhile."""

import threading
from collections import Counter, deque

import pytest

from taskd.executors.handover import Handover

SOON = 20.0


class Pool:
    """Threads that take from a handover until it is closed."""

    def __init__(self, size: int) -> None:
        self.handover = Handover[int]()
        self.taken: deque[int] = deque()
        self.threads = [threading.Thread(target=self.serve) for _ in range(size)]
        for thread in self.threads:
            thread.start()

    def serve(self) -> None:
        while (item := self.handover.take()) is not None:
            self.taken.append(item)

    def end(self) -> None:
        self.handover.close()
        for thread in self.threads:
            thread.join(SOON)
        assert not any(thread.is_alive() for thread in self.threads)


@pytest.mark.parametrize("size", [1, 2, 8])
def test_each_item_is_taken_once_whoever_puts_it(size: int) -> None:
    pool = Pool(size)

    def put(start: int) -> None:
        for item in range(start, start + 2000):
            pool.handover.put(item)

    puts = [threading.Thread(target=put, args=(start,)) for start in (0, 2000, 4000)]
    for thread in puts:
        thread.start()
    for thread in puts:
        thread.join(SOON)
    pool.end()
    assert Counter(pool.taken) == Counter(range(6000))


def test_one_thread_takes_them_in_order() -> None:
    pool = Pool(1)
    for item in range(1000):
        pool.handover.put(item)
    pool.end()
    assert list(pool.taken) == list(range(1000))


def test_long_calls_are_all_under_way_at_once() -> None:
    """Each thread that is woken wakes the next: none of the items waits for another's end."""
    handover, together = Handover[int](), threading.Barrier(9)

    def serve() -> None:
        while handover.take() is not None:
            together.wait(SOON)

    threads = [threading.Thread(target=serve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        for item in range(8):
            handover.put(item)
        together.wait(SOON)
    handover.close()
    for thread in threads:
        thread.join(SOON)
    assert not any(thread.is_alive() for thread in threads)


def test_what_was_put_is_taken_after_the_close_too() -> None:
    handover = Handover[str]()
    handover.put("left")
    handover.close()
    assert [handover.take() for _ in range(3)] == ["left", None, None]
