"""`taskd status --watch`: the jobs as they stand, drawn again when something has changed."""

from __future__ import annotations

import sys
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final

from rich.text import Text

from taskd.cli.cards import JOBS, daemon_line, job_row, put_jobs
from taskd.cli.feed import Feed, Fetched, Lost
from taskd.cli.render import ellipsis, has_colour, put_json_line, talk
from taskd.cli.stage import Stage, is_possible
from taskd.cli.table import cut, fitted_lines
from taskd.client import Client, Document
from taskd.terminal import harmless

TICK_S: Final = 1.0  # relative times go on


def watch_status(daemon: Client, *, json: bool) -> None:
    """Show the jobs full screen until q or Ctrl-C, or print them after each change elsewhere."""
    document = daemon.status()
    news: SimpleQueue[Any] = SimpleQueue()
    feed = Feed(daemon, daemon.status, lambda _: False, news)
    with suppress(KeyboardInterrupt):
        if json or not is_possible():
            _print_each(document, feed, news, json=json)
        else:
            with Stage(news) as stage:
                _show(document, stage, feed, news)


def _print_each(document: Document, feed: Feed, news: SimpleQueue[Any], *, json: bool) -> None:
    """Print the document now and after each change: with `json` a line each."""
    put_document = put_json_line if json else put_jobs
    put_document(document)
    sys.stdout.flush()
    feed.start()
    while True:
        match news.get():
            case Fetched(newer) if _facts(newer) != _facts(document):
                document = newer
                if not json:
                    sys.stdout.write("\n")
                put_document(document)
                sys.stdout.flush()
            case Lost(reason):
                talk(reason)
            case _:
                pass


def _facts(document: Document) -> list[Document]:
    """The jobs without what goes on by itself: for how long a run has been under way."""
    return [{**job, "live": None} for job in document["jobs"]]


def _show(document: Document, stage: Stage, feed: Feed, news: SimpleQueue[Any]) -> None:
    feed.start()
    lost = ""
    while True:
        width, height = stage.size
        stage.show(_lines(document, lost, width, height))
        with suppress(Empty):
            match news.get(timeout=TICK_S):
                case Fetched(document):
                    lost = ""
                case Lost(lost):
                    pass
                case "suspended":
                    stage.suspend()
                case "q":
                    return
                case _:
                    pass


def _lines(document: Document, lost: str, width: int, height: int) -> list[Text]:
    jobs = document["jobs"]
    rows = [[harmless(cell) for cell in job_row(job)] for job in jobs]
    table = fitted_lines(JOBS, rows, width, colour=has_colour(), ellipsis=ellipsis())
    asking = f"calling the daemon again: {lost}"
    head = asking if lost else daemon_line(document["daemon"], jobs)
    lines = [Text(cut(harmless(head), width, ellipsis()), style="bold red" if lost else "")]
    lines += [Text.from_ansi(line) for line in table]
    if len(lines) > height:
        left_out = len(lines) - height + 1
        lines[height - 1 :] = [Text(f"and {left_out} lines more", style="dim")]
    return lines
