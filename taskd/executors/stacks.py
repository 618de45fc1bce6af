"""Stacks: where a thread or a coroutine is, told taskd's own part left out."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

HERE: Final = Path(__file__).parent
OURS: Final = f"{HERE}/"
CALLERS: Final = {str(HERE / "call.py"), str(HERE / "coroutines.py")}
"""What calls all that is not ours."""
BEGINNINGS: Final = {threading.__file__, "<string>"}
"""The outermost frames of a thread, and of a worker's main thread."""


@dataclass(frozen=True, slots=True)
class Dump:
    """What a thread of another process told of its stack, in faulthandler's words."""

    thread: int
    is_main: bool
    text: str


def stack_of_thread(thread: int) -> str:
    """Return the stack of a thread from the callable on, empty where there is none."""
    frame = sys._current_frames().get(thread)
    return "" if frame is None else stack_of_frame(frame)


def stack_of_frame(frame: FrameType) -> str:
    """Return the callable's frames of a stack, the latest call last."""
    frames = traceback.extract_stack(frame)
    return "".join(traceback.format_list(frames[_theirs([one.filename for one in frames])]))


def stack_of_coroutine(coroutine: object) -> str:
    """Return where a suspended coroutine awaits, down to the innermost one that it awaits."""
    frames: list[traceback.FrameSummary] = []
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        frames += traceback.extract_stack(frame, limit=1)
        coroutine = getattr(coroutine, "cr_await", None)
    theirs = [one for one in frames if not one.filename.startswith(OURS)]
    return "".join(traceback.format_list(theirs))


def stack_of_dumps(dumps: Iterable[Dump]) -> str:
    """Return where threads were, without those and the frames that are ours."""
    stacks = []
    for dump in dumps:
        _, *calls = dump.text.strip("\n").split("\n")
        calls.reverse()  # the latest is told first
        theirs = calls[_theirs([_filename(call) for call in calls])]
        if theirs:
            who = "Main thread" if dump.is_main else f"Thread {dump.thread}"
            stacks.append("\n".join([f"{who} (most recent call first):", *reversed(theirs)]) + "\n")
    return "\n".join(stacks)


def _theirs(files: Sequence[str]) -> slice:
    """Return which frames of a stack, whose files are given from the outermost on, are not ours.

    Those that our caller called, up to what they call of ours themselves: the wait for an answer to
    `current_run`, say, or our handler of a signal that came just then.
    """
    callers = [place for place, file in enumerate(files) if file in CALLERS]
    if callers:
        begin = callers[-1] + 1
    else:
        begin = next((n for n, file in enumerate(files) if file not in BEGINNINGS), 0)
    ends = (n for n, file in enumerate(files) if n >= begin and file.startswith(OURS))
    return slice(begin, next(ends, len(files)))


def _filename(call: str) -> str:
    """Return the file in a line of faulthandler's, which has it in quotes."""
    return call.partition('"')[2].partition('"')[0]
