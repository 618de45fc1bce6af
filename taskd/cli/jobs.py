"""The verbs that change jobs: what changed goes to stderr, names, ids and states to stdout."""

from __future__ import annotations

from typing import Annotated

import typer

from taskd.cli.app import Args, Curl, Json, Kwargs, Reason, Timeout, Wait, app, client
from taskd.cli.render import counted, put, put_json, talk
from taskd.cli.times import moment, next_run
from taskd.cli.values import instant, looks_like_run, named_values, values
from taskd.cli.values import seconds as seconds_of
from taskd.cli.waiting import Deadline, ending, verdict, wait_for
from taskd.client import FINAL_STATES, Document
from taskd.errors import ApiError

JobName = Annotated[str, typer.Argument(metavar="JOB")]
JobOrAll = Annotated[str | None, typer.Argument(metavar="[JOB]")]
All = Annotated[bool, typer.Option("--all", help="Every job.")]


@app.command(epilog="Example: taskd remove feed")
def remove(job: JobName, json: Json = False, curl: Curl = False) -> None:
    """Forget an added job; its history stays.

    \f
    Its waiting runs are cancelled, and those under way finish. A job of the file is removed there.
    """
    reply = client(curl).remove(job)
    if json:
        put_json(reply)
        return
    put(job)
    ended = len(reply["cancelled"])
    talk(f"removed {job}" + (f", {counted(ended, 'waiting run')} cancelled" if ended else ""))


@app.command(epilog='Example: taskd stop feed --reason "the source is gone"')
def stop(
    job_or_run: Annotated[str, typer.Argument(metavar="JOB|RUN")],
    force: Annotated[bool, typer.Option("--force", help="Make it end; do not ask first.")] = False,
    reason: Reason = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """End a job's schedule and its runs, or one run.

    Prints the states that were really reached.
    \f
    What runs is asked to end; with --force, or after the job's `kill_grace`, it is made to: a
    process or a command is killed, a thread gets an exception where it next runs Python code, and
    one that will not end is given up and told as such.

    A stopped job stays so across restarts and changes of its entry, until `taskd resume`.
    """
    daemon = client(curl)
    if looks_like_run(job_or_run):
        try:
            run = daemon.stop_run(job_or_run, reason, force)
        except ApiError as error:
            if error.code != "unknown_run":
                raise
        else:
            _stopped([run], run, json=json)
            return
    reply = daemon.stop_job(job_or_run, reason, force)
    if not json:
        put(f"{job_or_run} {reply['state']}")
    _stopped(reply["runs"], reply, json=json)
    if not json and reply["state"] == "stopped":
        talk(f"{job_or_run} is not due any more; revive it with: taskd resume {job_or_run}")


@app.command(epilog="Example: taskd pause feed --until 2h")
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
    """Hold a job, or all, across restarts and reloads.

    \f
    What falls into the pause is late, see taskd.toml(5): by default it runs once afterwards, as its
    latest occurrence.
    """
    name = _one_or_all(job, every_job)
    end = instant(until, "--until", direction=1)
    daemon = client(curl)
    reply = daemon.pause(name, reason, end) if name else daemon.pause_all(reason, end)
    back = f"until {moment(end)}" if end else f"go on with: taskd resume {name or '--all'}"
    said = f"paused {name or counted(len(reply['jobs']), 'job')}{' ' if end else '; '}{back}"
    _changed(reply, name, said, json=json)


@app.command(epilog="Example: taskd resume feed")
def resume(
    job: JobOrAll = None,
    every_job: All = False,
    reason: Reason = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Release a paused job, or all; revive a stopped one.

    \f
    A named job that was stopped goes on with its next occurrence; --all leaves stopped jobs alone.
    The failures in a row that pause_after_failures counts are forgiven.
    """
    name = _one_or_all(job, every_job)
    daemon = client(curl)
    reply = daemon.resume(name, reason) if name else daemon.resume_all(reason)
    what = f"{name}{next_run(reply)}" if name else counted(len(reply["jobs"]), "job")
    said = f"resumed {what}"
    _changed(reply, name, said, json=json)


@app.command(epilog="Example: taskd trigger feed --kwarg region=eu --wait")
def trigger(
    job: JobName,
    arg: Args = None,
    kwarg: Kwargs = None,
    wait: Wait = False,
    timeout: Timeout = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Run a job once, now.

    \f
    A paused or stopped job too. The run obeys `overlap` and `unique.key` as a due one does: where a
    due one would be skipped this is refused, exits 5 and names the run in the way.
    """
    args, kwargs = values(arg), named_values(kwarg)
    limit = seconds_of(timeout, "--timeout")
    daemon = client(curl)
    try:
        run = daemon.trigger(job, args, kwargs)
    except ApiError as error:
        if not (met := error.problem.get("run")):
            raise
        detail = f"{error.detail}; wait for it with: taskd wait {met}"
        raise ApiError(error.status, error.code, detail, error.problem) from error
    if not json:
        put(run["id"])
        talk(f"triggered {job}" + ("" if wait else f"; wait for it with: taskd wait {run['id']}"))
    if wait:
        run = wait_for(daemon, run["id"], Deadline(limit))
    if json:
        put_json({"run": run})
    if wait:
        if not json:
            talk(ending(run))
        raise typer.Exit(verdict([run]))


def _stopped(runs: list[Document], reply: Document, *, json: bool) -> None:
    if json:
        put_json(reply)
        return
    for run in runs:
        put(f"{run['id']} {run['state']}")
    if any(run["state"] not in FINAL_STATES for run in runs):
        words = "still running: asked to end, and made to after its kill_grace"
        talk(f"{words}; a thread cannot be killed")


def _one_or_all(job: str | None, every_job: bool) -> str | None:
    if bool(job) == every_job:
        raise typer.BadParameter("name one job, or give --all", param_hint="JOB")
    if job and job.startswith("@"):
        words = f"{job}: this version has one queue, of all jobs; give --all"
        raise typer.BadParameter(words, param_hint="JOB")
    return job


def _changed(reply: Document, name: str | None, said: str, *, json: bool) -> None:
    if json:
        put_json(reply)
        return
    for changed in [name] if name else reply["jobs"]:
        put(changed)
    talk(said)
