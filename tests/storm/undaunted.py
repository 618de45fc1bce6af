"""A life that asks again until it is answered, however often the store fails it.

`python -m tests.storm.undaunted FOLDER` is that life on a folder, for strace to injure. It exits
with REFUSED where the store could not be opened, and with 0 when all of it was done and at rest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import TypeVar

from taskd.core.job import Job
from taskd.errors import StoreError, StoreUnavailable, StoreUnusable
from tests.storm.lives import PATIENCE_S, Life, Place, job

T = TypeVar("T")

REFUSED = 3
ROUNDS = 8


def jobs(place: Place) -> list[Job]:
    """Return the jobs of the life."""
    return [
        job(place, "tick", "tick", every=0.1),
        job(place, "fail", "fail", every=0.2),
        job(place, "heed", "heed", 0.05),
    ]


def until_answered(ask: Callable[[], T]) -> T:
    """Ask again while the store cannot be had. Raises the last StoreError in the end."""
    beat = Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        try:
            return ask()
        except StoreUnavailable:
            beat.wait(0.02)
    return ask()


def begin(place: Place) -> Life:
    """Return a life whose jobs are defined. Raises StoreUnusable."""
    life = Life(place)
    until_answered(lambda: life.define(jobs(place)))
    return life


def main(folder: str) -> int:
    """Do a little of everything and come to rest; return the exit status."""
    place = Place(Path(folder))
    (place.folder / "pid").write_text(str(os.getpid()))
    try:
        life = begin(place)
    except StoreUnusable as error:
        print(error, file=sys.stderr)
        return REFUSED
    for _ in range(ROUNDS):
        run = until_answered(lambda: life.trigger("heed"))
        ended = life.end_of(run)
        until_answered(life.add_task)
        ended.result(PATIENCE_S)
    until_answered(life.add_job)
    until_answered(lambda: life.settle("tick"))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except StoreError as error:
        sys.exit(str(error))
