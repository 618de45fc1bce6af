"""What must hold; the numbers are those of the architecture's list."""

from collections.abc import Callable
from enum import Enum
from typing import TypeAlias


class Rule(Enum):
    DECIDED_ONCE = "1: every due instant has exactly one decision, as the policy says"
    HISTORIES = "2: every history is a path of the table, every attempt is committed, then started"
    OVERLAP = "3: a job never has more runs under way than instances"
    ATTEMPTS = "4: attempts are 1..n without gap, fences grow, a stale end changes nothing"
    SAME_FILE = "6: loading the same file again changes nothing"
    WAKEUPS = "7: the loop never sleeps past what is due, never leaves a slot idle, never spins"
    EARLY = "no attempt begins before its run is due, and none says so"
    FOLD = "9: folding the journal gives the tables"
    FAILURES = "what follows a failure is what the job's policy says, and is never early"
    ONCE = "a mark is given once, a key is done once"


Expect: TypeAlias = Callable[[Rule, object, str], None]
"""Told of a rule, whether it holds here, and what is wrong where it does not."""
