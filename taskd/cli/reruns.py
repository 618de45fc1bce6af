"""The verbs for runs that ended badly: the dead-letter queue, again, and let go."""

from __future__ import annotations

from typing import Annotated

import typer

from taskd.cli.app import Curl, Json, app, client
from taskd.cli.cards import put_runs
from taskd.cli.render import counted, put, put_json, talk
from taskd.cli.values import duration, instant
from taskd.client import Client, Document

Runs = Annotated[list[str], typer.Argument(metavar="RUN...")]
Error = Annotated[
    str | None, typer.Option(metavar="CLASS", help="Only of that exception class or category.")
]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Ended since: ISO 8601, or a duration ago.")
]


@app.command(epilog="Example: taskd dead feed --error TimeoutError --since 1d")
def dead(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]")] = None,
    error: Error = None,
    since: Since = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="How many at most.")
    ] = 20,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """List the dead-letter queue: runs whose retries are used up."""
    found = client(curl).dead(job, error, instant(since, "--since", direction=-1), limit)
    if json:
        put_json(found)
    elif found:
        put_runs(found)
        talk("do them again with: taskd retry RUN, or --dead; let go with: taskd dismiss RUN")
    else:
        talk("no dead runs")


@app.command(epilog="Example: taskd retry --dead --job feed --error TimeoutError --dry-run")
def retry(
    run: Annotated[list[str] | None, typer.Argument(metavar="[RUN...]")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All of the dead-letter queue.")] = False,
    job: Annotated[str | None, typer.Option(metavar="JOB", help="Of --dead: that job's.")] = None,
    error: Error = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Of --dead: ended longer ago.")
    ] = None,
    since: Since = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would run.")] = False,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Do final runs again, each as a new run that names the old one.

    --job, --error, --older-than and --since choose among --dead.
    \f
    The new run has attempts of its own, and goes on from the last checkpoint. Of the dead at most
    1000 are taken at a time, oldest first, and those of removed jobs are passed over. A run that is
    not final is a conflict.
    """
    if bool(run) == dead:
        raise typer.BadParameter("name runs, or give --dead", param_hint="RUN")
    if run and any((job, error, older_than, since)):
        raise typer.BadParameter("filters choose among --dead, not named runs", param_hint="RUN")
    if older_than is not None:
        duration(older_than, "--older-than")
    since = instant(since, "--since", direction=-1)
    daemon: Client = client(curl)
    if run:
        reply = daemon.retry(run, dry_run)
    else:
        reply = daemon.retry_dead(job, error, older_than, since, dry_run)
    _retried(reply, dry_run=dry_run, json=json)


@app.command(epilog="Example: taskd dismiss 01a20af3-3b21-74cd-9e71-356abab62da7")
def dismiss(run: Runs, json: Json = False, curl: Curl = False) -> None:
    """Let dead runs leave the dead-letter queue; their history stays.

    \f
    It stays until its time is over, see `retention.failed`; dead letters are kept without end.
    """
    reply = client(curl).dismiss(run)
    if json:
        put_json(reply)
        return
    for name in reply["runs"]:
        put(name)
    talk(f"dismissed {counted(len(reply['runs']), 'run')}")


def _retried(reply: Document, *, dry_run: bool, json: bool) -> None:
    if json:
        put_json(reply)
        return
    for run in reply["runs"]:
        put(run["id"])
    runs = counted(len(reply["runs"]), "run")
    wait = f"; wait for it with: taskd wait {reply['runs'][0]['id']}" if runs == "1 run" else ""
    talk(f"{runs} would be done again" if dry_run else f"{runs} queued again{wait}")
    if reply["more"]:
        talk("there may be more: type it again")
