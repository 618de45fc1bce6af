"""Every example of the manual pages does what the page says, on a real daemon."""

from __future__ import annotations

import json
import re
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskd.config.keys import CALENDAR_KEYS, DAEMON_KEYS, JOB_KEYS, NESTED_KEYS
from taskd.config.load import load
from tests.e2e.shell import Shell

ROOT = Path(__file__).parents[2]

JOBS = """
[categories]
transient = ["ConnectionError"]

[jobs.nightly-report]
call = "myapp.reports:build"
cron = "30 2 * * mon-fri"
timezone = "Europe/Berlin"

[jobs.heartbeat]
call = "app:fetch"
every = "1h"

[jobs.broken]
call = "app:fail"
every = "1h"
retry = { max_attempts = 2, initial = "1ms" }
"""
APP = """
def fetch(region=None):
    print("fetched", region)
    return 42

def fail():
    raise TimeoutError("no answer")
"""

REPORTS = """
def build(region=None, fails=False):
    print("built", region)
    if fails:
        raise ValueError("no such region")
    return region
"""

# What must run before the others, and after them; in between is the order of the page.
FIRST = ("taskd init", "taskd add", "taskd trigger")
LAST = ("taskd dismiss", "taskd remove", "taskd reload", "taskd shutdown")
DAEMONS = ("taskd run ", "taskd init ")  # examples that end with a daemon, which is told to end


def blocks(page: str) -> list[str]:
    """Return the literal blocks of a page."""
    found = re.findall(
        r"^\.Bd -literal.*?\n(.*?)^\.Ed", (ROOT / "man" / page).read_text(), re.S | re.M
    )
    return [block.replace("\\&", "").replace("\\e", "\\") for block in found]


def examples() -> list[str]:
    """Return the command lines of taskd(1), in an order in which each finds what it needs."""
    lines = [line for block in blocks("taskd.1") for line in block.splitlines()]
    assert all("taskd " in line for line in lines)

    def place(line: str) -> int:
        if line.startswith(FIRST):
            return 0
        return 2 if line.startswith(LAST) else 1

    return sorted(lines, key=place)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("manual")
    (folder / "jobs.toml").write_text(JOBS)
    (folder / "app.py").write_text(APP)
    (folder / "myapp").mkdir()
    (folder / "myapp/reports.py").write_text(REPORTS)
    (folder / "elsewhere").mkdir()
    (folder / ".local/share/bash-completion/completions").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin/crontab").write_text("#!/bin/sh\necho '30 2 * * * tar czf /tmp/x.tgz /etc'\n")
    (folder / "bin/crontab").chmod(0o755)
    shell = Shell(folder)
    with shell.serve("exec taskd run jobs.toml") as daemon:
        shell.run("taskd trigger nightly-report --kwarg fails=true --wait || true")
        for job in ("nightly-report", "heartbeat", "broken"):
            shell.run(f"taskd trigger {job} --wait || true")
        yield shell
        if daemon.poll() is None:
            shell.interrupt(daemon)


def a_run(shell: Shell, line: str) -> str:
    """Return the id of a run that the command line is about."""
    job = (
        "broken"
        if line.startswith(("taskd error", "taskd dismiss", "taskd retry"))
        else "heartbeat"
    )
    runs: list[dict[str, Any]] = json.loads(shell.run(f"taskd runs {job} --json"))
    return str(runs[-1]["id"])


# -- taskd-api(7), whose sections are those of docs/api.md ---------------------------------------

REQUEST, EVENT, OUTPUT = blocks("taskd-api.7")


def test_the_request_of_the_page_is_answered(shell: Shell) -> None:
    answer = json.loads(shell.run(f'SOCKET="$TASKD_SOCKET"; {REQUEST.rstrip()} 2> /dev/null'))
    assert answer["version"]


def test_the_event_of_the_page_has_the_keys_of_one(shell: Shell) -> None:
    told: list[dict[str, Any]] = [
        json.loads(line) for line in shell.run("taskd events --json").splitlines()
    ]
    like = json.loads(EVENT)
    assert like.keys() == told[-1].keys()
    dead = [event for event in told if event["kind"] == like["kind"]]
    assert dead
    assert like["data"].keys() <= dead[0]["data"].keys()
    assert like["data"]["run"].keys() <= dead[0]["data"]["run"].keys()


def test_the_output_of_the_page_has_the_keys_of_a_line(shell: Shell) -> None:
    run = a_run(shell, "taskd logs")
    url = f"'http://taskd/v1/runs/{run}/logs?follow=1'"
    (line,) = shell.run(f'curl -sS --unix-socket "$TASKD_SOCKET" {url}').splitlines()
    assert json.loads(OUTPUT).keys() == json.loads(line).keys()


# -- taskd(1), whose last examples end the daemon ------------------------------------------------


@pytest.mark.parametrize("line", examples())
def test_an_example_of_the_commands_works(shell: Shell, line: str) -> None:
    if line.startswith(DAEMONS):
        own = {"TASKD_SOCKET": f"{shell.folder}/other", "XDG_STATE_HOME": f"{shell.folder}/own"}
        with shell.serve(line, **own) as daemon:
            assert shell.interrupt(daemon) in (0, -signal.SIGINT, 130)
        return
    line = re.sub(r"\b01a2[0-9a-f.-]*", lambda _: a_run(shell, line), line)
    line = line.replace("/var/lib/taskd/", f"{shell.folder}/state/taskd/")
    if line.endswith(" -f"):
        with shell.start(line) as follower:
            assert follower.stdout is not None
            assert follower.stdout.readline()
            assert shell.interrupt(follower) in (130, -signal.SIGINT)
        return
    if "> jobs.toml" in line:  # it would be read as the jobs of the daemon
        line = f"cd elsewhere && cp ../*.py . && {line}"
    shell.run(line)


# -- taskd.toml(5) -------------------------------------------------------------------------------

EXAMPLE, DEFAULTS, REST = blocks("taskd.toml.5")


@pytest.mark.parametrize("block", [EXAMPLE, DEFAULTS, REST])
def test_an_example_of_the_file_is_one_that_loads(tmp_path: Path, block: str) -> None:
    (tmp_path / "school.ics").write_text("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
    (tmp_path / "jobs.toml").write_text(block)
    assert load(tmp_path / "jobs.toml").jobs


def test_the_defaults_are_those_of_the_page(tmp_path: Path) -> None:
    head, told = DEFAULTS.split("[jobs.heartbeat]\n")
    (tmp_path / "told.toml").write_text(DEFAULTS)
    bare = "[jobs.heartbeat]\n" + told.partition("\n\n")[0]
    (tmp_path / "bare.toml").write_text(bare)
    given, default = load(tmp_path / "told.toml"), load(tmp_path / "bare.toml")
    assert head.count("=") > 5
    assert given.settings == default.settings
    assert given.jobs == default.jobs


def test_every_key_is_in_an_example() -> None:
    used: set[str] = set()
    for block in (EXAMPLE, DEFAULTS, REST):
        document = tomllib.loads(block)
        used |= {*document.get("daemon", {})}
        for entry in (*document["jobs"].values(), *document.get("calendars", {}).values()):
            used |= {*entry}
            used |= {
                f"{key}.{part}"
                for key, value in entry.items()
                if key in NESTED_KEYS
                for part in value
            }
    nested = {f"{table}.{key}" for table, keys in NESTED_KEYS.items() for key in keys}
    assert {*DAEMON_KEYS, *JOB_KEYS, *CALENDAR_KEYS, *nested} == used
