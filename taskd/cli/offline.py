"""The verbs that need no daemon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from taskd.cli.app import DayMatchRule, DstGapRule, DstOverlapRule, Json, app
from taskd.cli.failures import Exit
from taskd.cli.render import counted, put, put_json, talk
from taskd.cli.times import clock, local, relative
from taskd.cli.values import rfc3339
from taskd.errors import ConfigError

if TYPE_CHECKING:
    from taskd.config.load import Configuration
    from taskd.core.schedule import Schedule


@app.command(epilog="Example: taskd check jobs.toml")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The jobs.toml to check.")],
    json: Json = False,
) -> None:
    """Report every problem of a jobs.toml.

    \f
    Imports and signatures included, which a process of its own tries. Needs no daemon. Exits 78
    where there is a problem; warnings go to stderr.
    """
    from taskd.config.report import problem_json

    with reported(json=json):
        configuration = checked(file)
    if json:
        warnings = [problem_json(warning) for warning in configuration.warnings]
        put_json({"ok": True, "problems": [], "warnings": warnings})
    else:
        put(f"ok: {counted(len(configuration.jobs), 'job')}")


def checked(file: Path) -> Configuration:
    """The file, code included, once its warnings were told.

    Raises:
        ConfigError: With all of its problems.
    """
    from taskd.config import check as checking
    from taskd.config import report

    configuration = checking.check(file)
    for warning in configuration.warnings:
        for line in f"warning: {report.render(warning)}".split("\n"):
            talk(line)
    return configuration


@contextmanager
def reported(*, json: bool) -> Iterator[None]:
    """Print the problems of a file as the answer of the verb, which they end."""
    from taskd.config import report

    try:
        yield
    except ConfigError as error:
        if json:
            problems = [report.problem_json(problem) for problem in error.problems]
            put_json({"ok": False, "problems": problems})
        else:
            for problem in error.problems:
                put(report.render(problem))
        raise typer.Exit(Exit.CONFIG_INVALID) from error


@app.command(epilog='Example: taskd explain "30 2 * * mon-fri" --timezone Europe/Berlin')
def explain(
    expression: Annotated[str, typer.Argument(metavar="EXPR", help="Cron, or a duration: 10s")],
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Default: the system's.")
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="TIME", help="ISO 8601; without a zone: of --timezone")
    ] = None,
    count: Annotated[
        int, typer.Option("-n", min=0, max=10_000, metavar="N", help="How many instants.")
    ] = 5,
    dst_gap: DstGapRule = None,
    dst_overlap: DstOverlapRule = None,
    day_match: DayMatchRule = None,
    json: Json = False,
) -> None:
    """Say in words when a cron expression is due.

    Then list its next instants, each with what daylight saving does to it. An interval, such as
    10s, is explained too.
    \f
    Where the clocks skip a time and nothing makes up for it, a line without an instant says so.
    Needs no daemon.
    """
    from taskd.config.system_zone import system_zone
    from taskd.core.wording import describe

    zone = ZoneInfo(zone_name := timezone or system_zone())
    rules = {"dst_gap": dst_gap, "dst_overlap": dst_overlap, "day_match": day_match}
    schedule = _schedule(expression, zone_name, rules)
    start, words = _start(after, zone), describe(schedule)
    dues = list(islice(_dues(schedule, start), count))
    notes = _notes(schedule, start, dues)
    if json:
        head = {"expression": expression, "timezone": zone_name, "description": words}
        put_json({**head, **_told(dues, notes)})
        return
    put(words)
    for line in _lines(dues, notes, zone):
        put(line)


def _notes(schedule: Schedule, start: datetime, dues: Sequence[datetime]) -> dict[datetime, str]:
    """What the clocks do at the due instants, and where they skip what nothing makes up for."""
    from taskd.core.shifts import mark, silences

    notes = {due: note for due in dues if (note := mark(schedule, due))}
    for at, note in silences(schedule, start, dues[-1]) if dues else ():
        notes[at] = f"{notes[at]}; {note}" if at in notes else note
    return notes


def _told(dues: Sequence[datetime], notes: Mapping[datetime, str]) -> dict[str, object]:
    return {
        "next": [rfc3339(due) for due in dues],
        "notes": [{"at": rfc3339(at), "note": note} for at, note in sorted(notes.items())],
    }


def _lines(
    dues: Sequence[datetime], notes: Mapping[datetime, str], zone: ZoneInfo
) -> Iterator[str]:
    """A line for each due instant, and one without an instant for what never runs."""
    shown = {due: _when(due, zone) for due in dues}
    width = max(map(len, shown.values()), default=0)
    for at in sorted({*dues, *notes}):
        yield f"{shown.get(at, '-'):{width}}  {notes.get(at, '')}".rstrip()


def _when(due: datetime, zone: ZoneInfo) -> str:
    text = rfc3339(due)
    return f"{local(text, zone)}  {relative(text)}"


def _schedule(expression: str, zone_name: str, rules: Mapping[str, str | None]) -> Schedule:
    from taskd.core.cron import Cron, DayMatch, DstGap, DstOverlap
    from taskd.core.duration import PART, parse_duration
    from taskd.core.schedule import Every

    if PART.match(expression):
        flags = [f"--{key.replace('_', '-')}" for key, rule in rules.items() if rule]
        if flags:
            raise typer.BadParameter("only a cron expression has it", param_hint=flags)
        return Every(parse_duration(expression))
    gap, overlap, match = rules["dst_gap"], rules["dst_overlap"], rules["day_match"]
    return Cron(
        (expression,),
        zone_name,
        "",
        DstGap(gap) if gap else None,
        DstOverlap(overlap) if overlap else None,
        DayMatch(match) if match else DayMatch.OR,
    )


def _start(after: str | None, zone: ZoneInfo) -> datetime:
    if after is None:
        return clock().now()
    try:
        start = datetime.fromisoformat(after)
        return (start if start.tzinfo else start.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        hint = f"{after!r} is not a time; write 2026-12-24T18:00, with +01:00 or Z for a zone"
        raise typer.BadParameter(hint, param_hint="--after") from error


def _dues(schedule: Schedule, start: datetime) -> Iterator[datetime]:
    # The calendar of datetime ends with the year 9999, and there each schedule does too.
    with suppress(OverflowError):
        due = schedule.after(start, start)
        while due is not None:
            yield due
            due = schedule.after(due, start)
