"""Niceness: whether processes for attempts may be less nice than the daemon is."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

from taskd.errors import InvalidJob

CAP_SYS_NICE: Final = 1 << 23  # capabilities(7)
LEAST_NICE: Final = -20
HINT: Final = "write 0 to 19, or permit it: LimitNICE= in the unit of the daemon, or root"


def check_nice(by: int) -> None:
    """Refuse to be less nice where the system would.

    Raises:
        InvalidJob: of ``nice``, with the fix.
    """
    if by < 0 and not _may_be(max(os.getpriority(os.PRIO_PROCESS, 0) + by, LEAST_NICE)):
        raise InvalidJob("nice", f"{by} is less nice than this user may be", HINT)


def _may_be(niceness: int) -> bool:
    soft, _ = resource.getrlimit(resource.RLIMIT_NICE)
    # getrlimit(2): the limit is 20 less the niceness, so that it is never negative.
    is_within = soft == resource.RLIM_INFINITY or 20 - niceness <= soft
    return is_within or bool(_capabilities() & CAP_SYS_NICE)


def _capabilities() -> int:
    """Return the effective capabilities of this process, see proc(5)."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int(status.partition("CapEff:")[2].split(None, 1)[0], 16)
