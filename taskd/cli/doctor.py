"""The verb that looks at an installation."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from taskd.cli.app import Json, app
from taskd.cli.failures import Exit
from taskd.cli.render import counted, put, put_json, talk
from taskd.cli.times import clock
from taskd.client import Client
from taskd.errors import ApiError, NoDaemon

if TYPE_CHECKING:
    from taskd.doctor.examine import Daemon
    from taskd.doctor.finding import Finding


@app.command(epilog="Example: taskd doctor jobs.toml")
def doctor(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="The jobs.toml; default: the daemon's."),
    ] = None,
    store: Annotated[
        str | None, typer.Option(metavar="URL", help="The store; default: the daemon's.")
    ] = None,
    json: Json = False,
) -> None:
    """Look at the installation, and tell the fix for what is wrong.

    It works with and without a daemon, changes nothing, and exits 1 when there is a problem.
    \f
    It looks at Python and SQLite, the clock, the time zones, the file and the callables that it
    names, what every user may write to, inotify, the control socket, the store and its disk, and
    the unit of systemd where one is installed. Without FILE and without a daemon the file of that
    unit is looked at. Run it as the daemon's user: root may write everywhere.
    """
    from taskd.doctor.examine import examine
    from taskd.doctor.finding import Verdict

    findings = []
    for finding in examine(file, store, _daemon(), clock().now()):
        findings.append(finding)
        if not json:
            _put(finding)
    is_well = all(finding.verdict is not Verdict.PROBLEM for finding in findings)
    if json:
        put_json({"ok": is_well, "findings": [asdict(finding) for finding in findings]})
    else:
        well, *others = ((word, sum(f.verdict is word for f in findings)) for word in Verdict)
        talk(", ".join([f"{well[1]} ok", *(counted(count, word) for word, count in others)]))
    if not is_well:
        raise typer.Exit(Exit.FAILED)


def _put(finding: Finding) -> None:
    put(f"{finding.verdict:8} {finding.check:9} {finding.message}")
    if finding.fix:
        put(f"{'':18} fix: {finding.fix}")


def _daemon() -> Daemon | None:
    from taskd.doctor.examine import Daemon

    try:
        told = Client().status()["daemon"]
    except (NoDaemon, ApiError):
        return None
    return Daemon(told["pid"], *(Path(told[key]) for key in ("config", "store_path", "socket")))
