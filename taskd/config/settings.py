"""Settings: the [daemon] table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from taskd.config.keys import daemon_key_flaws
from taskd.config.kinds import DURATION, PATH, STORE, ZONE, word
from taskd.config.shape import Flaw, parse


class Durability(StrEnum):
    """What a commit survives: a power loss, or only the crash of the process."""

    FULL = "full"
    NORMAL = "normal"


class Reload(StrEnum):
    """When jobs.toml is read again: when it changes and on SIGHUP, on SIGHUP alone, or never."""

    AUTO = "auto"
    SIGNAL = "signal"
    OFF = "off"


MOST_WORKERS: Final = 1000
SHUTDOWN_GRACE: Final = timedelta(seconds=30)  # below the 90 s after which systemd kills


@dataclass(frozen=True, slots=True)
class Settings:
    """The [daemon] table. None stands for what the system decides: its state directory, its zone.

    `workers` is 1..1000. `python_path` is absolute, and first on ``sys.path``.
    """

    store: str | None = None
    durability: Durability = Durability.FULL
    timezone: str | None = None
    workers: int = 8
    python_path: tuple[Path, ...] = ()
    shutdown_grace: timedelta = SHUTDOWN_GRACE
    reload: Reload = Reload.AUTO


def settings_from_table(
    table: Mapping[str, object], directory: Path
) -> tuple[Settings, tuple[str, ...], list[Flaw]]:
    """The settings of a [daemon] `table`, its `include` patterns, and all that is wrong with it.

    Relative paths are relative to `directory`, that of the file.
    """
    shape, flaws = parse(DaemonTable, table)
    settings = Settings(
        store=shape.store,
        durability=shape.durability,
        timezone=shape.timezone,
        workers=shape.workers,
        python_path=tuple(directory.absolute() / place for place in shape.python_path),
        shutdown_grace=shape.shutdown_grace,
        reload=shape.reload,
    )
    return settings, tuple(shape.include), [*daemon_key_flaws(table), *flaws]


class DaemonTable(BaseModel):
    """The values of the [daemon] table."""

    model_config = ConfigDict(strict=True)

    store: Annotated[str | None, STORE] = None
    durability: Annotated[Durability, word(Durability)] = Durability.FULL
    timezone: Annotated[str | None, ZONE] = None
    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS)] = 8
    python_path: list[Annotated[str, PATH]] = ["."]
    shutdown_grace: Annotated[timedelta, DURATION] = SHUTDOWN_GRACE
    include: list[Annotated[str, PATH]] = []
    reload: Annotated[Reload, word(Reload)] = Reload.AUTO
