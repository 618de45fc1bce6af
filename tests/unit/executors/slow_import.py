"""A module whose import lasts until a test lets it go on."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from taskd import current_run

_folder = Path(os.environ["TASKD_SLOW_IMPORT"])
(_folder / "importing").touch()
_pause = threading.Event()
while not (_folder / "go").exists():
    if current_run.cancelled:
        (_folder / "told").touch()
    _pause.wait(0.005)


def begin(path: str) -> None:
    Path(path).touch()


async def abegin(path: str) -> None:
    Path(path).touch()
