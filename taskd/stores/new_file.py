"""A new file that appears at its path whole and on the disk, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from taskd.errors import StoreUnusable

SIDE_FILES: Final = ("", "-journal", "-wal", "-shm")


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Yield the path of an empty file beside `target`, its owner's alone, that becomes `target`.

    It does when the block ends well; when it raises, nothing is left.

    Raises:
        StoreUnusable: There is something at `target`, or nothing can be written there.
    """
    try:
        if target.exists() or target.is_symlink():
            raise FileExistsError(0, "is there already")
        descriptor, name = mkstemp(prefix=".taskd-", suffix=".partial", dir=target.parent)
        os.close(descriptor)
        partial = Path(name)
        try:
            yield partial
            _sync(partial)
            _move(partial, target)
            _sync(target.parent)
        finally:
            for suffix in SIDE_FILES:
                with suppress(OSError):
                    partial.with_name(partial.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        fix = "give a path where there is nothing yet, in a directory that you may write to"
        raise StoreUnusable(str(target), str(error.strerror), fix) from error


def _move(partial: Path, target: Path) -> None:
    try:
        target.hardlink_to(partial)  # a rename would replace what somebody put there meanwhile
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if target.exists():
            raise
        partial.rename(target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
