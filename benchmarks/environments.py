"""Virtual environments of the contestants, made by the suite outside the project's dependencies."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PLACE = Path(".run/benchmarks/environments")


class NoEnvironment(Exception):
    """It could not be made; the message is pip's last word."""


def interpreter(packages: Sequence[str]) -> str:
    """The Python that has these packages; without any it is the project's own.

    An environment is made once for each set of packages: remove `PLACE` for newer ones.

    Raises:
        NoEnvironment: pip could not install them.
    """
    if not packages:
        return sys.executable
    name = hashlib.sha256(repr((sorted(packages), sys.version)).encode()).hexdigest()[:12]
    folder = (PLACE / name).absolute()
    python = folder / "bin/python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, *packages], capture_output=True, text=True)
        if done.returncode:
            raise NoEnvironment(f"pip: {done.stderr.strip().splitlines()[-1]}")
        (folder / "complete").touch()
    return str(python)


def version(python: str, package: str) -> str:
    """The version of an installed package."""
    code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    done = subprocess.run([python, "-c", code, package], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
