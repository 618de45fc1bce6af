"""The manual pages are well formed, complete, and those of today."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from taskd.config.keys import CALENDAR_KEYS, DAEMON_KEYS, JOB_KEYS, NESTED_KEYS
from tests.machine import tool

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for page in (ROOT / "man").iterdir() if re.fullmatch(r"\.\d", page.suffix))

# Pages of others that ours refer to.
FOREIGN = {"cron(8)", "crontab(5)", "curl(1)", "journalctl(1)", "nice(1)", "systemctl(1)"}
FOREIGN |= {"systemd.exec(5)", "systemd.service(5)", "systemd.socket(5)", "sqlite3(1)"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_well_formed_for_mandoc(page: Path, tmp_path: Path) -> None:
    # Which other pages this machine has is nothing to the point; see the test below.
    read = subprocess.run(
        [tool("mandoc"), "-T", "lint", "-W", "style", page],
        capture_output=True,
        text=True,
        env=os.environ | {"MANPATH": str(tmp_path)},
        check=False,
    )
    told = (read.stdout + read.stderr).splitlines()
    assert [line for line in told if "referenced manual not found" not in line] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_well_formed_for_groff(page: Path) -> None:
    read = subprocess.run(
        [tool("man"), "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
        capture_output=True,
        text=True,
        env=os.environ | {"MANWIDTH": "80"},
        check=False,
    )
    assert (read.returncode, read.stderr) == (0, "")


def test_the_pages_refer_to_pages_that_there_are() -> None:
    ours = {f"{page.stem}({page.suffix[1:]})" for page in PAGES}
    for page in PAGES:
        named = re.findall(r"^\.Xr (\S+) (\d)", page.read_text(), re.M)
        assert {f"{name}({section})" for name, section in named} <= ours | FOREIGN


def test_every_key_is_in_the_manual_and_no_other() -> None:
    manual = (ROOT / "man/taskd.toml.5").read_text()
    named = {
        key
        for line in re.findall(r"^\.It Ic (.*)$", manual, re.M)
        for key in line.split()
        if key != ","
    }
    nested = {f"{table}.{key}" for table, keys in NESTED_KEYS.items() for key in keys}
    known = {*DAEMON_KEYS, *JOB_KEYS, *CALENDAR_KEYS, *nested}
    assert named == known - NESTED_KEYS.keys()
