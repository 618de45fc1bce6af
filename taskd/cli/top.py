"""The verb that shows all of it, live: what runs, what comes, what failed."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from taskd.cli.app import Curl, Json, app, client
from taskd.cli.failures import told
from taskd.cli.feed import Feed, Fetched, Lost
from taskd.cli.page import Page, output_of
from taskd.cli.picture import Row, picture, sections
from taskd.cli.render import ellipsis, put_json
from taskd.cli.stage import Stage, is_possible
from taskd.cli.table import cut
from taskd.client import FINAL_STATES, Client, Document
from taskd.errors import ApiError, NoDaemon
from taskd.terminal import harmless

TICK_S: Final = 1.0  # countdowns go on
PIPE_COLUMNS: Final = 120
KEYS: Final = {
    "run": "s stop   l logs   p pause its job   t trigger",
    "job": "t trigger   p pause or resume   s stop",
    "failure": "e error   l logs   r retry   t trigger   p pause its job",
}


@dataclass(frozen=True, slots=True)
class Answered:
    """What the daemon answered to a key, and what is to be done with it."""

    then: Callable[[str], object]
    text: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A page that is shown over the view; `again` gives its text anew."""

    page: Page
    again: Callable[[], str]


@app.command(epilog="Example: taskd top")
def top(
    once: Annotated[bool, typer.Option("--once", help="Print it once; so does a pipe.")] = False,
    count: Annotated[
        int, typer.Option("-n", min=1, max=1000, metavar="N", help="How many jobs at most.")
    ] = 50,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Show what runs, what is due next and what failed, live.

    Keys act on the row that is selected: pause its job, stop it, retry it, show its logs.
    \f
    Up and down, or k and j, select a row. p pauses its job, or resumes it; s stops the run, or the
    job, once you have said y; t triggers the job; r does a run that failed again; l shows what the
    run, or the job's last one, printed, and e its traceback; q ends. A daemon that is gone is
    called again until it answers.
    """
    daemon = client(curl)
    document = daemon.top(count)
    if json:
        put_json(document)
    elif once or not is_possible():
        put_picture(document)
    else:
        news: SimpleQueue[Any] = SimpleQueue()
        feed = Feed(daemon, lambda: daemon.top(count), _is_moving, news)
        with Stage(news) as stage, suppress(KeyboardInterrupt):
            Top(daemon, document, stage, feed, news).run()


def put_picture(document: Document) -> None:
    """Print the picture once, as wide as the terminal, with no colour in a pipe."""
    from rich.console import Console

    width = shutil.get_terminal_size((PIPE_COLUMNS, 0)).columns
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False, width=width)
    for line in picture(document, width):
        console.print(line)


class Top:
    """The view as it stands: the document, what is selected, and what was said last."""

    def __init__(
        self, daemon: Client, document: Document, stage: Stage, feed: Feed, news: SimpleQueue[Any]
    ) -> None:
        self._daemon = daemon
        self._document = document
        self._stage = stage
        self._feed = feed
        self._news = news
        self._selected: Row | None = None
        self._said = ""
        self._lost = ""
        self._asked: Callable[[], str] | None = None  # what "y" does
        self._opened: Opened | None = None
        self._actions: dict[str, Callable[[Row], None]] = {
            "p": self._pause,
            "s": self._stop,
            "r": self._retry,
            "t": self._trigger,
            "l": self._logs,
            "e": self._error,
        }

    def run(self) -> None:
        """Show it until somebody quits."""
        self._feed.start()
        while True:
            self._keep_selected()
            self._stage.show(self._drawn())
            with suppress(Empty):
                item = self._news.get(timeout=TICK_S)
                if item == "q" and self._opened is None:
                    return
                self._take(item)

    def _take(self, item: Any) -> None:
        match item:
            case Fetched(document):
                self._document, self._lost = document, ""
                if self._opened:
                    self._do(self._opened.again, self._opened.page.follow)
            case Lost(reason):
                self._lost = reason
            case Answered(then, text):
                then(text)
            case "suspended":
                self._stage.suspend()
            case str() if self._opened:
                self._turn(item, self._opened.page)
            case str():
                self._press(item)
            case _:
                raise AssertionError(item)

    def _press(self, key: str) -> None:
        if self._asked is not None:
            asked, self._asked, self._said = self._asked, None, ""
            if key == "y":
                self._do(asked, self._say)
        elif key in ("up", "k", "down", "j", "page up", "page down"):
            self._move({"up": -1, "k": -1, "page up": -10, "page down": 10}.get(key, 1))
        elif key in self._actions and self._selected:
            self._actions[key](self._selected)

    def _turn(self, key: str, page: Page) -> None:
        steps = {"up": 1, "k": 1, "down": -1, "j": -1, "page up": 20, "page down": -20}
        if key in steps:
            page.scroll(steps[key])
        elif key in ("q", "escape", "enter"):
            self._opened = None

    # -- the rows --------------------------------------------------------------------------------

    def _rows(self) -> list[Row]:
        return [row for section in sections(self._document) for row in section.rows]

    def _keep_selected(self) -> None:
        """Select the same thing as before, or what is in its place now."""
        rows = self._rows()
        kept = [row for row in rows if self._selected and row.key == self._selected.key]
        self._selected = next(iter(kept or rows), None)

    def _move(self, by: int) -> None:
        rows = self._rows()
        keys = [row.key for row in rows]
        if self._selected and self._selected.key in keys:
            at = keys.index(self._selected.key) + by
            self._selected = rows[max(0, min(at, len(rows) - 1))]
        self._said = ""

    # -- what keys do ----------------------------------------------------------------------------

    def _pause(self, row: Row) -> None:
        name = row.job
        if row.kind == "job" and row.state in ("paused", "stopped"):
            self._do(lambda: f"{self._daemon.resume(name)['name']} goes on", self._say)
        elif name:
            self._do(lambda: f"paused {self._daemon.pause(name)['name']}; p resumes it", self._say)

    def _stop(self, row: Row) -> None:
        if row.kind == "failure":
            self._say("it has ended")
            return
        what = f"run {row.run} of {row.job}" if row.run else f"{row.job}, its schedule and its runs"
        self._say(f"stop {what}? y or n")
        self._asked = lambda: self._stopped(row)

    def _stopped(self, row: Row) -> str:
        if not row.run:
            return f"{row.job} is {self._daemon.stop_job(row.job)['state']}; p revives it"
        state = self._daemon.stop_run(row.run)["state"]
        is_over = state in FINAL_STATES
        return f"{row.run} is {state}" + ("" if is_over else ": it was asked to end, and may yet")

    def _retry(self, row: Row) -> None:
        if row.kind != "failure":
            self._say("only a run that failed can be retried; t triggers a new one")
            return
        run = row.run
        self._do(lambda: f"queued again as {self._daemon.retry([run])['runs'][0]['id']}", self._say)

    def _trigger(self, row: Row) -> None:
        name = row.job
        if name:
            self._do(lambda: f"triggered {name}: {self._daemon.trigger(name)['id']}", self._say)

    def _logs(self, row: Row) -> None:
        run = row.run or self._last_run_of(row.job)
        if run is None:
            self._say(f"{row.job} has not run yet")
            return
        self._open(f"output of {row.job} {run}", lambda: output_of(self._daemon, run))

    def _error(self, row: Row) -> None:
        run = row.run or self._last_run_of(row.job)
        if run is None:
            self._say(f"{row.job} has not run yet")
            return
        self._open(f"error of {row.job} {run}", lambda: _traceback(self._daemon, run))

    def _last_run_of(self, job: str) -> str | None:
        last = next(each["last_run"] for each in self._document["next"] if each["name"] == job)
        return last["id"] if last else None

    def _open(self, title: str, text: Callable[[], str]) -> None:
        def show(shown: str) -> None:
            self._opened = Opened(Page(title, shown), text)

        self._do(text, show)

    def _do(self, ask: Callable[[], str], then: Callable[[str], object]) -> None:
        """Ask the daemon in a thread of its own: the view goes on meanwhile."""

        def work() -> None:
            try:
                self._news.put(Answered(then, ask()))
            except (ApiError, NoDaemon) as error:
                words = " ".join(told(error)).removeprefix("taskd: ")
                self._news.put(Answered(self._say, words))
            self._feed.stir()

        threading.Thread(target=work, daemon=True).start()

    def _say(self, text: str) -> None:
        self._said = text

    # -- how it looks ----------------------------------------------------------------------------

    def _drawn(self) -> list[Text]:
        width, height = self._stage.size
        if self._opened:
            return self._opened.page.drawn(width, height)
        return picture(
            self._document, width, height, selected=self._selected, notes=self._notes(width)
        )

    def _notes(self, width: int) -> list[Text]:
        said = f"calling the daemon again: {self._lost}" if self._lost else self._said
        style = "bold red" if self._lost else "bold"
        keys = KEYS[self._selected.kind] if self._selected else ""
        arrows = "↑↓" if ellipsis() == "…" else "j k"  # as far as the terminal has them
        help_line = "   ".join(filter(None, [f"{arrows} select", keys, "q quit"]))
        return [
            Text(cut(harmless(said), width, ellipsis()), style=style),
            Text(cut(help_line, width, ellipsis()), style="dim"),
        ]


def _is_moving(document: Document) -> bool:
    return bool(document["running"])


def _traceback(daemon: Client, run: str) -> str:
    error = daemon.run(run).get("error")
    if not error:
        return "(it has no error)"
    return str(error["traceback"] or f"{error['type']}: {error['message']}").rstrip("\n")
