"""A machine of its own whose PID 1 is systemd, with taskd installed as a package would do it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0


def blocks() -> list[str]:
    """Return the scripts that taskd(8) tells to type, in its order."""
    page = (ROOT / "man/taskd.8").read_text()
    return re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page, re.S | re.M)


class Guest:
    """The machine, until `power_off`; what it writes is gone then."""

    def __init__(self, folder: Path) -> None:
        command = ["unshare", "--mount", "sh", str(Path(__file__).with_name("boot.sh"))]
        self._boot = subprocess.Popen(
            [*command, str(folder), sys.base_prefix, str(ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._boot.stdout is not None
        keeper = self._boot.stdout.readline().strip()
        children = Path(f"/proc/{keeper}/task/{keeper}/children")
        self._init = ""
        # Where pip finds packages is this machine's to say.
        ours = ("PIP_", "SSL_", "HTTP", "http", "NO_PROXY", "no_proxy")
        self._environ = {key: os.environ[key] for key in os.environ if key.startswith(ours)}
        path = "/opt/guest/python/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self._environ |= {"PATH": path, "HOME": "/root", "LC_ALL": "C.UTF-8"}
        self.until(lambda: children.read_text())
        self._init = children.read_text().strip()
        namespaces = ("-m", "-u", "-i", "-p", "-C", "-r", "-w")
        self._enter = ["nsenter", "-t", self._init, *namespaces]
        self.until(lambda: self.succeeds("systemctl is-system-running --wait"))
        self.follow(blocks()[0])

    def power_off(self) -> None:
        """Kill all of it."""
        self._boot.communicate(timeout=PATIENCE_S)

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script of sh in the machine, as root."""
        return subprocess.run(
            [*self._enter, "sh", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
            env=self._environ,
        )

    def run(self, script: str) -> str:
        """Run a script that must succeed, and return what it prints."""
        ended = self.shell(script)
        assert ended.returncode == 0, (script, ended.stdout, ended.stderr, self.journal())
        return ended.stdout.strip()

    def follow(self, script: str) -> str:
        """Do what taskd(8) tells, in the checkout."""
        return self.run(f"set -e; cd /opt/guest/checkout\n{script}")

    def succeeds(self, script: str) -> bool:
        """Whether a script exits 0."""
        return self.shell(script).returncode == 0

    def write(self, path: str, text: str) -> None:
        """Replace a file of the machine as an editor does."""
        self.run(f"cat >{path}.new <<'END'\n{text}\nEND\nmv {path}.new {path}")

    def property(self, name: str, unit: str = "taskd.service") -> str:
        """Return a property that systemd knows of a unit."""
        return self.run(f"systemctl show -P {name} {unit}")

    def journal(self, *flags: str) -> str:
        """Return what the unit logged."""
        return self.shell(" ".join(["journalctl --no-pager -o cat -u taskd", *flags])).stdout

    def until(self, holds: Callable[[], Any]) -> Any:
        """Return what `holds` gives once it is true; asked for at each beat, never for ever."""
        beat = threading.Event()
        for _ in range(int(PATIENCE_S / 0.05)):
            if found := holds():
                return found
            beat.wait(0.05)
        raise AssertionError(f"it never held; {self.journal()}" if self._init else "no boot")


def lacks() -> str:
    """Return why this machine cannot hold another; nothing where it can."""
    if os.geteuid() != 0:
        return "only root can boot a systemd of its own"
    if not Path("/lib/systemd/systemd").exists():
        return "systemd is not installed"
    return ""
