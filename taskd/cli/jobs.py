"""The verbs that change jobs: what changed goes to stderr, names, ids and states to stdout."""

from __future__ import annotations

from typing import Annotated

import typer

from taskd.cli.app import Args, Curl, Json, Kwargs, Reason, Timeout, Wait, app, client
from taskd.cli.policies import policy_flags
from taskd.cli.render import put, put_json, talk
from taskd.cli.times import clock, moment
from taskd.cli.values import (
    duration,
    instant,
    iso,
    looks_like_run,
    named_values,
    rfc3339,
    value,
    values,
)
from taskd.cli.values import seconds as seconds_of
from taskd.cli.waiting import Deadline, ending, first_run, verdict
from taskd.client import FINAL_STATES, Client, Document
from taskd.errors import ApiError

JobName = Annotated[str, typer.Argument(metavar="JOB")]
JobOrAll = Annotated[str | None, typer.Argument(metavar="[JOB]")]
All = Annotated[bool, typer.Option("--all", help="Every job.")]
Priority = Annotated[
    str | None,
    typer.Option(metavar="LEVEL", help="low, normal, high, critical, or -100..100."),
]


@app.command(epilog="Give one of --every, --cron, --at, --in, --now; or trigger it yourself.")
@policy_flags
def add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    call: Annotated[str, typer.Argument(metavar="CALL", help="package.module:function")],
    every: Annotated[str | None, typer.Option(metavar="DURATION", help="10s, 1h30m")] = None,
    cron: Annotated[list[str] | None, typer.Option(metavar="EXPR")] = None,
    at: Annotated[list[str] | None, typer.Option(metavar="TIME", help="ISO 8601")] = None,
    delay: Annotated[str | None, typer.Option("--in", metavar="DURATION")] = None,
    now: Annotated[bool, typer.Option("--now", help="Once, at once.")] = False,
    arg: Args = None,
    kwarg: Kwargs = None,
    timezone: Annotated[str | None, typer.Option(metavar="ZONE", help="Europe/Berlin")] = None,
    align: Annotated[bool, typer.Option("--align", help="Run on multiples of --every.")] = False,
    priority: Priority = None,
    carry: Annotated[bool, typer.Option("--carry", help="Pass on the last result.")] = False,
    description: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG")] = None,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
    curl: Curl = False,
    *,
    policies: dict[str, object],
) -> None:
    """Keep a job in the store, across restarts."""
    entry = {
        "name": name,
        "call": call,
        **_trigger_keys(every, cron, at, delay, now),
        "args": values(arg),
        "kwargs": named_values(kwarg),
        "timezone": timezone,
        "align": align or None,
        "priority": None if priority is None else value(priority),
        "carry": carry or None,
        "description": description,
        "tags": tag,
        **policies,
    }
    _add(entry, client(curl), wait=wait, limit=seconds_of(timeout, "--timeout"), json=json)


@app.command()
def remove(job: JobName, json: Json = False, curl: Curl = False) -> None:
    """Forget an added job; its history stays."""
    reply = client(curl).remove(job)
    if json:
        put_json(reply)
        return
    put(job)
    ended = len(reply["cancelled"])
    runs = "run" if ended == 1 else "runs"
    talk(f"removed {job}" + (f", {ended} waiting {runs} cancelled" if ended else ""))


@app.command()
def stop(
    job_or_run: Annotated[str, typer.Argument(metavar="JOB|RUN")],
    reason: Reason = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """End a job's schedule and its runs, or one run.

    Prints the states that were really reached.
    """
    daemon = client(curl)
    if looks_like_run(job_or_run):
        try:
            run = daemon.stop_run(job_or_run, reason)
        except ApiError as error:
            if error.code != "unknown_run":
                raise
        else:
            _stopped([run], run, json=json)
            return
    reply = daemon.stop_job(job_or_run, reason)
    if not json:
        put(f"{job_or_run} {reply['state']}")
    _stopped(reply["runs"], reply, json=json)


@app.command()
def pause(
    job: JobOrAll = None,
    every_job: All = False,
    reason: Reason = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="ISO 8601, or a duration from now")
    ] = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Hold a job, or all, across restarts and reloads."""
    name = _one_or_all(job, every_job)
    end = instant(until, "--until", direction=1)
    daemon = client(curl)
    reply = daemon.pause(name, reason, end) if name else daemon.pause_all(reason, end)
    back = f"until {moment(end)}" if end else f"until: taskd resume {name or '--all'}"
    _changed(reply, name, f"paused {name or 'every job'} {back}", json=json)


@app.command()
def resume(
    job: JobOrAll = None, every_job: All = False, json: Json = False, curl: Curl = False
) -> None:
    """Release a paused job, or all; revive a stopped one."""
    name = _one_or_all(job, every_job)
    daemon = client(curl)
    reply = daemon.resume(name) if name else daemon.resume_all()
    said = f"resumed {name}{_next_run(reply)}" if name else "resumed every job"
    _changed(reply, name, said, json=json)


@app.command()
def trigger(
    job: JobName,
    arg: Args = None,
    kwarg: Kwargs = None,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Run a job once, now."""
    args, kwargs = values(arg), named_values(kwarg)
    limit = seconds_of(timeout, "--timeout")
    daemon = client(curl)
    run = daemon.trigger(job, args, kwargs)
    if not json:
        put(run["id"])
        talk(f"triggered {job}" + ("" if wait else f"; wait for it with: taskd wait {run['id']}"))
    if wait:
        run = daemon.wait(run["id"], limit)
    if json:
        put_json({"run": run})
    if wait:
        if not json:
            talk(ending(run))
        raise typer.Exit(verdict([run]))


def _trigger_keys(
    every: str | None, cron: list[str] | None, at: list[str] | None, delay: str | None, now: bool
) -> dict[str, object]:
    given = {"--every": every, "--cron": cron, "--at": at, "--in": delay, "--now": now}
    flags = [flag for flag, typed in given.items() if typed]
    if len(flags) > 1:
        raise typer.BadParameter("a job has one trigger", param_hint=flags)
    if delay:
        return {"at": rfc3339(clock().now() + duration(delay, "--in"))}
    if now:
        return {"at": rfc3339(clock().now())}
    moments = [iso(text, "--at") for text in at or ()]
    return {"every": every, "cron": _one_or_list(cron), "at": _one_or_list(moments)}


def _one_or_list(texts: list[str] | None) -> str | list[str] | None:
    return texts[0] if texts and len(texts) == 1 else texts or None


def _add(
    entry: dict[str, object], daemon: Client, *, wait: bool, limit: float | None, json: bool
) -> None:
    given = {key: typed for key, typed in entry.items() if typed is not None}
    if wait and not {"every", "cron", "at"} & given.keys():
        raise typer.BadParameter("nothing will run without a trigger", param_hint="--wait")
    asked_at = clock().now()
    deadline = Deadline(limit)
    reply = daemon.add(given)
    name = str(given["name"])
    if not json:
        put(name)
        talk(f"added {name}{_next_run(reply)}")
    run: Document | None = None
    if wait:
        run = first_run(daemon, name, asked_at, reply.get("next_due_at"), deadline)
        run = daemon.wait(run["id"], deadline.left()) if run else None
    if json:
        put_json({**reply, "run": run} if wait else reply)
    if wait:
        if not json:
            talk(f"run {run['id']} {ending(run)}" if run else "no run yet")
        raise typer.Exit(verdict([run]))


def _next_run(reply: Document) -> str:
    due_at = reply.get("next_due_at")
    return f", next run {moment(due_at)}" if due_at else ""


def _stopped(runs: list[Document], reply: Document, *, json: bool) -> None:
    if json:
        put_json(reply)
        return
    for run in runs:
        put(f"{run['id']} {run['state']}")
    if any(run["state"] not in FINAL_STATES for run in runs):
        talk("asked to end, and still running: a thread cannot be killed")


def _one_or_all(job: str | None, every_job: bool) -> str | None:
    if bool(job) == every_job:
        raise typer.BadParameter("name one job, or give --all", param_hint="JOB")
    return job


def _changed(reply: Document, name: str | None, said: str, *, json: bool) -> None:
    if json:
        put_json(reply)
        return
    for changed in [name] if name else reply["jobs"]:
        put(changed)
    talk(said)
