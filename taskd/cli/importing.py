"""The verb that makes jobs of a crontab."""

from __future__ import annotations

import pwd
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from taskd.cli.app import Json, app
from taskd.cli.failures import Exit
from taskd.cli.render import put, put_json, talk

if TYPE_CHECKING:
    from taskd.config.crontab import Imported

LARGEST: Final = 1024 * 1024  # bytes, as of jobs.toml
HEAD: Final = """\
# From {file}, by taskd import crontab.
# cron ran each command in the home directory of its user: give cwd where that matters.

[defaults]
overlap = "{overlap}"  # as cron does: a job starts though its last run goes on
catchup = "{catchup}"  # and what a downtime missed never runs
"""


@app.command("import", epilog="Example: crontab -l | taskd import crontab - > jobs.toml")
def import_(
    kind: Annotated[  # noqa: ARG001 - there is one so far
        Literal["crontab"],
        typer.Argument(metavar="crontab", help="What FILE is: as yet always a crontab."),
    ],
    file: Annotated[str, typer.Argument(metavar="FILE", help="A crontab; - for stdin.")],
    system: Annotated[
        bool | None,
        typer.Option(
            "--system/--user",
            help="Has FILE a column of users? Default: below /etc it has.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Print a jobs.toml made of a crontab.

    What could not be carried over is told on stderr, by line; the exit status is 1 where an entry
    became no job.
    """
    from taskd.config.crontab import DEFAULTS, first_words, read_crontab

    text = _read(file)
    has_users = _is_of_system(file) if system is None else system
    found = read_crontab(text, has_users=has_users)
    if json:
        put_json(_document(found, DEFAULTS))
    else:
        import tomli_w

        head = HEAD.format(file="stdin" if file == "-" else file, **DEFAULTS)
        put(f"{head}\n{tomli_w.dumps({'jobs': found.jobs})}".rstrip("\n"))
        _tell(file, found)
        if not has_users and _are_users(first_words(text)):
            talk("each command begins with the name of a user; is it a system crontab? --system")
    if any(note.is_lost for note in found.notes):
        raise typer.Exit(Exit.FAILED)


def _document(found: Imported, defaults: Mapping[str, str]) -> dict[str, object]:
    notes = [
        {"line": note.line, "message": note.message, "fix": note.fix, "lost": note.is_lost}
        for note in found.notes
    ]
    return {"defaults": dict(defaults), "jobs": found.jobs, "notes": notes}


def _tell(file: str, found: Imported) -> None:
    for note in found.notes:
        talk(f"{file}:{note.line}: {note.message}; {note.fix}")
    lost = sum(note.is_lost for note in found.notes)
    jobs = "1 job" if len(found.jobs) == 1 else f"{len(found.jobs)} jobs"
    talk(jobs + (f"; entries that became none: {lost}" if lost else ""))


def _read(file: str) -> str:
    try:
        if file == "-":
            content = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(file).open("rb") as crontab:
                content = crontab.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise _refused(f"{file} is larger than {LARGEST // 1024**2} MiB")
        return content.decode().replace("\r\n", "\n")
    except OSError as error:
        raise _refused(f"{file} cannot be read: {str(error.strerror).lower()}") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _refused(f"{file}:{line}: is not UTF-8; convert it with iconv") from None


def _is_of_system(file: str) -> bool:
    return file != "-" and Path(file).resolve().is_relative_to("/etc")


def _are_users(words: Iterable[str]) -> bool:
    users = {user.pw_name for user in pwd.getpwall()}
    named = set(words)
    return bool(named) and named <= users


def _refused(reason: str) -> typer.Exit:
    talk(f"taskd: {reason}")
    return typer.Exit(Exit.FAILED)
