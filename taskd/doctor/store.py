"""The store: whether it can be had, written, trusted, and who has it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from taskd.doctor.finding import Finding, ok, problem, warning
from taskd.stores.damage import QUICK_CHECK
from taskd.stores.filesystem import file_system, is_remote
from taskd.stores.history import opened
from taskd.stores.lock import holder_of
from taskd.stores.migrations import APPLICATION_ID, newest_version

TOO_LITTLE: Final = 16 * 1024**2  # bytes: a checkpoint of the write-ahead log may not fit
LITTLE: Final = 256 * 1024**2
IN_PASSING: Final = timedelta(minutes=1)  # what a daemon may commit while this is looked at
MIB: Final = 1024**2
_MOVE: Final = "give it a local disk: daemon.store, or --store"


def store(path: Path, now: datetime, served_by: int | None) -> Iterator[Finding]:
    """Look at the store at `path`; the daemon that answers has the pid `served_by`."""
    folder = next(each for each in path.parents if each.exists())
    yield from _place(path, folder)
    yield from _room(folder)
    if not path.exists():
        yield from _to_be_made(path, folder)
        return
    yield from _permissions(path)
    yield from _holder(path, served_by)
    yield from _content(path, now)


def _place(path: Path, folder: Path) -> Iterator[Finding]:
    kind = file_system(folder)
    if is_remote(kind):
        message = f"{path} is on {kind}, a network file system, where SQLite can lose it"
        yield problem("store", message, _MOVE)


def _room(folder: Path) -> Iterator[Finding]:
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    message = f"{free // MIB} MiB are free at {folder}"
    fix = "make room, or: taskd prune, retention.success, retention.failed"
    if free < TOO_LITTLE or (disk.f_files and not disk.f_favail):
        yield problem("disk", message if disk.f_favail or not disk.f_files else "no inodes", fix)
    elif free < LITTLE:
        yield warning("disk", message, fix)
    else:
        yield ok("disk", message)


def _to_be_made(path: Path, folder: Path) -> Iterator[Finding]:
    if os.access(folder, os.W_OK | os.X_OK):
        yield ok("store", f"{path} is not there yet; the first start makes it")
    else:
        fix = f"install -d -m 700 -o USER {path.parent}, or give another: daemon.store"
        yield problem("store", f"{path} cannot be made: {folder} is not writable", fix)


def _permissions(path: Path) -> Iterator[Finding]:
    found = path.stat()
    if stat.S_IMODE(found.st_mode) & 0o077:
        message = f"others may read {path}, and arguments may be secrets"
        yield warning("store", message, f"chmod 600 {path}*")
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK):
        message = f"{path} and its directory are not writable for this user"
        yield problem("store", message, "run this as the daemon's user, or chown them")


def _holder(path: Path, served_by: int | None) -> Iterator[Finding]:
    holder = holder_of(path)
    if holder is None or holder == served_by:
        return
    message = f"process {holder} has {path} open and does not answer on the control socket"
    fix = f"is it a taskd with another --socket, or a Scheduler? else: kill {holder}"
    yield warning("store", message, fix)


def _content(path: Path, now: datetime) -> Iterator[Finding]:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            owner = int(db.execute("PRAGMA application_id").fetchone()[0])
            (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if owner != APPLICATION_ID and (version or tables):
                fix = _MOVE.replace("a local disk", "another path")
                yield problem("store", f"{path} is another program's database", fix)
                return
            if version > newest_version():
                message = f"{path} has schema {version}, this taskd knows up to {newest_version()}"
                yield problem("store", message, "use the taskd that wrote it, or a newer one")
                return
            (found,) = db.execute(QUICK_CHECK).fetchone()
            if found != "ok":
                fix = "stop taskd and restore a backup, or: taskd verify --rebuild FILE"
                yield problem("store", f"{path} is damaged: {' '.join(found.split())}", fix)
                return
    except sqlite3.Error as error:
        fix = "restore a backup, or move the file away to begin anew"
        yield problem("store", f"{path} cannot be read: {error}", fix)
        return
    if version == newest_version():
        yield from _journal(path, now)
    size = path.stat().st_size // MIB
    old = "" if version == newest_version() else f", made of schema {version} at the next start"
    yield ok("store", f"{path} is sound: {size} MiB, schema {newest_version()}{old}")


def _journal(path: Path, now: datetime) -> Iterator[Finding]:
    """Nothing can have happened yet that is to happen: the clock was set back."""
    with opened(path) as history:
        latest = history.events(history.head() - 1, 1)
    if latest and latest[0].at > now + IN_PASSING:
        message = f"it was set back: the store's last event is of {latest[0].at:%Y-%m-%d %H:%M:%S}"
        fix = "set the clock right: what was decided before is not decided again"
        yield problem("clock", f"{message} UTC", fix)
