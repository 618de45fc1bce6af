"""Power: what a disk may hold after a power loss, rebuilt from the record of what was written.

strace(1) records each write, truncation, sync, creation and removal of a life's files, in order.
A `Disk` takes them one by one. At any moment it makes an image: what was synced is there; of what
was written since, each piece is there, torn at a sector, or not, in any order. A file's name, too,
is only sure once its directory was synced after it.

`python -m tests.storm.power FOLDER` is the life: it notes each acknowledged task in `acked`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from taskd import Scheduler

SECTOR: Final = 512  # bytes that a disk writes whole
TASKS: Final = 48
LARGE: Final = 200_000  # characters of an argument, so that the log is moved into the file
CALLS: Final = "openat,pwrite64,write,ftruncate,fdatasync,fsync,unlink,rename,link"
SIDES: Final = ("", "-wal", "-journal")

WHOLE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
BEGUN = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
ENDED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)")
WRITTEN = re.compile(r'^\d+<([^>]*)>, "([^"]*)", \d+(?:, (\d+))?$')
SIZED = re.compile(r"^\d+<([^>]*)>, (\d+)$")
SYNCED = re.compile(r"^\d+<([^>]*)>$")
OPENED = re.compile(r'^AT_FDCWD(?:<[^>]*>)?, "([^"]*)", ([A-Z_|]+)')
NAMED = re.compile(r'^"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Op:
    """One thing that was done to the file `name`, at `offset` with `data` where it was written."""

    kind: str
    name: str
    offset: int = 0
    data: bytes = b""


@dataclass
class _File:
    synced: bytearray = field(default_factory=bytearray)
    since: list[Op] = field(default_factory=list)
    is_sure: bool = False  # its name is on the disk
    is_removed: bool = False


class Disk:
    """What is surely, and what is perhaps, on the disk."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self.acked: list[str] = []

    def take(self, op: Op) -> None:
        """Do what was done."""
        if op.name == "acked":
            self.acked.extend(op.data.decode().split())
            return
        match op.kind:
            case "create":
                if op.name not in self._files or self._files[op.name].is_removed:
                    self._files[op.name] = _File()
            case "remove":
                self._files[op.name].is_removed = True
            case "write" | "truncate":
                self._files[op.name].since.append(op)
            case "sync" if op.name == ".":
                self._sync_names()
            case "sync":
                file = self._files[op.name]
                for one in file.since:
                    _apply(file.synced, one)
                file.since.clear()
            case _:
                raise ValueError(op.kind)

    def image(self, folder: Path, chance: Random) -> None:
        """Write what a power loss at this moment may leave."""
        for name, file in self._files.items():
            is_there = not file.is_removed if file.is_sure else chance.random() < 0.5
            if file.is_removed and file.is_sure:
                is_there = chance.random() < 0.5
            (folder / name).unlink(missing_ok=True)
            if is_there:
                (folder / name).write_bytes(_perhaps(file, chance))

    def _sync_names(self) -> None:
        for name, file in list(self._files.items()):
            if file.is_removed:
                del self._files[name]
            file.is_sure = True


def _perhaps(file: _File, chance: Random) -> bytes:
    content = bytearray(file.synced)
    share = chance.choice([0.0, 0.5, 0.9, 1.0])
    kept = [op for op in file.since if chance.random() < share]
    for op in kept:
        is_torn = op.kind == "write" and chance.random() < 0.2
        sectors = len(op.data) // SECTOR
        cut = SECTOR * chance.randint(0, sectors) if is_torn else len(op.data)
        _apply(content, Op(op.kind, op.name, op.offset, op.data[:cut]))
    return bytes(content)


def _apply(content: bytearray, op: Op) -> None:
    end = op.offset + len(op.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if op.kind == "truncate":
        del content[op.offset :]
    content[op.offset : end] = op.data


# -- the record ------------------------------------------------------------------------------------


def record(folder: Path, trace: Path) -> list[Op]:
    """Live in `folder` and return what was done to the store's files and to `acked`."""
    subprocess.run(
        [
            *("strace", "-f", "-qq", "-y", "-xx", "-s", str(1 << 24), "-o", str(trace)),
            *("-e", f"trace={CALLS}", sys.executable, "-m", "tests.storm.power", str(folder)),
        ],
        check=True,
    )
    with trace.open() as lines:
        return list(_ops(lines, folder))


def _ops(lines: Iterator[str], folder: Path) -> Iterator[Op]:
    begun: dict[str, str] = {}
    for line in lines:
        if found := BEGUN.match(line):
            begun[found[1]] = found[3]
            continue
        found = WHOLE.match(line)
        arguments = found[3] if found else ""
        if found is None and (found := ENDED.match(line)):
            arguments = begun.pop(found[1], "") + found[3]
        if found is None or int(found[4]) < 0:
            continue
        op = _op(found[2], arguments)
        if op is not None and (name := _within(op.name, folder)) is not None:
            yield Op(op.kind, name, op.offset, op.data)


def _op(call: str, arguments: str) -> Op | None:
    match call:
        case "pwrite64" | "write" if found := WRITTEN.match(arguments):
            return Op("write", _text(found[1]), int(found[3] or 0), _bytes(found[2]))
        case "ftruncate" if found := SIZED.match(arguments):
            return Op("truncate", _text(found[1]), int(found[2]))
        case "fsync" | "fdatasync" if found := SYNCED.match(arguments):
            return Op("sync", _text(found[1]))
        case "openat" if (found := OPENED.match(arguments)) and "O_CREAT" in found[2]:
            return Op("create", _text(found[1]))
        case "unlink" if found := NAMED.match(arguments):
            return Op("remove", _text(found[1]))
        case _:
            return None


def _within(path: str, folder: Path) -> str | None:
    """Return the name of a file that is recorded, "." of the folder, else None."""
    if path == str(folder):
        return "."
    known = {str(folder / f"taskd.db{side}") for side in SIDES} | {str(folder / "acked")}
    return Path(path).name if path in known else None


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _text(escaped: str) -> str:
    return os.fsdecode(_bytes(escaped)) if escaped.startswith("\\x") else escaped


# -- the life --------------------------------------------------------------------------------------


def main(folder: Path) -> None:
    """Schedule tasks, small and large, and note each when it is acknowledged."""
    with (
        Scheduler(f"sqlite:///{folder}/taskd.db") as scheduler,
        closing((folder / "acked").open("ab", buffering=0)) as acked,
    ):
        for number in range(TASKS):
            word = "x" * (LARGE if number % 4 == 1 else 1)
            task_id = scheduler.schedule_one_time(len, datetime.now(UTC), args=[word])
            acked.write(f"{task_id}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
