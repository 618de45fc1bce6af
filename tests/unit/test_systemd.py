"""Rules of the notices to systemd, on a real socket; and of the unit file."""

from __future__ import annotations

import configparser
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from taskd.systemd import Notifier, feed_watchdog, watchdog_interval

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
    unit = configparser.ConfigParser(interpolation=None)
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


def test_the_unit_is_one_that_systemd_accepts(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "taskd.service"
    unit.write_text(UNIT.read_text().replace("/usr/bin/taskd", "/bin/true"))
    verdict = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert not [line for line in verdict.stderr.splitlines() if "taskd.service" in line]
