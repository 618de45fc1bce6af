"""The verb that tells what a file would change before it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from taskd.cli.app import Json, app
from taskd.cli.journal import Store, store_path
from taskd.cli.render import counted, put, put_json, talk
from taskd.cli.times import clock, local
from taskd.client import Document
from taskd.errors import StoreUnusable

if TYPE_CHECKING:
    from taskd.config.load import Configuration
    from taskd.core.job import JobName
    from taskd.core.record import JobRecord

Stock = tuple["list[JobRecord]", Callable[["JobName"], int]]
SIGNS: Final = {"added": "+", "changed": "~", "removed": "-"}
IN_JSON: Final = 100  # runs of a job that comes or goes that are told at least


@app.command(epilog="Example: taskd diff jobs.toml --days 30")
def diff(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The jobs.toml that is to be loaded.")
    ],
    days: Annotated[
        int, typer.Option(min=1, max=366, metavar="N", help="How far to look ahead.")
    ] = 7,
    count: Annotated[
        int,
        typer.Option("-n", min=0, max=1000, metavar="N", help="How many runs of a job to list."),
    ] = 5,
    store: Store = None,
    json: Json = False,
) -> None:
    """Tell what loading a jobs.toml would change, before it does.

    That is: jobs, their keys, and which runs of the next days come (+), go (-) or move (~). It is
    compared with the jobs of the running daemon, or else with those that the store kept.
    \f
    The store is that of --store, else the file's, else the default one; where there is none, every
    job is new. Nothing is changed. Problems of the file are told as check tells them. Needs no
    daemon.
    """
    from taskd.cli.offline import checked, reported

    with reported(json=json):
        listed = max(count, IN_JSON if json else 1)
        document = _compared(checked(file), store, days, listed)
    if json:
        put_json(document)
    else:
        _put(document, count)


def _compared(configuration: Configuration, url: str | None, days: int, listed: int) -> Document:
    """The file beside the jobs of the store. Raises ConfigError where it would be refused."""
    from taskd.comparison import comparison
    from taskd.config.system_zone import system_zone
    from taskd.core.job import Source
    from taskd.core.zones import zone
    from taskd.reloading import refuse_taken_names

    path, now = _stored_at(url, configuration), clock().now()
    with _stock(path) as (records, live):
        added = {one.job.name for one in records if one.job.source is not Source.FILE}
        refuse_taken_names(configuration, added)
        compared = comparison(
            records,
            configuration.jobs,
            now=now,
            until=now + timedelta(days=days),
            zone=zone(configuration.settings.timezone or system_zone()),
            live=live,
            listed=listed,
        )
    head = {"file": str(configuration.path), "store": path and str(path), "days": days}
    return {**head, **compared}


def _stored_at(url: str | None, configuration: Configuration) -> Path | None:
    """Where the jobs there are can be read; None where there are none yet."""
    from taskd.stores import sqlite_path

    own, folder = configuration.settings.store, configuration.path.absolute().parent
    try:
        return store_path(url, sqlite_path(own, folder) if own else None)
    except StoreUnusable:
        if url is not None:
            raise
        return None


@contextmanager
def _stock(path: Path | None) -> Iterator[Stock]:
    """The jobs that a store has, and how many runs of each are live; none where there is none."""
    from taskd.core.run import FINAL, RunState
    from taskd.stores.history import opened

    if path is None:
        yield [], lambda _: 0
        return
    live = [state for state in RunState if state not in FINAL]
    with opened(path) as history:
        yield history.jobs(), lambda name: len(history.runs(job=name, states=live, limit=1))


def _put(document: Document, count: int) -> None:
    for kind, sign in SIGNS.items():
        for job in document[kind]:
            _put_job(job, kind, sign)
            _put_runs(job, kind, document, count)
    counts = ", ".join(f"{len(document[kind])} {kind}" for kind in (*SIGNS, "unchanged"))
    against = f"compared with {document['store']}" if document["store"] else "there is no store yet"
    talk(f"{counts}; {against}; nothing was changed")


def _put_job(job: Document, kind: str, sign: str) -> None:
    schedule = f": {job['schedule']}" if job["schedule"] and kind == "added" else ""
    put(f"{sign} {job['name']}{schedule}")
    for key, change in job["keys"].items():
        put(f"    {key}: {_told(change['before'])} -> {_told(change['after'])}")
    if job["state"] != "active":
        put(f"    it is {job['state']}, and stays so")


def _put_runs(job: Document, kind: str, document: Document, count: int) -> None:
    """The first runs that come, go or move, and how many there are in the days looked at."""
    runs = job["runs"]
    before, after = runs["before"], runs["after"]
    lines = sorted(_changes(runs))
    for _, line in lines[:count]:
        put(f"    {line}")
    found = len(lines) if kind == "changed" else before + after
    if (more := found - len(lines[:count])) > 0:
        is_whole = kind != "changed" or runs["compared_until"] == document["until"]
        end = "" if is_whole else f" up to {local(runs['compared_until'])}"
        put(f"    ... and {more} more{end}")
    words = counted(before if kind == "removed" else after, "run")
    if kind == "changed" and before != after:
        words = f"{counted(before, 'run')} before, {after} after"
    put(f"    {words} in {counted(document['days'], 'day')}")


def _changes(runs: Document) -> Iterator[tuple[str, str]]:
    """A line for each run that comes, goes or moves, with the instant that sorts it."""
    for due in runs["gone"]:
        yield due["due_at"], f"- {_due(due)}"
    for due in runs["new"]:
        yield due["due_at"], f"+ {_due(due)}"
    for pair in runs["moved"]:
        before, after = pair["before"], pair["after"]
        yield before["due_at"], f"~ {_due(before)} -> {_due(after)}"


def _due(due: Document) -> str:
    return local(due["due_at"]) + (f" ({due['note']})" if due["note"] else "")


def _told(value: str | None) -> str:
    return "none" if value is None else value
