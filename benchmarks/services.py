"""The servers that peers need, started for the run in a temporary directory.

Each is left at its defaults but for where it listens; Redis keeps nothing on disk, as most use it
with Celery.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

SEEN_IN = ["/usr/lib/postgresql", "/usr/pgsql", "/usr/local/pgsql"]  # where systems put it
READY_TRIES = 100


class NoService(Exception):
    """The server cannot be had here; the message says what is missing."""


class Service(Protocol):
    """A running server."""

    version: str

    def fresh(self) -> str:
        """Return the address of an empty database on it."""
        ...


class Postgres:
    """PostgreSQL with its defaults: fsync and synchronous_commit are on."""

    def __init__(self, home: Path) -> None:
        self._home, self._names = home, count(1)
        self._programs = _postgres_programs()
        # It refuses to run as root; whom it runs as, owns its files.
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._data = home / "data"
        self._data.mkdir()
        if self._user is not None:
            shutil.chown(self._data, self._user)
            shutil.chown(home, self._user)
        self._run("initdb", "--pgdata", self._data, "--auth", "trust", "--username", "bench")
        options = f"-c listen_addresses='' -c unix_socket_directories='{home}'"
        log = self._data / "log"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", log, "-o", options)
        self.version = self._run("postgres", "--version").split()[2]

    def fresh(self) -> str:
        """Return the DSN of a new database."""
        name = f"bench{next(self._names)}"
        script = f"CREATE DATABASE {name}"
        self._run("psql", "-h", self._home, "-U", "bench", "-d", "postgres", "-c", script)
        return f"postgresql://bench@/{name}?host={self._home}"

    def stop(self) -> None:
        """Stop it."""
        self._run("pg_ctl", "stop", "-D", self._data, "-m", "immediate")

    def _run(self, program: str, *words: str | Path) -> str:
        command = [self._programs / program, *words]
        done = subprocess.run(
            command, user=self._user, cwd=self._home, capture_output=True, text=True
        )
        if done.returncode:
            raise NoService(f"{program}: {done.stderr.strip()[-300:]}")
        return done.stdout


class Redis:
    """Redis without persistence."""

    def __init__(self, home: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise NoService(
                "no redis-server on this machine (Debian: apt-get install redis-server)"
            )
        self._socket = home / "redis"
        keep = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(home)]
        listen = ["--port", "0", "--unixsocket", str(self._socket)]
        self._server = subprocess.Popen([program, *keep, *listen], stdout=subprocess.DEVNULL)
        self._flush()
        said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        self.version = said.partition("v=")[2].split()[0]

    def fresh(self) -> str:
        """Return the address, with nothing in it."""
        self._flush()
        return f"redis+socket://{self._socket}"

    def stop(self) -> None:
        """Stop it."""
        self._server.terminate()
        self._server.wait()

    def _flush(self) -> None:
        command = ["redis-cli", "-s", str(self._socket), "flushall"]
        for _ in range(READY_TRIES):
            if subprocess.run(command, capture_output=True).returncode == 0:
                return
            if self._server.poll() is not None:
                raise NoService("redis-server does not start")
        raise NoService("redis-server does not answer")


@contextmanager
def serving(home: Path) -> Iterator[dict[str, Service | NoService]]:
    """Start each server that can be had; for another, say why it cannot."""
    home.chmod(0o711)  # a server that runs as another user goes through it
    services: dict[str, Service | NoService] = {}
    running: list[Postgres | Redis] = []
    try:
        for name, kind in (("postgres", Postgres), ("redis", Redis)):
            folder = home / name
            folder.mkdir()
            try:
                running.append(kind(folder))
                services[name] = running[-1]
            except NoService as reason:
                services[name] = reason
        yield services
    finally:
        for service in running:
            service.stop()


def _postgres_programs() -> Path:
    found = [Path(home) for home in SEEN_IN if Path(home).is_dir()]
    for program in [path for home in found for path in sorted(home.glob("**/bin/initdb"))]:
        return program.parent
    if (program_on_path := shutil.which("initdb")) is not None:
        return Path(program_on_path).resolve().parent
    raise NoService("no PostgreSQL on this machine (Debian: apt-get install postgresql)")


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
