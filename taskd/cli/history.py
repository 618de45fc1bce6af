"""The verbs that read: what is, what comes, what was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from taskd.cli.app import Curl, Json, Timeout, app, client
from taskd.cli.cards import put_job, put_jobs, put_reasons, put_run, put_runs, put_upcoming
from taskd.cli.failures import Exit, problem_lines
from taskd.cli.render import counted, put, put_json, talk
from taskd.cli.values import instant, looks_like_run, seconds
from taskd.cli.waiting import Deadline, ending, verdict, wait_for
from taskd.client import FINAL_STATES, Client, Document
from taskd.errors import ApiError

RunOrJob = Annotated[str, typer.Argument(metavar="RUN|JOB")]


@app.command(epilog="Example: taskd status nightly-report")
def status(
    job_or_run: Annotated[str | None, typer.Argument(metavar="[JOB|RUN]")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep showing it, anew at each change.")
    ] = False,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Show the daemon and its jobs, one job, or one run in full.

    \f
    Problems of the file, and of the store, are told here too.
    """
    daemon = client(curl)
    if watch:
        if job_or_run is not None:
            raise typer.BadParameter("it shows all jobs; see taskd wait", param_hint="--watch")
        from taskd.cli.watching import watch_status

        watch_status(daemon, json=json)
        return
    if job_or_run is None:
        _overview(daemon.status(), json=json)
        return
    run = _run_of_that_id(daemon, job_or_run)
    document = run or daemon.job(job_or_run)
    if json:
        put_json(document)
    elif run:
        put_run(document)
    else:
        put_job(document)


@app.command(name="next", epilog="Example: taskd next heartbeat -n 3")
def upcoming(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]")] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=1000, metavar="N", help="How many.")] = 10,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """List what is due next.

    \f
    Of all jobs together, the soonest first. Where daylight saving skips or repeats a local time, a
    column tells what becomes of it, on the clocks of the job.
    """
    dues = client(curl).next(job, count)
    if json:
        put_json(dues)
    else:
        put_upcoming(dues)


@app.command(epilog="Example: taskd why nightly-report --at 2026-03-29T02:30")
def why(
    job: Annotated[str, typer.Argument(metavar="JOB")],
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="ISO 8601, or a duration ago")
    ] = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Say what was decided for an occurrence, and why.

    Without --at, for the last one and the next.
    \f
    With it, for the occurrence at that TIME or the latest before it: its run, or why it was
    skipped, and what daylight saving did to it.
    """
    document = client(curl).why(job, instant(at, "--at", direction=-1))
    if json:
        put_json(document)
    else:
        put_reasons(document["reasons"])


@app.command(epilog="Example: taskd runs nightly-report --state FAILED --since 7d")
def runs(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]")] = None,
    state: Annotated[str | None, typer.Option(metavar="STATE", help="FAILED, RUNNING, ...")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="ISO 8601, or a duration ago")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="How many at most.")
    ] = 20,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """List the history, newest first."""
    start = instant(since, "--since", direction=-1)
    history = client(curl).runs(job, state.upper() if state else None, start, limit)
    if json:
        put_json(history)
    else:
        put_runs(history)


@app.command(epilog="Example: taskd result nightly-report")
def result(run_or_job: RunOrJob, json: Json = False, curl: Curl = False) -> None:
    """Print what a run returned.

    Text is printed as it is, anything else as JSON. Of a job, that of its last success.
    \f
    What JSON cannot hold is kept as Python's `repr` of it. A run that did not succeed exits 1.
    """
    document = _run_meant(client(curl), run_or_job, ("SUCCEEDED",))
    if document["state"] != "SUCCEEDED":
        talk(f"run {document['id']} has no result: {ending(document)}; {_advice(document)}")
        raise typer.Exit(Exit.FAILED)
    value = document["result"]
    if isinstance(value, str) and not json:
        put(value)
    else:
        put_json(value)


@app.command(epilog="Example: taskd error nightly-report")
def error(run_or_job: RunOrJob, json: Json = False, curl: Curl = False) -> None:
    """Print the traceback of a run that failed.

    Of a job, that of its last failure.
    """
    document = _run_meant(client(curl), run_or_job, ("FAILED", "DEAD"))
    problem = document.get("error")
    if json:
        put_json(problem)
    elif problem:
        told = problem["traceback"] or f"{problem['type']}: {problem['message']}"
        put(told.rstrip("\n"))
    else:
        talk(f"run {document['id']} has no error: {ending(document)}")


@app.command(epilog="Example: taskd wait nightly-report --timeout 5m")
def wait(
    run_or_job: Annotated[list[str], typer.Argument(metavar="RUN|JOB...")],
    timeout: Timeout = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Wait for runs to end.

    A job stands for its latest run. Exits 1 if one of them ends badly, and 124 when the time is up.
    """
    deadline = Deadline(seconds(timeout, "--timeout"))
    daemon = client(curl)
    ends = []
    for text in run_or_job:
        run = text if looks_like_run(text) else _run_meant(daemon, text, ())["id"]
        end = wait_for(daemon, run, deadline)
        ends.append(end)
        if not json:
            put(f"{end['id']} {end['state']}")
            if end["state"] != "SUCCEEDED":
                talk(f"run {end['id']} {ending(end)}")
    if json:
        put_json(ends)
    raise typer.Exit(verdict(ends))


def _run_of_that_id(daemon: Client, text: str) -> Document | None:
    """The run of that id; None where it is none, since a job may be named like one."""
    if not looks_like_run(text):
        return None
    try:
        return daemon.run(text)
    except ApiError as error:
        if error.code != "unknown_run":
            raise
        return None


def _run_meant(daemon: Client, text: str, states: Sequence[str]) -> Document:
    """The run of that id or, of a job of that name, its latest: in one of the states, if any."""
    if looks_like_run(text):
        return daemon.run(text)
    found = daemon.runs(text, ",".join(states) or None, limit=1)
    if not found:
        talk(f"{text} has no run" + (f" that is {' or '.join(states)}" if states else ""))
        raise typer.Exit(Exit.NOT_FOUND)
    return found[0]


def _overview(document: Document, *, json: bool) -> None:
    if json:
        put_json(document)
        return
    put_jobs(document)
    if store_error := document["daemon"].get("store_error"):
        talk(f"nothing starts, for nothing can be recorded: {store_error}")
    if leaked := document["daemon"].get("leaked"):
        talk(f"{counted(leaked, 'attempt')} given up and not ended: see taskd ps")
    if problems := document["daemon"].get("config_error"):
        talk("the file has problems; the jobs loaded before run on:")
        for line in problem_lines(problems):
            talk(line)


def _advice(run: Document) -> str:
    if run["state"] not in FINAL_STATES:
        return f"wait for it with: taskd wait {run['id']}"
    return f"look at it with: taskd {'error' if run.get('error') else 'status'} {run['id']}"
