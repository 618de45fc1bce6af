"""The verb that shows what runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from taskd.cli.app import Curl, Json, app, client
from taskd.cli.progress import doing
from taskd.cli.render import put_json, put_table, talk
from taskd.cli.table import Column
from taskd.cli.times import took
from taskd.client import Document

_RUNNING = (
    Column("RUN"),
    Column("JOB", flexible=True),
    Column("ATTEMPT", wide=2),
    Column("EXECUTOR", wide=2),
    Column("PID", wide=2),
    Column("ELAPSED"),
    Column("PROGRESS", flexible=True),
)


@app.command(epilog="Example: taskd ps --json")
def ps(json: Json = False, curl: Curl = False) -> None:
    """List what runs now, and how far it has come.

    \f
    Job, run, attempt, executor, process and elapsed time; and what the callable tells of its
    progress, with the time left at the pace so far.
    """
    running = client(curl).ps()
    if json:
        put_json(running)
    else:
        put_running(running)


def put_running(running: Sequence[Document]) -> None:
    """What runs as a table, the longest first."""
    if running:
        put_table(_RUNNING, [_row(live) for live in running])
    else:
        talk("nothing runs")


def _row(live: Document) -> tuple[str, ...]:
    return (
        live["run"],
        live["job"] or "",
        f"{live['attempt']} of {live['max_attempts']}",
        live["executor"] or "",
        "" if live["pid"] is None else str(live["pid"]),
        took(live["elapsed_s"]),
        doing(live, bars=sys.stdout.isatty()),
    )
