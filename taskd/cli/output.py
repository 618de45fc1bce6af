"""The verb that shows what runs print."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Literal

import typer

from taskd.cli.app import Curl, Json, app, client
from taskd.cli.render import put_json, put_json_line, talk
from taskd.cli.values import looks_like_run
from taskd.client import FINAL_STATES, Client, Document
from taskd.errors import ApiError, NoDaemon
from taskd.terminal import harmless_lines

_STARTED = ",".join(["RUNNING", "RETRYING", *sorted(FINAL_STATES - {"SKIPPED"})])


@app.command(epilog="Example: taskd logs nightly-report -f")
def logs(
    run_or_job: Annotated[str, typer.Argument(metavar="RUN|JOB")],
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on as it comes; of a job, run after run.")
    ] = False,
    stream: Annotated[
        Literal["stdout", "stderr", "log"] | None, typer.Option(help="Only what came there.")
    ] = None,
    attempt: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Which; default: the latest.")
    ] = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Print what a run printed and logged, or a job's latest run.

    Of long output the beginning and the end are kept.

    \f
    Each attempt's output is kept up to the job's `output_limit`: stdout, stderr and log in the
    order in which they came, which for the two descriptors of a command is that of the reading.
    With --follow, a run is followed over its attempts until it ends, and a job from run to run.
    """
    daemon = client(curl)
    run = _run_of(daemon, run_or_job)
    if follow:
        if run == run_or_job:
            _follow(daemon, run, attempt, stream, json=json)
            return
        for each in _runs_as_they_start(daemon, run_or_job):
            with _gone_if_taken_back():
                _follow(daemon, each, attempt, stream, json=json)
    elif run is None:
        talk(f"{run_or_job} has not run yet")
    elif json:
        put_json(_whole(daemon, run, attempt, stream))
    else:
        _print(daemon, run, attempt, stream)


def _run_of(daemon: Client, text: str) -> str | None:
    """The run of that id, or the latest of the job of that name that has begun."""
    if looks_like_run(text):
        try:
            return str(daemon.run(text)["id"])
        except ApiError as error:
            if error.code != "unknown_run":
                raise
    begun = [run for run in daemon.runs(text, _STARTED, limit=20) if run["attempt"]]
    return str(begun[0]["id"]) if begun else None


def _runs_as_they_start(daemon: Client, job: str) -> Iterator[str]:
    """The latest run of a job and each that starts after it, told before it is followed."""
    after = next(iter(daemon.events(limit=1)), {"seq": 0})["seq"]
    seen = set()
    run = _run_of(daemon, job)
    while True:
        if run is not None:
            seen.add(run)
            talk(f"run {run} of {job}")
            yield run
        run, after = _next_started(daemon, job, seen, after)


def _next_started(daemon: Client, job: str, seen: set[str], after: int) -> tuple[str, int]:
    """The next run of a job that starts, and the event that tells so."""
    with suppress(NoDaemon):  # it ended while the run before was shown
        for event in daemon.events(after=after, job=job, follow=True):
            if event["kind"] == "run.running" and event["run"] not in seen:
                return event["run"], event["seq"]
    raise typer.Exit  # the daemon has ended


@contextmanager
def _gone_if_taken_back() -> Iterator[None]:
    """Pass over a run that is not there: it was to start in a moment, and was taken back."""
    try:
        yield
    except ApiError as error:
        if error.code != "unknown_run":
            raise


def _follow(
    daemon: Client, run: str, attempt: int | None, stream: str | None, *, json: bool
) -> None:
    for piece in daemon.follow_logs(run, attempt, stream):
        if json:
            put_json_line(piece)
            sys.stdout.flush()
        else:
            _write(piece)


def _print(daemon: Client, run: str, attempt: int | None, stream: str | None) -> None:
    has_text = False
    for piece in _pieces(daemon, run, attempt, stream):
        has_text = has_text or bool(piece["text"])
        _write(piece)
    if not has_text:
        talk(f"run {run} has printed nothing" + (f" to {stream}" if stream else ""))


def _pieces(
    daemon: Client, run: str, attempt: int | None, stream: str | None
) -> Iterator[Document]:
    """The output so far, a piece at a time; there is one at least."""
    after = None
    while True:
        piece = daemon.logs(run, attempt, after, stream)
        yield piece
        if piece["is_last"] or piece["after"] == (after or 0):
            return
        after = piece["after"]


def _write(piece: Document) -> None:
    text = piece["text"]
    if piece["left_out"]:
        text = f"\n... {piece['left_out']} bytes left out ...\n{text}"
    sys.stdout.write(harmless_lines(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _whole(daemon: Client, run: str, attempt: int | None, stream: str | None) -> Document:
    """The output so far, in one document."""
    first, *others = _pieces(daemon, run, attempt, stream)
    for piece in others:
        first["text"] += piece["text"]
        first["pieces"] += piece["pieces"]
        first["left_out"] += piece["left_out"]
        first |= {key: piece[key] for key in ("after", "is_last")}
    return first
