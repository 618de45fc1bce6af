"""The verb that adds jobs, with a flag for each key of jobs.toml."""

from __future__ import annotations

from typing import Annotated

import typer

from taskd.cli.app import Args, Curl, Json, Kwargs, Timeout, Wait, app, client
from taskd.cli.policies import Typed, nested, with_policies
from taskd.cli.render import put, put_json, talk
from taskd.cli.times import clock, next_run
from taskd.cli.values import duration, iso, named_values, rfc3339, values
from taskd.cli.values import seconds as seconds_of
from taskd.cli.waiting import Deadline, ending, first_run, verdict, wait_for
from taskd.client import Client, Document

Interval = Annotated[str | None, typer.Option(metavar="DURATION", help="10s, 1h30m")]
Moments = Annotated[list[str] | None, typer.Option(metavar="TIME", help="ISO 8601")]
Expressions = Annotated[
    list[str] | None, typer.Option(metavar="EXPR", help="30 2 * * mon-fri, @daily")
]
Delay = Annotated[
    str | None, typer.Option("--in", metavar="DURATION", help="Once, after that time.")
]
Callee = Annotated[str | None, typer.Argument(metavar="[CALL]", help="package.module:function")]
Command = Annotated[
    str | None, typer.Option(metavar="COMMAND", help="A program to run, in the place of CALL.")
]
Now = Annotated[bool, typer.Option("--now", help="Once, at once.")]


@app.command(epilog="Example: taskd add feed app:fetch --every 5m --retry-max-attempts 5")
@with_policies
def add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    call: Callee = None,
    command: Command = None,
    every: Interval = None,
    cron: Expressions = None,
    at: Moments = None,
    delay: Delay = None,
    now: Now = False,
    arg: Args = None,
    kwarg: Kwargs = None,
    wait: Wait = False,
    patience: Timeout = None,
    json: Json = False,
    curl: Curl = False,
    **policies: Typed,
) -> None:
    """Keep a job in the store, across restarts.

    Give CALL or --command, and one of --every, --cron, --at, --in, --now; or trigger it yourself.
    \f
    Policies have flags named as the keys of taskd.toml(5), which tells what they do, with a dash
    for each dot and underscore: `retry.max_attempts` is --retry-max-attempts. The `timeout` of an
    attempt is --run-timeout, for --timeout is how long --wait waits.
    """
    if (call is None) == (command is None):
        raise typer.BadParameter("give CALL or --command, one of them", param_hint="CALL")
    if patience is not None and not wait:
        words = "it is how long --wait waits; an attempt may take --run-timeout"
        raise typer.BadParameter(words, param_hint="--timeout")
    entry = {
        "name": name,
        "call": call,
        "command": command,
        **_trigger_keys(every, cron, at, delay, now),
        "args": values(arg),
        "kwargs": named_values(kwarg),
        **nested(policies),
    }
    _add(entry, client(curl), wait=wait, limit=seconds_of(patience, "--timeout"), json=json)


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
        talk(f"added {name}{next_run(reply)}")
    run: Document | None = None
    if wait:
        run = first_run(daemon, name, asked_at, reply.get("next_due_at"), deadline)
        run = wait_for(daemon, run["id"], deadline) if run else None
    if json:
        put_json({**reply, "run": run} if wait else reply)
    if wait:
        if not json:
            talk(f"run {run['id']} {ending(run)}" if run else "no run yet")
        raise typer.Exit(verdict([run]))
