"""A wall clock that a test can set under a daemon, by a shim that a C compiler makes."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

SHIM = Path(__file__).with_name("shifted_clock.c")
COMPILER = shutil.which("cc") or shutil.which("gcc")


class Shift:
    """The seconds by which the daemon's wall clock is ahead."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "shift"
        self.file.write_bytes(bytes(8))
        self.library = folder / "shift.so"
        assert COMPILER is not None
        command = [COMPILER, "-shared", "-fPIC", "-O1", str(SHIM), "-o", str(self.library), "-ldl"]
        subprocess.run(command, check=True, timeout=60)

    @property
    def environ(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "SHIFT": str(self.file)}

    def set(self, seconds: int) -> None:
        with self.file.open("r+b") as file:
            file.write(struct.pack("q", seconds))
