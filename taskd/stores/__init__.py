"""Stores: where taskd keeps what it decided. `open_store` chooses one by its address."""

from __future__ import annotations

from pathlib import Path

from taskd.errors import StoreUnusable
from taskd.stores.sqlite import SqliteStore


def open_store(
    url: str | None, *, folder: Path | None = None, full_durability: bool = True
) -> SqliteStore:
    """Open the store at `url`, or one in memory when it is None.

    ``sqlite:///NAME`` with a bare name, or a path that begins with a dot, lies in `folder`
    (default: the working directory); with any other path it is absolute, so that
    ``sqlite:///var/lib/taskd/taskd.db`` is ``/var/lib/taskd/taskd.db``.

    Raises:
        StoreUnusable: The address is not one taskd knows, or what lies there cannot be served.
        StoreLocked: Another process has it.
    """
    if url is None:
        return SqliteStore(None)
    return SqliteStore(sqlite_path(url, folder or Path.cwd()), full_durability=full_durability)


def sqlite_path(url: str, folder: Path) -> Path:
    """Return the file that a ``sqlite:///`` address names."""
    if not isinstance(url, str):
        raise TypeError(f"a store's address is text like sqlite:///jobs.db, not {url!r}")
    scheme, _, path = url.partition(":///")
    if path == ":memory:":
        raise StoreUnusable(url, "is no file", "give no address for a Scheduler in memory")
    if scheme != "sqlite" or not path or "\0" in path:
        raise StoreUnusable(url, "is not a store's address", "write sqlite:///path/to/taskd.db")
    if path.startswith("~"):
        try:
            return Path(path).expanduser()
        except RuntimeError as error:
            raise StoreUnusable(url, str(error), "write the whole path") from error
    if path.startswith(".") or "/" not in path:
        return folder / path
    return Path("/") / path
