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
    milliseconds, fraction = stamp >> 12, stamp & 0xFFF
    random = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF
    number = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random
    text = f"{number:032x}"
    return RunId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")
