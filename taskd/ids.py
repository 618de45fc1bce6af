"""Ids: UUIDv7 text (RFC 9562), in order of creation within a process."""

from __future__ import annotations

import os
import threading
from datetime import datetime

from taskd.core.run import RunId, microseconds

_lock = threading.Lock()
_last = 0


def new_id(now: datetime) -> RunId:
    """Return a new id whose text sorts by `now`, then by call. Safe from any thread.

    The 12 bits after the version hold fractions of the millisecond (RFC 9562, section 6.2, method
    3), raised where needed so that no two ids of a process tie or run backwards.
    """
    global _last
    whole = microseconds(now)
    stamp = (whole // 1000) << 12 | (whole % 1000) * 4
    with _lock:
        _last = stamp = max(stamp, _last + 1)
    chance = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF | 0b10 << 62
    first, second = stamp >> 28, stamp >> 12 & 0xFFFF
    third, fourth, last = 0x7000 | stamp & 0xFFF, chance >> 48, chance & 0xFFFF_FFFF_FFFF
    return RunId(f"{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{last:012x}")
