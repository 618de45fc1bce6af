"""The command line: one function for each verb, most of them a call of the control API."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from taskd.cli.app import app
from taskd.cli.failures import Exit, status_of, told
from taskd.cli.render import talk
from taskd.errors import TaskdError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line, by default this process's own, and give its exit status."""
    if isinstance(sys.stdout, TextIOWrapper):
        # What the encoding of this terminal lacks is spelled out rather than a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = _invoke(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has left, as `head` does. The interpreter flushes once more at its exit, and
        # that must not fail aloud.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    return status


def _invoke(arguments: Sequence[str] | None) -> int:
    try:
        app(args=arguments, prog_name="taskd")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.DONE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except TaskdError as error:
        for line in told(error):
            talk(line)
        return status_of(error)
    return Exit.DONE
