"""Where taskd keeps its socket and its state: one list, read by the daemon and by its clients."""

from __future__ import annotations

import pwd
from collections.abc import Mapping
from pathlib import Path


def socket_candidates(environ: Mapping[str, str], uid: int) -> tuple[Path, ...]:
    """The control sockets to try, in order; the daemon listens on the first of them.

    Each place is left out where its variable is unset or, as the XDG base directory specification
    asks, relative. There is always at least one.
    """
    places: list[Path] = []
    if explicit := environ.get("TASKD_SOCKET"):
        places.append(Path(explicit))
    if runtime := _systemd_directory(environ, "RUNTIME_DIRECTORY"):
        places.append(runtime / "taskd.sock")
    if uid == 0:
        places.append(Path("/run/taskd/taskd.sock"))
    if user_runtime := _absolute(environ, "XDG_RUNTIME_DIR"):
        places.append(user_runtime / "taskd" / "taskd.sock")
    places.append(state_directory(environ, uid) / "taskd.sock")
    return tuple(dict.fromkeys(places))


def state_directory(environ: Mapping[str, str], uid: int) -> Path:
    """The directory of the store and of everything else that must outlive a restart."""
    if given := _systemd_directory(environ, "STATE_DIRECTORY"):
        return given
    if state_home := _absolute(environ, "XDG_STATE_HOME"):
        return state_home / "taskd"
    if uid == 0:
        return Path("/var/lib/taskd")
    home = environ.get("HOME") or pwd.getpwuid(uid).pw_dir
    return Path(home) / ".local" / "state" / "taskd"


def _systemd_directory(environ: Mapping[str, str], variable: str) -> Path | None:
    # systemd.exec(5): several directories of a unit come joined by colons; the first is ours.
    first, _, _ = environ.get(variable, "").partition(":")
    return Path(first) if first else None


def _absolute(environ: Mapping[str, str], variable: str) -> Path | None:
    path = Path(environ.get(variable, ""))
    return path if path.is_absolute() else None
