"""A daemon that gets SIGTERM at the n-th passing of a crash point, from itself.

`python -m tests.storm.terminated POINT N ARGUMENT...` runs `taskd ARGUMENT...` so.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count

from taskd import crashpoints
from taskd.__main__ import main


def terminate_at(point: str, passing: int) -> None:
    """Have the signal come in the midst of it, whichever thread passes."""
    passings = count(1)

    def passed(name: str) -> None:
        if name == point and next(passings) == passing:
            os.kill(os.getpid(), signal.SIGTERM)

    crashpoints.tell(passed)


if __name__ == "__main__":
    _, point, passing, *arguments = sys.argv
    terminate_at(point, int(passing))
    sys.argv = ["taskd", *arguments]
    main()
