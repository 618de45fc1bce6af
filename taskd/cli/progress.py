"""Progress and the time left, in a line for people."""

from __future__ import annotations

import sys
from typing import Final

from taskd.cli.times import took
from taskd.client import Document

BAR: Final = 10  # columns


def bar(progress: Document, width: int = BAR) -> str:
    """A bar, in ASCII where the terminal has no blocks; empty where there is no total."""
    share = _share(progress)
    if share is None:
        return ""
    full, empty = ("█", "░") if _has("█░") else ("#", ".")
    filled = int(share * width)
    return full * filled + empty * (width - filled)


def percent(progress: Document) -> str:
    """How much is done, as ``42%``, never 100% before all is; empty without a total."""
    share = _share(progress)
    return "" if share is None else f"{int(share * 100)}%"


def time_left(progress: Document) -> str:
    """The estimate of what it still takes, as ``3m12s left``; empty where there is none."""
    eta_s = progress.get("eta_s")
    return f"{took(eta_s)} left" if eta_s else ""


def progress_words(progress: Document | None, *, bars: bool = False) -> str:
    """All of it: ``42% (5 of 12), 3m12s left, a note``; empty where nothing was told.

    With `bars` a bar takes the place of the numbers.
    """
    if not progress:
        return ""
    done, total = progress["done"], progress.get("total")
    if total is None:
        told = [f"{_number(done)} done"]
    elif bars:
        told = [f"{bar(progress)} {percent(progress)}"]
    else:
        told = [f"{percent(progress)} ({_number(done)} of {_number(total)})"]
    return ", ".join(filter(None, [*told, time_left(progress), progress.get("note")]))


def doing(live: Document, *, bars: bool = False) -> str:
    """How an attempt under way stands: that it is being stopped, say, and its progress."""
    progress = progress_words(live.get("progress"), bars=bars)
    return ", ".join(filter(None, [_end_in_sight(live), progress]))


def _end_in_sight(live: Document) -> str:
    if live["abandoned"]:
        return "abandoned"
    if live["timed_out"]:
        return "timed out"
    if live["stopping"]:
        return "stopping"
    return "blocks the event loop" if live.get("blocks") else ""


def _share(progress: Document) -> float | None:
    """The part that is done, from 0 to 1; None where nobody knows of how much."""
    done, total = progress["done"], progress.get("total")
    if total is None:
        return None
    return 1.0 if done >= total else float(done / total)


def _number(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.6g}"


def _has(characters: str) -> bool:
    try:
        characters.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
