"""Rules of the notices to systemd, on a real socket; and of the unit file."""

from __future__ import annotations

import configparser
import os
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taskd.errors import SocketUnusable
from taskd.systemd import (
    Notifier,
    feed_watchdog,
    inherited_socket,
    is_journal,
    watchdog_interval,
)

FIRST = 3  # SD_LISTEN_FDS_START
UNIT = Path(__file__).parents[2] / "systemd" / "taskd.service"


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        name = f"\0{tmp_path}" if request.param == "abstract" else str(tmp_path / "notify")
        listener.bind(name)
        listener.settimeout(10)
        yield listener


@pytest.fixture
def environ(systemd: socket.socket) -> dict[str, str]:
    name = systemd.getsockname()
    return {"NOTIFY_SOCKET": f"@{name[1:].decode()}" if isinstance(name, bytes) else name}


@pytest.mark.parametrize(
    ("say", "heard"),
    [
        (lambda notifier: notifier.ready(), b"READY=1"),
        (lambda notifier: notifier.ready("3 jobs"), b"READY=1\nSTATUS=3 jobs"),
        (lambda notifier: notifier.reloading(12_345), b"RELOADING=1\nMONOTONIC_USEC=12345"),
        (lambda notifier: notifier.stopping(), b"STOPPING=1"),
        (lambda notifier: notifier.status("idle"), b"STATUS=idle"),
        (lambda notifier: notifier.status("täglich"), "STATUS=täglich".encode()),
        (lambda notifier: notifier.watchdog(), b"WATCHDOG=1"),
    ],
)
def test_each_notice_is_one_datagram_in_the_words_of_sd_notify(
    systemd: socket.socket, environ: dict[str, str], say: Callable[[Notifier], None], heard: bytes
) -> None:
    say(Notifier(environ))
    assert systemd.recv(4096) == heard


def test_a_status_cannot_smuggle_in_another_assignment(
    systemd: socket.socket, environ: dict[str, str]
) -> None:
    Notifier(environ).status("first\nREADY=1\r\nlast")
    assert systemd.recv(4096) == b"STATUS=first READY=1 last"


@pytest.mark.parametrize("name", [None, "", "relative", "vsock:2:1234"])
def test_without_a_socket_of_ours_nothing_is_sent(name: str | None) -> None:
    notifier = Notifier({} if name is None else {"NOTIFY_SOCKET": name})
    notifier.ready("3 jobs")
    notifier.watchdog()


def test_a_dead_socket_is_no_error(tmp_path: Path) -> None:
    dead = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(dead))
    for name in (str(dead), str(tmp_path / "missing"), "@taskd-nobody", "/" + "long" * 100):
        Notifier({"NOTIFY_SOCKET": name}).ready()


def test_a_service_manager_that_does_not_read_cannot_stop_us(
    systemd: socket.socket, environ: dict[str, str]
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flood, pytest.raises(BlockingIOError):
        flood.setblocking(False)
        while True:
            flood.sendto(b"flood", systemd.getsockname())
    Notifier(environ).ready()


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, timedelta(seconds=15)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, timedelta(seconds=15)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
    ],
)
def test_the_watchdog_is_fed_at_half_its_limit_when_it_waits_for_this_process(
    environ: dict[str, str], interval: timedelta | None
) -> None:
    assert watchdog_interval(environ, 42) == interval


def test_the_watchdog_is_fed_only_after_there_was_progress(
    systemd: socket.socket, environ: dict[str, str]
) -> None:
    asked, goes_on, has_ended = threading.Semaphore(0), threading.Semaphore(0), threading.Event()

    def progress() -> None:
        asked.release()
        assert goes_on.acquire(timeout=10)

    def feed() -> None:
        feed_watchdog(Notifier(environ), timedelta(0), progress=progress, has_ended=has_ended.wait)

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert asked.acquire(timeout=10)
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(4096)
    systemd.settimeout(10)
    has_ended.set()
    goes_on.release()
    feeder.join(10)
    assert systemd.recv(4096) == b"WATCHDOG=1"


@pytest.fixture
def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.read(UNIT)
    return unit["Service"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Type", "notify"),
        ("ExecStart", "/usr/bin/taskd run /etc/taskd/jobs.toml"),
        ("ExecReload", "/usr/bin/taskd reload"),
        ("User", "taskd"),
        ("StateDirectory", "taskd"),
        ("RuntimeDirectory", "taskd"),
        ("Restart", "on-failure"),
    ],
)
def test_the_unit_keeps_what_the_manual_promises(
    service: configparser.SectionProxy, key: str, value: str
) -> None:
    assert service[key] == value


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Callable[[socket.socket], object]]:
    """Make a socket the first that a process inherits, in the place of whatever was there."""
    kept = os.dup(FIRST)
    yield lambda given: os.dup2(given.fileno(), FIRST)
    os.dup2(kept, FIRST)
    os.close(kept)


def listening(path: Path) -> socket.socket:
    given = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    given.bind(str(path))
    given.listen()
    return given


def told(**more: str) -> dict[str, str]:
    return {"LISTEN_PID": "42", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "taskd.socket", **more}


def test_the_socket_that_systemd_opened_is_taken_and_not_told_of_to_children(
    three: Callable[[socket.socket], object], tmp_path: Path
) -> None:
    environ = told()
    with listening(tmp_path / "s") as given:
        three(given)
    taken = inherited_socket(environ, 42)
    assert taken is not None
    assert taken.getsockname() == str(tmp_path / "s")
    assert not taken.get_inheritable()
    assert environ == {}
    taken.detach()


@pytest.mark.parametrize(
    "environ",
    [{}, told(LISTEN_PID="43"), told(LISTEN_FDS="0"), told(LISTEN_FDS="one"), {"LISTEN_FDS": "1"}],
)
def test_what_was_opened_for_another_process_or_not_at_all_is_not_taken(
    environ: dict[str, str],
) -> None:
    assert inherited_socket(environ, 42) is None
    assert environ == {}


def test_several_sockets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SocketUnusable, match="2 sockets"):
        inherited_socket(told(LISTEN_FDS="2"), 42)


def test_a_socket_of_another_kind_is_refused(three: Callable[[socket.socket], object]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as given:
        three(given)
    with pytest.raises(SocketUnusable, match="listening Unix stream socket"):
        inherited_socket(told(), 42)


def test_stderr_is_the_journal_where_systemd_says_so() -> None:
    read, write = os.pipe()
    there = os.fstat(write)
    assert is_journal({"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}, write)
    assert not is_journal({"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino + 1}"}, write)
    assert not is_journal({}, write)
    os.close(read)
    os.close(write)
