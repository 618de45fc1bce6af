"""File systems: on which kind a path lies, and those that SQLite's write-ahead log does not bear.

The log is shared memory and locks between processes of one machine: https://sqlite.org/wal.html.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from taskd.errors import StoreUnusable

MOUNTS: Final = Path("/proc/self/mountinfo")
_REMOTE: Final = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "coda", "ceph", "lustre"),
        *("fuse.ceph", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.davfs"),
    )
)
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def refuse_remote(path: Path, mounts: Path = MOUNTS) -> None:
    """Refuse to keep a store on another machine.

    Raises:
        StoreUnusable: `path` is on a network file system.
    """
    kind = file_system(path, mounts)
    if is_remote(kind):
        reason = f"is on {kind}, a network file system, where SQLite can lose what was committed"
        raise StoreUnusable(str(path), reason, "give it a local disk: daemon.store, or --store")


def file_system(path: Path, mounts: Path = MOUNTS) -> str:
    """Return the kind of the file system that `path` is on, such as ``ext4``, as proc(5) has it.

    Empty where it cannot be told.
    """
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    place, kind = Path(), ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) < 5:
            continue
        mount = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        # A later mount on the same place hides those before it.
        if path.is_relative_to(mount) and len(mount.parts) >= len(place.parts):
            place, kind = mount, rest[0]
    return kind


def is_remote(kind: str) -> bool:
    """Whether a file system of that kind is on another machine."""
    return kind in _REMOTE
