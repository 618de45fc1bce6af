"""Late: what becomes of occurrences that nobody decided in time.

One policy for every cause: the daemon was down, the machine slept, the loop was held up, the clock
was set forward, the job was paused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from taskd.core.duration import check_longest
from taskd.errors import InvalidJob

ON_TIME: Final = timedelta(seconds=1)
"""With ``catchup = "skip"`` and no grace, an occurrence is on time for so long."""


class Catchup(StrEnum):
    """Which of the missed occurrences run: the latest, all of them, or none."""

    LATEST = "latest"
    ALL = "all"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Late:
    """How late an occurrence may still run (`grace`, None: however late), and which of them do.

    With `Catchup.ALL` at most `limit` run at a time, the oldest first.

    Raises:
        InvalidJob: the grace is over a century, or the limit below 1.
    """

    grace: timedelta | None = None
    catchup: Catchup = Catchup.LATEST
    limit: int = 1000

    def __post_init__(self) -> None:
        check_longest("misfire_grace_time", self.grace, 'write "inf" for however late')
        if self.limit < 1:
            raise InvalidJob("catchup_limit", f"{self.limit} is less than 1")

    @property
    def tolerance(self) -> timedelta | None:
        """How late an occurrence may be and still run; None: however late."""
        if self.grace is None and self.catchup is Catchup.SKIP:
            return ON_TIME
        return self.grace


FORGIVING: Final = Late()
"""The default: however late, the latest of what was missed still runs."""
