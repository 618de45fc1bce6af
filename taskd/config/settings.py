"""Settings: the [daemon] table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from taskd.config.keys import daemon_key_flaws
from taskd.config.shape import NOT_SUPPORTED, Flaw, choice, parse, shown
from taskd.config.values import duration, zone_name


class Durability(StrEnum):
    """What a commit survives: a power loss, or only the crash of the process."""

    FULL = "full"
    NORMAL = "normal"


class Reload(StrEnum):
    """When jobs.toml is read again: when it changes and on SIGHUP, on SIGHUP alone, or never."""

    AUTO = "auto"
    SIGNAL = "signal"
    OFF = "off"


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
    shape, flaws = parse(_DaemonTable, table)
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


def _store(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {shown(value)}")
    if value.startswith(("postgresql:", "postgres:")):
        raise ValueError(f"PostgreSQL is {NOT_SUPPORTED}")
    if not value.startswith("sqlite:"):
        raise ValueError(f'expected "sqlite:///path", found {shown(value)}')
    return value


def _path(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"expected a path, found {shown(value)}")
    return value


class _DaemonTable(BaseModel):
    model_config = ConfigDict(strict=True)

    store: Annotated[str | None, PlainValidator(_store)] = None
    durability: Annotated[Durability, PlainValidator(lambda value: choice(Durability, value))] = (
        Durability.FULL
    )
    timezone: Annotated[str | None, PlainValidator(zone_name)] = None
    workers: Annotated[int, Field(ge=1, le=1000)] = 8
    python_path: list[Annotated[str, PlainValidator(_path)]] = ["."]
    shutdown_grace: Annotated[timedelta, PlainValidator(duration)] = SHUTDOWN_GRACE
    include: list[Annotated[str, PlainValidator(_path)]] = []
    reload: Annotated[Reload, PlainValidator(lambda value: choice(Reload, value))] = Reload.AUTO
