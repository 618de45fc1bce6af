"""What a test needs of the machine: absent, it skips the test, and on CI it fails it."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def lacking(reason: str) -> NoReturn:
    """End the test: skipped with the reason, or failed where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have it: {reason}")
    pytest.skip(reason)


def tool(name: str) -> str:
    """Return the path of an installed program."""
    return shutil.which(name) or lacking(f"{name} is not installed")
