"""Export under a real daemon: what it prints is checked, run, and exported the same again."""

from __future__ import annotations

import tomllib

from tests.daemon.live import Live

JOBS = """
[categories]
transient = ["ConnectionError"]

[calendars.holidays]
dates = [2030-12-25]
weekdays = ["sun"]

[defaults]
timeout = "1h"

[jobs.ping]
call = "work:ping"
cron = ["30 2 * * mon-fri", "@reboot"]
timezone = "America/New_York"
exclude = "holidays"
retry = { max_attempts = 3, retry_on = ["transient"] }

[jobs.uptime]
command = "uptime | cat"
shell = true
at = 2040-01-01T12:00:00+01:00
start_at = 2031-01-01T00:00:00
"""


def test_export_gives_the_same_jobs_when_it_is_run(live: Live) -> None:
    live.start(JOBS)
    added = live.taskd(
        *("add", "extra", "work:add", "--arg", "1", "--every", "1h", "--priority", "high")
    )
    assert added.returncode == 0, added.stderr
    exported = live.taskd("export")
    assert exported.returncode == 0, exported.stderr
    before = live.client.export()
    assert live.end() == 0

    (live.folder / "taskd.db").unlink()
    live.write(exported.stdout)
    checked = live.taskd("check", str(live.config))
    assert (checked.returncode, checked.stdout) == (0, "ok: 3 jobs\n")
    live.start()
    assert live.client.export() == before
    assert live.taskd("export").stdout == exported.stdout


def test_export_of_named_jobs_has_them_alone(live: Live) -> None:
    live.start(JOBS)
    document = tomllib.loads(live.taskd("export", "uptime").stdout)
    assert document.keys() == {"jobs"}
    assert document["jobs"].keys() == {"uptime"}
    missing = live.taskd("export", "uptme")
    assert (missing.returncode, missing.stdout) == (4, "")
    assert "did you mean uptime?" in missing.stderr


def test_what_toml_cannot_hold_is_left_out_and_told(live: Live) -> None:
    live.start(JOBS)
    added = live.taskd("add", "odd", "work:add", "--arg", "[null]", "--every", "1h")
    assert added.returncode == 0, added.stderr
    exported = live.taskd("export")
    assert exported.returncode == 1
    assert "odd is left out: its args[0][0] is null" in exported.stderr
    assert tomllib.loads(exported.stdout)["jobs"].keys() == {"ping", "uptime"}
