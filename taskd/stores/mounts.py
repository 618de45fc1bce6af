"""Mounts: on what kind of file system a store lies, as the kernel lists them in proc(5), mountinfo.

SQLite's write-ahead log is shared memory of one machine: "WAL does not work over a network
filesystem" (sqlite.org/wal.html). It may seem to, and lose the store to a second machine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from taskd.errors import StoreUnusable

NETWORK: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre"),
        *("fuse.ceph", "fuse.glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone"),
    }
)
MOUNTS: Final = Path("/proc/self/mountinfo")


def refuse_network(store: Path, mounts: Path = MOUNTS) -> None:
    """Refuse a store whose directory other machines may share. Raises StoreUnusable."""
    try:
        kind = kind_of(store.parent, mounts.read_text(errors="replace"))
    except OSError:
        return  # there is no such directory yet, or no /proc: nothing is known against it
    if kind in NETWORK:
        raise StoreUnusable(
            str(store),
            f"lies on a network file system ({kind}), where SQLite cannot keep it whole",
            "put it on a disk of this machine",
        )


def kind_of(directory: Path, mounts: str) -> str:
    """Return the type of the file system of a directory, empty where it is not listed."""
    device = directory.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        place, _, system = line.partition(" - ")
        if place.split()[2:3] == [number]:
            return system.split()[0]
    return ""
