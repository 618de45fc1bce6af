"""Who may be less nice than it is: asked in a process of its own, that gives up its rights."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from taskd.executors.niceness import check_nice

NOBODY = 65534
NO_RIGHT = 77
CODE = """
import os, resource, sys
from taskd.errors import InvalidJob
from taskd.executors.niceness import check_nice
limit = int(sys.argv[1])
try:
    resource.setrlimit(resource.RLIMIT_NICE, (limit, limit))
except ValueError:
    raise SystemExit(77) from None
if os.getuid() == 0:
    os.setuid(int(sys.argv[2]))
try:
    check_nice(int(sys.argv[3]))
except InvalidJob as refusal:
    print(refusal)
else:
    os.nice(int(sys.argv[3]))
    print("as nice as that")
"""


def said(limit: int, by: int) -> str:
    asked = [sys.executable, "-c", CODE, str(limit), str(NOBODY), str(by)]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)
    if ended.returncode == NO_RIGHT:
        pytest.skip("only with CAP_SYS_RESOURCE may the limit be raised")
    assert not ended.stderr
    return ended.stdout


def test_everybody_may_be_nicer() -> None:
    assert said(0, 3) == "as nice as that\n"


def test_nobody_may_be_less_nice_and_the_fix_is_named() -> None:
    assert "nice" in said(0, -1)
    assert "LimitNICE=" in said(0, -1)


def test_the_limit_permits_so_much_and_no_more() -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert said(20 - own + 5, -5) == "as nice as that\n"
    assert "LimitNICE=" in said(20 - own + 5, -6)


@pytest.mark.skipif(os.getuid() != 0, reason="root alone may be less nice")
def test_root_may_be_less_nice() -> None:
    check_nice(-20)
