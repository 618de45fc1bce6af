"""The verb that makes a jobs.toml of the live jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final

import typer

from taskd.cli.app import Curl, Json, app, client
from taskd.cli.failures import Exit
from taskd.cli.render import put, put_json, talk

TABLES: Final = ("daemon", "categories", "calendars", "jobs")
INSTANTS: Final = ("at", "start_at", "end_at")


@app.command(epilog="Example: taskd export > jobs.toml && taskd check jobs.toml")
def export(
    jobs: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB...]", help="Only these; default: all.")
    ] = None,
    json: Json = False,
    curl: Curl = False,
) -> None:
    """Print the live jobs as a jobs.toml, added ones too.

    It has the jobs of every source, what they share of the file (categories, calendars, the
    import path), and no other setting of the daemon. With names it has these jobs alone.
    A job that TOML cannot hold, such as one with a null among its arguments, is left out and told,
    and the exit status is 1.
    """
    reply = client(curl).export(jobs or [])
    if json:
        put_json(reply)
    else:
        import tomli_w

        whole = _with_times(reply)
        wanted = {name: whole[name] for name in (("jobs",) if jobs else TABLES) if whole[name]}
        put(tomli_w.dumps(wanted).rstrip("\n"))
        for left in reply["left_out"]:
            talk(f"{left['job']} is left out: its {left['key']} {left['message']}")
    if reply["left_out"]:
        raise typer.Exit(Exit.FAILED)


def _with_times(table: Mapping[str, Any]) -> dict[str, Any]:
    """The tables with their instants and dates as those of TOML, which JSON has as texts."""
    return {
        **table,
        "calendars": _converted(table["calendars"], {"dates": date.fromisoformat}),
        "jobs": _converted(table["jobs"], dict.fromkeys(INSTANTS, datetime.fromisoformat)),
    }


def _converted(
    tables: Mapping[str, Mapping[str, Any]], kinds: Mapping[str, Callable[[str], date]]
) -> dict[str, dict[str, Any]]:
    """The tables with the texts of some keys, or lists of them, read."""
    return {
        name: {
            key: _read(value, kinds[key]) if key in kinds else value for key, value in table.items()
        }
        for name, table in tables.items()
    }


def _read(value: Any, kind: Callable[[str], date]) -> Any:
    return [kind(item) for item in value] if isinstance(value, list) else kind(value)
