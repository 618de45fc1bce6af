"""A shell in a folder of its own, in which `taskd` is the command of this environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


class Shell:
    """Runs command lines in `folder`, with a home, a state and a socket of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            **{key: os.environ[key] for key in os.environ if not key.startswith("PYTHON")},
            "PATH": f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "TASKD_SOCKET": str(folder / "s"),
            "XDG_STATE_HOME": str(folder / "state"),
            "STATE_DIRECTORY": "",
            "TERM": "dumb",
        }

    def start(self, line: str, **more: str) -> subprocess.Popen[str]:
        """Start a command line, in a group that `interrupt` ends."""
        return subprocess.Popen(
            ["bash", "-e", "-o", "pipefail", "-c", line],
            cwd=self.folder,
            env=self.environ | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def serve(self, line: str, **more: str) -> subprocess.Popen[str]:
        """Start a command line that ends in a daemon; return when that is ready."""
        daemon = self.start(line, **more)
        assert daemon.stdout is not None
        while "is ready" not in (said := daemon.stdout.readline()):
            assert said, f"{line} has ended"
        return daemon

    def run(self, line: str) -> str:
        """Run a command line that must succeed; return what it prints."""
        with self.start(line) as process:
            told, _ = process.communicate(timeout=60)
        assert process.returncode == 0, (line, told)
        return told

    def interrupt(self, process: subprocess.Popen[str]) -> int:
        """Press Ctrl-C, and return the exit status."""
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        return process.returncode
