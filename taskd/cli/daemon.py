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
    socket: Annotated[Path | None, typer.Option(help="Where to listen.")] = None,
    store: Annotated[str | None, typer.Option(help="The store's URL, before the file's.")] = None,
) -> None:
    """Run the daemon in the foreground."""
    from taskd.daemon import run as serve

    raise typer.Exit(serve(file, socket=socket, store=store))


@app.command(epilog="Example: taskd reload")
def reload(json: Json = False, curl: Curl = False) -> None:
    """Read jobs.toml again, all of it or, on any problem, nothing."""
    reply = client(curl).reload()
    if json:
        put_json(reply)
        return
    for mark, change in (("+", "added"), ("~", "changed"), ("-", "removed")):
        for name in reply[change]:
            put(f"{mark} {name}")
    talk(f"reloaded: {_counted(reply)}")


@app.command(epilog="Example: taskd shutdown")
def shutdown(
    now: Annotated[bool, typer.Option("--now", help="Do not wait for what is running.")] = False,
    curl: Curl = False,
) -> None:
    """End the daemon; what is unfinished is handed back."""
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


def _counted(reply: Document) -> str:
    kinds = ("added", "changed", "removed", "unchanged")
    return ", ".join(f"{len(reply[kind])} {kind}" for kind in kinds)
