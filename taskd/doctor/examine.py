"""Examine: every check in its order, with what each has to know."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from taskd.config.load import Configuration
from taskd.doctor import code, control, machine, store, unit
from taskd.doctor.finding import Finding, problem
from taskd.doctor.unit import Unit, installed
from taskd.errors import StoreUnavailable, StoreUnusable
from taskd.places import socket_candidates, state_directory
from taskd.stores import sqlite_path


@dataclass(frozen=True, slots=True)
class Daemon:
    """What a daemon that answers says of itself."""

    pid: int
    config: Path
    store: Path
    socket: Path


def examine(
    file: Path | None,
    url: str | None,
    daemon: Daemon | None,
    now: datetime,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[Finding]:
    """Look at all that taskd needs; a finding comes as soon as its check is done.

    `file` is the jobs.toml, by default that of the `daemon`, then the service's; `url` is the
    store's address, by default the daemon's store, then the file's, then the default one.
    """
    yield from machine.python()
    yield from machine.clock(now)
    yield from _looked("zones", machine.zones(now, environ))
    service = installed()
    config = file or (daemon.config if daemon else _served_by(service))
    configuration = None
    if config is not None:
        configuration, findings = code.read(config)
        yield from findings
    yield from _looked("watching", machine.watching(_folder(config)))
    sockets = socket_candidates(environ, os.geteuid())
    served_at = daemon.socket if daemon else None
    yield from _looked("socket", control.control(sockets, served_at))
    try:
        path = _store_path(url, daemon, configuration, environ)
    except StoreUnusable as error:
        yield problem("store", str(error), "write sqlite:///path/to/taskd.db")
    else:
        yield from _looked("store", store.store(path, now, daemon.pid if daemon else None))
        yield from _looked("unit", unit.unit(service, config, path))


def _looked(check: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings of a check; what it may not look at is one."""
    try:
        yield from findings
    except (OSError, StoreUnavailable) as error:
        fix = "run this as the daemon's user, or as root"
        yield problem(check, f"it cannot be looked at: {error}", fix)


def _served_by(service: Unit | None) -> Path | None:
    """The file of the service; of somebody else's only root looks at it."""
    if service is None or service.file is None or not service.file.exists():
        return None
    me = pwd.getpwuid(os.geteuid()).pw_name
    return service.file if me in ("root", service.last("User")) else None


def _folder(config: Path | None) -> Path:
    folder = config.absolute().parent if config is not None else Path.cwd()
    return folder if folder.is_dir() else Path("/")


def _store_path(
    url: str | None,
    daemon: Daemon | None,
    configuration: Configuration | None,
    environ: Mapping[str, str],
) -> Path:
    if url is not None:
        return sqlite_path(url, Path.cwd()).absolute()
    if daemon is not None:
        return daemon.store
    if configuration is not None and configuration.settings.store is not None:
        folder = configuration.path.absolute().parent
        return sqlite_path(configuration.settings.store, folder)
    return state_directory(environ, os.geteuid()).absolute() / "taskd.db"
