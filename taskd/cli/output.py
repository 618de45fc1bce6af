"""The verb that shows what a run printed."""

from __future__ import annotations

import sys
from threading import Event
from typing import Annotated, Final

import typer

from taskd.cli.app import Curl, Json, app, client
from taskd.cli.render import put_json, talk
from taskd.client import Client, Document
from taskd.terminal import harmless_lines

LOOK_EVERY_S: Final = 0.3


@app.command(epilog="Example: taskd logs 01a2... -f")
def logs(
    run: Annotated[str, typer.Argument(metavar="RUN")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until it ends.")] = False,
    attempt: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Which; default: the latest.")
    ] = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Print what a run printed and logged; of much the first and the last part are kept.

    \f
    Of its latest attempt, or the one of --attempt; up to the job's `output_limit`.
    """
    daemon = client(curl)
    if json:
        put_json(_whole(daemon, run, attempt))
        return
    after, pause = 0, Event()
    while True:
        piece = daemon.logs(run, attempt, after)
        if piece["left_out"]:
            sys.stdout.write(f"\n... {piece['left_out']} bytes left out ...\n")
        _write(piece["text"])
        is_over = piece["is_last"] or (not follow and not piece["text"])
        after = piece["after"]
        if is_over:
            break
        if not piece["text"]:
            pause.wait(LOOK_EVERY_S)
    if after == 0:
        talk(f"run {run} has printed nothing")


def _write(text: str) -> None:
    sys.stdout.write(harmless_lines(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _whole(daemon: Client, run: str, attempt: int | None) -> Document:
    """The output so far, in one piece."""
    whole = daemon.logs(run, attempt)
    piece = whole
    while piece["text"] and not piece["is_last"]:
        piece = daemon.logs(run, attempt, piece["after"])
        whole["text"] += piece["text"]
        whole["left_out"] += piece["left_out"]
    return {**whole, "after": piece["after"], "is_last": piece["is_last"]}
