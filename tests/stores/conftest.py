"""The stores that every test of the verbs runs on; a store that joins adds itself to KINDS."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskd.stores.sqlite import SqliteStore

KINDS: dict[str, Callable[[Path], SqliteStore]] = {
    "memory": lambda _: SqliteStore(None),
    "file": lambda folder: SqliteStore(folder / "t.db"),
}


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteStore]:
    store = KINDS[request.param](tmp_path)
    yield store
    store.close()


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "t.db")
    yield store
    store.close()
