"""The unit: whether systemd can start taskd, and lets it write where it has to."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskd.doctor.finding import Finding, ok, problem, warning

UNIT: Final = "taskd.service"
SYSTEM: Final = (
    Path("/etc/systemd/system"),
    Path("/run/systemd/system"),
    Path("/usr/local/lib/systemd/system"),
    Path("/usr/lib/systemd/system"),
    Path("/lib/systemd/system"),
)
VERIFY_S: Final = 20.0
_READ_ONLY: Final[Mapping[str, Sequence[str]]] = {
    "true": ("/usr", "/boot", "/efi"),
    "yes": ("/usr", "/boot", "/efi"),
    "full": ("/usr", "/boot", "/efi", "/etc"),
    "strict": ("/",),
}
"""What a value of ProtectSystem= makes read-only: systemd.exec(5)."""
_STANDARD: Final[Mapping[str, str]] = {
    "StateDirectory": "/var/lib",
    "RuntimeDirectory": "/run",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit file with its drop-ins: the values of each key, in the order they are read."""

    path: Path
    values: Mapping[str, Sequence[str]]

    def last(self, key: str) -> str:
        """The value that counts of a key that has one; empty where it is not set."""
        return self.values[key][-1] if self.values.get(key) else ""

    def may_write(self, path: Path) -> bool:
        """Whether its sandbox lets the service write below `path`."""
        closed = _READ_ONLY.get(self.last("ProtectSystem"), ())
        paths = " ".join(self.values.get("ReadWritePaths", ())).split()
        opened = [path.lstrip("-+") or "/" for path in paths]  # the marks of systemd.exec(5)
        for key, place in _STANDARD.items():
            opened += [f"{place}/{name.partition(':')[0]}" for name in self.last(key).split()]
        # /dev, /proc and /sys apart; what PrivateTmp gives is not the /tmp of others.
        inner = max((each for each in opened if path.is_relative_to(each)), key=len, default="")
        outer = max((each for each in closed if path.is_relative_to(each)), key=len, default="")
        return not outer or (bool(inner) and len(inner) >= len(outer))

    @property
    def file(self) -> Path | None:
        """The jobs.toml that it runs."""
        words = shlex.split(self.last("ExecStart"))
        return Path(words[2]) if len(words) > 2 and words[1] == "run" else None


def unit(found: Unit | None, config: Path | None, store: Path) -> Iterator[Finding]:
    """Look at an installed unit; `store` is that of the file `config`."""
    if found is None:
        yield ok("unit", f"no {UNIT} is installed")
        return
    flaws = [*_start(found), *_user(found), *_verified(found)]
    if config is not None and found.file is not None and _is_same(config, found.file):
        flaws += _closed(found, store)
    yield from flaws or [ok("unit", f"{found.path} can be started")]


def installed(places: Sequence[Path] = SYSTEM) -> Unit | None:
    """The unit that systemd would take, the first of `places`."""
    return next((read_unit(place / UNIT) for place in places if (place / UNIT).is_file()), None)


def read_unit(path: Path) -> Unit:
    """Read the unit file at `path`, and the drop-ins beside it."""
    values: defaultdict[str, list[str]] = defaultdict(list)
    for file in (path, *sorted(path.with_name(f"{path.name}.d").glob("*.conf"))):
        text = file.read_text("utf-8", "replace").replace("\\\n", " ")
        for line in text.splitlines():
            key, equals, value = line.strip().partition("=")
            if not equals or line.lstrip().startswith(("#", ";")):
                continue
            # An empty assignment takes back those before it: systemd.syntax(7).
            values[key.strip()] = [*values[key.strip()], value.strip()] if value.strip() else []
    return Unit(path, values)


def _start(found: Unit) -> Iterator[Finding]:
    words = shlex.split(found.last("ExecStart").lstrip("@-:+!"))
    file = found.file
    if not words or not os.access(words[0], os.X_OK):
        what = words[0] if words else "nothing"
        fix = f"write ExecStart={shutil.which('taskd') or '/usr/bin/taskd'} run ..."
        yield problem("unit", f"{found.path} starts {what}, which is no program", fix)
    elif file is not None and not file.exists():
        message = f"{found.path} runs {file}, which is not there"
        yield problem("unit", message, f"taskd init {file.parent}")


def _user(found: Unit) -> Iterator[Finding]:
    name = found.last("User")
    if not name or name.isdecimal() or found.last("DynamicUser") in ("yes", "true", "1"):
        return
    try:
        pwd.getpwnam(name)
    except KeyError:
        fix = f"useradd --system --home-dir /var/lib/taskd {name}"
        yield problem("unit", f"there is no user {name}", fix)


def _closed(found: Unit, store: Path) -> Iterator[Finding]:
    if not found.may_write(store):
        fix = f"systemctl edit taskd, with ReadWritePaths={store.parent} below [Service]"
        yield problem("unit", f"{found.path} does not let taskd write {store}", fix)


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _verified(found: Unit) -> Iterator[Finding]:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    try:
        ended = subprocess.run(
            [analyze, "verify", str(found.path)],
            capture_output=True,
            text=True,
            timeout=VERIFY_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return  # systemd-analyze(1) wants more of a machine than a container may have
    if ended.returncode and ended.stderr.strip():
        first = ended.stderr.strip().splitlines()[0]
        yield warning("unit", f"systemd says: {first}", f"systemd-analyze verify {found.path}")
