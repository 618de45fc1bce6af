"""The verbs to begin with: a jobs.toml that runs, and its schema for editors."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from taskd.cli.app import Json, app
from taskd.cli.failures import Exit
from taskd.cli.render import put, put_json, talk
from taskd.terminal import encoded

STARTER: Final = ("jobs.toml", "jobs.py")
SCHEMA: Final = "jobs.schema.json"


@app.command(epilog="Example: taskd init myjobs && taskd run myjobs/jobs.toml")
def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where; made if it is not there. Default: here.")
    ] = Path(),
    json: Json = False,
) -> None:
    """Write a jobs.toml to begin with, and jobs that run at once.

    Beside them the schema, for editors. Nothing is overwritten.
    """
    from importlib.resources import files

    starter = files("taskd.cli.starter")
    texts = {name: starter.joinpath(name).read_text("utf-8") for name in STARTER}
    made = _write(directory, {**texts, SCHEMA: f"{schema_text()}\n"})
    if json:
        put_json({"files": [str(path) for path in made]})
        return
    for path in made:
        put(str(path))
    main = shlex.quote(str(made[0]))
    talk(f"next: taskd run {main}")
    talk("and in another terminal: taskd status")


@app.command(epilog="Example: taskd schema > jobs.schema.json")
def schema() -> None:
    """Print the JSON Schema of jobs.toml, for editors.

    With "#:schema ./jobs.schema.json" as the first line of jobs.toml, Taplo and Even Better TOML
    complete and check it.
    """
    put(schema_text())


def schema_text() -> str:
    """The schema as it is shipped."""
    from taskd.config.schema import json_schema

    return encoded(json_schema())


def _write(directory: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write each of the new files, or none where one of them is there."""
    there = [str(directory / name) for name in texts if (directory / name).exists()]
    if there:
        raise _refused(f"{there[0]} is there already, and nothing is overwritten")
    made: list[Path] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with (directory / name).open("x", encoding="utf-8") as file:
                made.append(directory / name)
                file.write(text)
    except OSError as error:
        for path in made:
            path.unlink()
        raise _refused(f"cannot write to {directory}: {str(error.strerror).lower()}") from None
    return made


def _refused(reason: str) -> typer.Exit:
    talk(f"taskd: {reason}; give another directory: taskd init DIR")
    return typer.Exit(Exit.FAILED)
