"""The verbs about the journal and the store: what happened, does it hold together, copy it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from taskd.cli.app import Curl, Json, app, client
from taskd.cli.failures import Exit
from taskd.cli.render import put, put_json, put_json_line, talk
from taskd.cli.times import local, time_of_day
from taskd.client import Client
from taskd.errors import ApiError, NoDaemon, StoreUnusable
from taskd.terminal import harmless

LAST: Final = 20  # events where it is not said how many

Store = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Default: the running daemon's, else the default one."),
]

Replay = Annotated[
    str | None,
    typer.Option(metavar="JOB", help="Show how its recorded decisions would be made today."),
]
Until = Annotated[int | None, typer.Option(min=1, metavar="SEQ", help="Replay up to that event.")]
After = Annotated[int | None, typer.Option(min=0, metavar="SEQ", help="Only those after that one.")]
Count = Annotated[
    int | None,
    typer.Option("-n", min=1, max=1_000_000, metavar="N", help="How many; default: the last 20."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Changes nothing, as no replay does.")]


@app.command(epilog="Example: taskd events feed -f")
def events(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]")] = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with each new one.")
    ] = False,
    after: After = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Only those of that run.")] = None,
    count: Count = None,
    replay: Replay = None,
    until: Until = None,
    dry_run: DryRun = False,  # noqa: ARG001 - a replay never does anything else
    store: Store = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Show the journal: who did what, and what became of it, in the order of the commits.

    With --json each event is a line of JSON. What -f shows is on the disk already. A replay needs
    no daemon, and exits 1 if anything would be decided otherwise today.
    \f
    With --replay it shows each decision about the occurrences of JOB that the journal tells, beside
    what today's planning makes of the same inputs; nothing is changed.
    """
    if replay is not None:
        from taskd.cli.replays import show_replay

        raise typer.Exit(show_replay(store_path(store), replay, until, json=json))
    limit = count if after is not None else count or LAST
    seq = after
    try:
        for event in client(curl).events(after, job, run, limit, follow):
            put_line(event, json=json)
            seq = event["seq"]
    except ApiError as error:
        if error.code == "no_answer" and seq is not None:
            talk(f"the stream broke off; go on with: taskd events --after {seq}")
        raise


@app.command(epilog="Example: taskd verify --store sqlite:///var/lib/taskd/taskd.db")
def verify(
    store: Store = None,
    rebuild: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Make a new store there from the journal alone."),
    ] = None,
    json: Json = False,
) -> None:
    """Check that the journal is whole and agrees with the tables; also while a daemon runs.

    \f
    Needs no daemon, and holds up none. Exits 1 where it finds something.
    """
    from taskd.stores import rebuild as rebuilding
    from taskd.stores import verify as verifying

    path = store_path(store)
    found = verifying.verify(path)
    if json:
        put_json({"ok": found.is_sound, "store": str(path), **asdict(found)})
    else:
        for finding in found.findings:
            put(finding)
        if found.is_sound:
            counts = f"{found.events} events, {found.jobs} jobs, {found.runs} runs"
            put(f"ok: {counts} in {path}")
    if rebuild is not None:
        rebuilding.rebuild(path, rebuild)
        talk(f"made {rebuild}; stop taskd and put it in the place of {path}")
    elif not found.is_sound:
        raise typer.Exit(Exit.FAILED)


@app.command(epilog="Example: taskd backup taskd-$(date +%F).db")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    store: Store = None,
    json: Json = False,
) -> None:
    """Copy the store as it is at one commit; also while a daemon runs.

    \f
    Needs no daemon, and holds up none. The copy is a store: stop taskd and put it in the place of
    the other.
    """
    from taskd.stores import backup as copying

    path = store_path(store)
    head = copying.backup(path, file)
    if json:
        put_json({"store": str(path), "file": str(file), "head": head})
    else:
        put(str(file))
        talk(f"copied {path} as it was at event {head}")


@app.command(epilog="Example: taskd prune")
def prune(json: Json = False, curl: Curl = False) -> None:
    """Forget now what has been kept long enough; the daemon does so every hour."""
    reply = client(curl).prune()
    if json:
        put_json(reply)
    else:
        put(f"{reply['runs']} runs and {reply['events']} events forgotten")


def put_line(event: Mapping[str, Any], *, json: bool) -> None:
    """Print an event, at once: somebody may be waiting for it at the other end of a pipe."""
    if json:
        put_json_line(event)
    else:
        what = " ".join(filter(None, (event["kind"], event["job"], event["run"])))
        at, by = local(event["at"]), f"  by {event['actor']}"
        if sys.stdout.isatty():  # where a line is short: the day is today, the actor is taskd
            at = time_of_day(event["at"]) or at
            by = "" if event["actor"] == "taskd" else by
        put(harmless(f"{event['seq']}  {at}  {what}{by}"))
    sys.stdout.flush()


def store_path(url: str | None, default: Path | None = None) -> Path:
    """The file of the store that is meant: `url`'s, the running daemon's, or `default`.

    That is in the state directory where none is given.

    Raises:
        StoreUnusable: There is none, or `url` is not one's address.
    """
    from taskd.places import state_directory
    from taskd.stores import sqlite_path

    if url is not None:
        path = sqlite_path(url, Path.cwd())
    elif (serving := _served()) is not None:
        path = serving
    else:
        path = default or state_directory(os.environ, os.geteuid()) / "taskd.db"
    if not path.exists():
        raise StoreUnusable(str(path), "is not there", "give --store sqlite:///path/to/taskd.db")
    return path


def _served() -> Path | None:
    try:
        path = Client().status()["daemon"].get("store_path")
    except NoDaemon:
        return None
    return Path(path) if path else None
