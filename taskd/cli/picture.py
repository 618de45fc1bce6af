"""What `taskd top` shows, drawn into lines: as wide and as high as the terminal, or as needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from rich.text import Text

from taskd.cli.progress import bar, doing
from taskd.cli.render import ellipsis
from taskd.cli.table import GAP, STATE_STYLES, Column, cells, cut, layout
from taskd.cli.times import going, relative, rough, since, took
from taskd.client import Document
from taskd.terminal import harmless

Kind = Literal["run", "job", "failure"]

SLOTS: Final = 12  # columns of the bar of busy slots
# How the lines are shared out: failures get a third at most, what runs half of the others.
FAILURES_SHARE: Final = 3
RUNNING_SHARE: Final = 2

_RUNNING = (
    Column("JOB", flexible=True, cut=True),
    Column("STATE", state=True),
    Column("FOR"),
    Column("PROGRESS", flexible=True, cut=True),
    Column("ATTEMPT", wide=2),
    Column("RUN", wide=1),
)
_NEXT = (
    Column("JOB", flexible=True, cut=True),
    Column("STATE", state=True),
    Column("DUE"),
    Column("LAST", state=True),
    Column("ENDED"),
    Column("SCHEDULE", flexible=True, cut=True),
    Column("TOOK", wide=1),
    Column("CALL", wide=2, flexible=True, cut=True),
)
_FAILURES = (
    Column("JOB", flexible=True, cut=True),
    Column("STATE", state=True),
    Column("ENDED"),
    Column(""),
    Column("ERROR", flexible=True, cut=True),
    Column("RUN", wide=1),
)


# Cells that a column has at least, so that its neighbours stand still while it counts.
_STEADY: Final = {"STATE": 9, "FOR": 6, "DUE": 7, "LAST": 9, "ENDED": 7, "TOOK": 6}


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be selected: a run, a job, or a run that failed, and its cells."""

    kind: Kind
    job: str
    run: str
    state: str
    cells: tuple[str, ...]

    @property
    def key(self) -> tuple[Kind, str]:
        """What it is of, however it changes."""
        return self.kind, self.run or self.job


@dataclass(frozen=True, slots=True)
class Section:
    """A title and rows below it, or a word where there are none."""

    title: str
    columns: tuple[Column, ...]
    rows: list[Row]
    nothing: str


def sections(document: Document) -> list[Section]:
    """The document of the API as what runs, what is due next, and what failed."""
    running = [_live_row(live) for live in document["running"]]
    retrying = [_retrying_row(run) for run in document["retrying"]]
    jobs = [_job_row(job) for job in document["next"]]
    failures = list(_failure_rows(document["failures"]))
    return [
        Section("Running", _RUNNING, running + retrying, "nothing runs"),
        Section("Next", _NEXT, jobs, "no jobs"),
        Section("Failed", _FAILURES, failures, "nothing failed"),
    ]


def picture(
    document: Document,
    width: int,
    height: int | None = None,
    *,
    selected: Row | None = None,
    notes: Sequence[Text] = (),
) -> list[Text]:
    """The document as at most `height` lines of `width` cells, `notes` at their foot.

    The row that is `selected` is reversed, and always among those that are shown.
    """
    head = [Text(cut(line, width, ellipsis())) for line in _head(document)]
    parts = sections(document)
    rooms = [max(len(part.rows), 1) for part in parts]
    if height is not None:
        # A blank and the titles of the columns stand above each part.
        rooms = _shared(height - len(head) - len(notes) - 2 * len(parts), parts, rooms)
    names = (cells(row.cells[0]) for part in parts for row in part.rows)
    least = min(max(names, default=0), width // 4)  # so that the columns of all parts begin alike
    lines = list(head)
    for part, room in zip(parts, rooms, strict=True):
        if room:
            lines += [Text(""), *_table(part, width, room, selected, least)]
    if height is not None:
        lines += [Text("")] * (height - len(lines) - len(notes))
        lines = lines[: height - len(notes)]
    for line in lines:
        line.truncate(width)
    return [*lines, *notes]


def _head(document: Document) -> list[str]:
    daemon, jobs = document["daemon"], document["jobs"]
    busy, slots = len(document["running"]), daemon["workers"]
    meter = bar({"done": min(busy, slots), "total": slots}, SLOTS)
    states = ", ".join(f"{jobs[state]} {state}" for state in sorted(jobs)) or "none"
    head = [
        f"taskd {daemon['version']} on {daemon['config']}, "
        f"up {rough(since(daemon['started_at']))}, jobs: {states}",
        f"slots {meter} {busy} of {slots}   queued {document['queued']}   "
        f"retrying {len(document['retrying'])}",
    ]
    if daemon.get("store_error"):
        head.append(f"nothing starts, for nothing can be recorded: {daemon['store_error']}")
    if daemon.get("config_error"):
        head.append("the file has problems, and the jobs loaded before run on: see taskd status")
    return [harmless(line) for line in head]


def _shared(room: int, parts: list[Section], wanted: list[int]) -> list[int]:
    """How many rows each part gets of `room`: those after the first are sure of their share."""
    given = dict.fromkeys((part.title for part in parts), 0)
    wants = dict(zip(given, wanted, strict=True))
    room = max(room, 0)
    given["Failed"] = min(wants.get("Failed", 0), max(room // FAILURES_SHARE, 1), room)
    left = room - given["Failed"]
    given["Next"] = min(wants.get("Next", 0), left - left // RUNNING_SHARE)
    given["Running"] = min(wants.get("Running", 0), left - given["Next"])
    for title in ("Next", "Failed"):  # what nobody wanted
        left = room - sum(given.values())
        given[title] += min(wants.get(title, 0) - given[title], left)
    return [given[part.title] for part in parts]


def _table(part: Section, width: int, room: int, selected: Row | None, least: int) -> list[Text]:
    """A part's titles, then as many of its rows as there is room for, about the selected one."""
    titles = [part.title.upper(), *(column.title for column in part.columns[1:])]
    if not part.rows:
        return [Text(titles[0], style="bold"), Text(part.nothing, style="dim")]
    steady = [" " * _STEADY.get(column.title, 0) for column in part.columns]
    steady[0] = " " * least
    shown, widths = layout(part.columns, [titles, steady, *(row.cells for row in part.rows)], width)
    at = next((at for at, row in enumerate(part.rows) if selected and row.key == selected.key), 0)
    first = max(0, min(at - room // 2, len(part.rows) - room))
    more = len(part.rows) - room
    if more > 0:
        titles[0] += f" {room} of {len(part.rows)}"
    lines = [_line([titles[at] for at in shown], widths, [])]
    lines[0].stylize("bold")
    for row in part.rows[first : first + room]:
        styles = [
            STATE_STYLES.get(row.cells[at], "") if part.columns[at].state else "" for at in shown
        ]
        line = _line([row.cells[at] for at in shown], widths, styles)
        if selected and row.key == selected.key:
            line.pad_right(max(width - line.cell_len, 0))
            line.stylize("reverse")
        lines.append(line)
    return lines


def _line(texts: Sequence[str], widths: Sequence[int], styles: Sequence[str]) -> Text:
    line = Text(no_wrap=True)
    for at, (text, width) in enumerate(zip(texts, widths, strict=True)):
        shown = cut(text, width, ellipsis())
        line.append(shown, styles[at] if styles else "")
        if at < len(texts) - 1:
            line.append(" " * (width - cells(shown) + GAP))
    line.highlight_regex("[█░]+", STATE_STYLES["RUNNING"])
    return line


def _live_row(live: Document) -> Row:
    texts = (
        live["job"] or "(a task)",
        "RUNNING",
        going(since(live["started_at"])) if live["started_at"] else "",
        doing(live, bars=True),
        f"{live['attempt']} of {live['max_attempts']}",
        live["run"],
    )
    return _row("run", live["job"], live["run"], "RUNNING", texts)


def _retrying_row(run: Document) -> Row:
    texts = (
        run["job"] or "(a task)",
        "RETRYING",
        "",
        f"again {relative(run['next_attempt_at'])}, {_error(run)}",
        f"{run['attempt']} of {run['max_attempts']}",
        run["id"],
    )
    return _row("run", run["job"], run["id"], "RETRYING", texts)


def _job_row(job: Document) -> Row:
    last: dict[str, Any] = job["last_run"] or {}
    texts = (
        job["name"],
        job["state"],
        _due(job),
        last.get("state", ""),
        relative(last.get("finished_at")),
        job["schedule"] or "when triggered",
        took(last.get("duration_s")),
        job["call"],
    )
    return _row("job", job["name"], "", job["state"], texts)


def _due(job: Document) -> str:
    """When it runs next; a paused job only when it is to go on."""
    return relative(job["next_due_at" if job["state"] == "active" else "paused_until"])


def _failure_rows(runs: Sequence[Document]) -> Iterator[Row]:
    """A row for the latest failure of each job, and how many of the latest are the same job's."""
    times = Counter(run["job"] for run in runs)
    latest: dict[str | None, Document] = {}
    for run in sorted(runs, key=lambda run: str(run["finished_at"]), reverse=True):
        latest.setdefault(run["job"], run)
    for run in latest.values():
        texts = (
            run["job"] or "(a task)",
            run["state"],
            relative(run["finished_at"]),
            f"x{times[run['job']]}" if times[run["job"]] > 1 else "",
            _error(run),
            run["id"],
        )
        yield _row("failure", run["job"], run["id"], run["state"], texts)


def _error(run: Document) -> str:
    error = run.get("error")
    return f"{error['type']}: {error['message']}" if error else str(run.get("reason") or "")


def _row(kind: Kind, job: str | None, run: str, state: str, texts: Sequence[str]) -> Row:
    return Row(kind, job or "", run, state, tuple(harmless(text) for text in texts))
