"""Migrations: forward only, numbered, each in one transaction with the version it makes."""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from taskd.crashpoints import crash_point
from taskd.errors import StoreUnusable

APPLICATION_ID = 0x7461736B  # "task": tells our files from other programs' databases


def migrate(db: sqlite3.Connection, path: str) -> None:
    """Bring the schema of `db` to this version's.

    Raises:
        StoreUnusable: The file is newer than this version, or another program's.
    """
    steps = _steps()
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    owner = int(db.execute("PRAGMA application_id").fetchone()[0])
    tables = int(db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if owner != APPLICATION_ID and (tables or version):
        raise StoreUnusable(path, "is another program's database", "give another path")
    if version > len(steps):
        raise StoreUnusable(
            path,
            f"has schema {version}, and this taskd knows up to {len(steps)}",
            "use the taskd that wrote it, or a newer one",
        )
    for number, script in enumerate(steps[version:], start=version + 1):
        _apply(db, script, number)


def newest_version() -> int:
    """Return the version of the schema that this taskd makes."""
    return len(_steps())


def _apply(db: sqlite3.Connection, script: str, number: int) -> None:
    db.execute("BEGIN IMMEDIATE")
    crash_point("migration.begun")
    try:
        for statement in _statements(script):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {number}")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    crash_point("migration.before_commit")
    db.execute("COMMIT")
    crash_point("migration.after_commit")


def _statements(script: str) -> list[str]:
    """Split a script where SQLite says a statement ends; executescript would commit first."""
    statements, text = [], ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            statements.append(text)
            text = ""
    return statements


def _steps() -> list[str]:
    folder = files("taskd.stores").joinpath("sql", "sqlite")
    scripts = sorted((item for item in folder.iterdir()), key=lambda item: item.name)
    return [item.read_text(encoding="utf-8") for item in scripts if item.name.endswith(".sql")]
