"""Stacks: where a thread or a coroutine is, told taskd's own part left out."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Final

OURS: Final = str(Path(__file__).parent)


def stack_of_thread(thread: int) -> str:
    """Return the stack of a thread from the callable on, empty where there is none."""
    frame = sys._current_frames().get(thread)
    return "" if frame is None else stack_of_frame(frame)


def stack_of_coroutine(coroutine: object) -> str:
    """Return where a suspended coroutine awaits, down to the innermost one that it awaits."""
    frames: list[traceback.FrameSummary] = []
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        frames += traceback.extract_stack(frame, limit=1)
        coroutine = getattr(coroutine, "cr_await", None)
    theirs = [one for one in frames if not one.filename.startswith(OURS)]
    return "".join(traceback.format_list(theirs))


def theirs_of(dump: str) -> str:
    """Return what faulthandler wrote of all threads without those and the frames that are ours."""
    threads = (_theirs_of_thread(block.strip("\n")) for block in dump.split("\n\n"))
    return "\n\n".join(filter(None, threads)) + "\n"


def _theirs_of_thread(block: str) -> str:
    head, *frames = block.split("\n")
    ours = [place for place, frame in enumerate(frames) if OURS in frame]
    if not ours:
        return block
    if "_bootstrap" in frames[-1]:  # a thread that we began
        return ""
    # The latest call comes first; before that of the callable by us it may wait in current_run.
    begin = next(place for place in range(len(frames) + 1) if place not in ours)
    end = next((place for place in ours if place > begin), len(frames))
    return "\n".join([head, *frames[begin:end]])


def stack_of_frame(frame: FrameType) -> str:
    """Return the frames behind the last of the executors' own, which called the callable."""
    frames = traceback.extract_stack(frame)
    while frames and frames[-1].filename.startswith(OURS):  # it waits in current_run, say
        frames.pop()
    ours = [place for place, one in enumerate(frames) if one.filename.startswith(OURS)]
    return "".join(traceback.format_list(frames[ours[-1] + 1 if ours else 0 :]))
