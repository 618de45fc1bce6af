"""The verbs about the daemon itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from taskd.cli.app import Curl, Json, app, client
from taskd.cli.render import put, put_json, talk
from taskd.client import Document


@app.command(epilog="Example: taskd run jobs.toml")
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The jobs.toml to serve.")],
    socket: Annotated[Path | None, typer.Option(metavar="PATH", help="Where to listen.")] = None,
    store: Annotated[
        str | None, typer.Option(metavar="URL", help="The store, in place of the file's.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Log each line as JSON.")] = False,
) -> None:
    """Run the daemon in the foreground.

    \f
    It prints one line when it is ready: version, jobs, store, socket and what is due next; then one
    line for each finished run: time, job, run, state, duration, and the error of one that failed.
    With --json each line is an object: at, level and message, and for a run also job, run, state,
    reason, duration_s and error. Under systemd it tells its state, see taskd(8).
    """
    from taskd.daemon import run as serve

    raise typer.Exit(serve(file, socket=socket, store=store, as_json=json))


@app.command(epilog="Example: taskd reload")
def reload(json: Json = False, curl: Curl = False) -> None:
    """Read jobs.toml again, all of it or, on any problem, nothing.

    \f
    It answers when the new jobs are in force, with what was added (+), changed (~) and removed (-).
    A refusal leaves the jobs loaded before, and exits 78 with every problem. It never waits for
    runs, and it takes a file without jobs, which the reload by itself refuses.
    """
    reply = client(curl).reload()
    if json:
        put_json(reply)
        return
    for mark, change in (("+", "added"), ("~", "changed"), ("-", "removed")):
        for name in reply[change]:
            put(f"{mark} {name}")
    talk(f"reloaded: {_told(reply)}")


@app.command(epilog="Example: taskd shutdown")
def shutdown(
    now: Annotated[bool, typer.Option("--now", help="Do not wait for what is running.")] = False,
    curl: Curl = False,
) -> None:
    """End the daemon; what is unfinished is handed back.

    \f
    Nothing more starts; what runs has `shutdown_grace` to end. What is handed back uses up no
    attempt, and starts again with the next daemon.
    """
    client(curl).shutdown(now)
    talk("the daemon is stopping" + (" now" if now else ", once its runs end or the grace is over"))


@app.command(epilog="Example: taskd ping && echo it is up")
def ping(json: Json = False, curl: Curl = False) -> None:
    """Ask whether a daemon answers."""
    reply = client(curl).ping()
    if json:
        put_json(reply)
    else:
        put(f"taskd {reply['version']}, pid {reply['pid']}")


def _told(reply: Document) -> str:
    kinds = ("added", "changed", "removed", "unchanged")
    return ", ".join(f"{len(reply[kind])} {kind}" for kind in kinds)
