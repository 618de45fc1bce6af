from __future__ import annotations

import os
import pwd
from pathlib import Path

from taskd.places import socket_candidates, state_directory


def test_sockets_are_tried_from_the_most_to_the_least_explicit() -> None:
    environ = {
        "TASKD_SOCKET": "/a/s",
        "RUNTIME_DIRECTORY": "/run/one:/run/two",
        "XDG_RUNTIME_DIR": "/run/user/7",
        "XDG_STATE_HOME": "/state",
    }
    assert socket_candidates(environ, 7) == (
        Path("/a/s"),
        Path("/run/one/taskd.sock"),
        Path("/run/user/7/taskd/taskd.sock"),
        Path("/state/taskd/taskd.sock"),
    )


def test_the_system_socket_is_for_root_alone() -> None:
    system = Path("/run/taskd/taskd.sock")
    assert socket_candidates({}, 0) == (system, Path("/var/lib/taskd/taskd.sock"))
    assert system not in socket_candidates({"HOME": "/home/a"}, 7)


def test_a_place_is_tried_once() -> None:
    environ = {"TASKD_SOCKET": "/run/taskd/taskd.sock", "RUNTIME_DIRECTORY": "/run/taskd"}
    assert socket_candidates(environ, 0).count(Path("/run/taskd/taskd.sock")) == 1


def test_state_lies_where_systemd_xdg_or_the_home_say() -> None:
    environ = {"STATE_DIRECTORY": "/s/one:/s/two", "XDG_STATE_HOME": "/x", "HOME": "/home/a"}
    assert state_directory(environ, 7) == Path("/s/one")
    del environ["STATE_DIRECTORY"]
    assert state_directory(environ, 7) == Path("/x/taskd")
    del environ["XDG_STATE_HOME"]
    assert state_directory(environ, 7) == Path("/home/a/.local/state/taskd")
    assert state_directory(environ, 0) == Path("/var/lib/taskd")


def test_relative_xdg_directories_are_ignored() -> None:
    environ = {"XDG_STATE_HOME": "x", "XDG_RUNTIME_DIR": "y", "HOME": "/home/a"}
    home = Path("/home/a/.local/state/taskd")
    assert state_directory(environ, 7) == home
    assert socket_candidates(environ, 7) == (home / "taskd.sock",)


def test_without_a_home_variable_the_password_database_knows() -> None:
    uid = os.getuid() or pwd.getpwnam("nobody").pw_uid
    home = Path(pwd.getpwuid(uid).pw_dir)
    assert state_directory({}, uid) == home / ".local" / "state" / "taskd"
