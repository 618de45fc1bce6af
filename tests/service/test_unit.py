"""The units under a real systemd: start, reload, watchdog, crash, stop, socket activation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.machine import lacking
from tests.service.guest import Guest, blocks, lacks

pytestmark = pytest.mark.timeout(600)  # the first test waits for an installation

JOBS = """
[daemon]
shutdown_grace = "2s"

[jobs.tick]
call = "work:tick"
every = "200ms"

[jobs.child]
call = "work:child"
executor = "process"

[jobs.tool]
command = ["sh", "-c", "echo from a shell; cat /etc/hostname"]

[jobs.hold]
call = "work:hold"

[jobs.fail]
call = "work:fail"
"""

WORK = """
import os, socket, tempfile, threading
from pathlib import Path

def tick():
    return "tick"

def child():
    return os.getpid()

def hold():
    threading.Event().wait(600)

def fail():
    raise ValueError("no such luck")

def try_things():
    with tempfile.NamedTemporaryFile() as scratch:
        scratch.write(b"x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
    state = Path(os.environ["STATE_DIRECTORY"], "mark")
    state.write_text("kept")
    try:
        Path("/etc/taskd/mine").write_text("x")
    except OSError as error:
        return type(error).__name__
"""


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    if reason := lacks():
        lacking(reason)
    machine = Guest(tmp_path_factory.mktemp("guest"))
    yield machine
    machine.power_off()


@pytest.fixture
def service(guest: Guest) -> Iterator[Guest]:
    guest.write("/etc/taskd/work.py", WORK)
    guest.write("/etc/taskd/jobs.toml", JOBS)
    guest.run("systemctl start taskd")
    yield guest
    guest.run("systemctl stop taskd.socket taskd && systemctl revert taskd")
    guest.run("systemctl reset-failed; rm -rf /var/lib/taskd /run/taskd")


def status(machine: Guest) -> Any:
    return json.loads(machine.run("taskd status --json"))


def job(machine: Guest, name: str) -> Any:
    return json.loads(machine.run(f"taskd status {name} --json"))


def test_the_units_are_clean_for_systemd_analyze(guest: Guest) -> None:
    units = "/etc/systemd/system/taskd.service /etc/systemd/system/taskd.socket"
    verified = guest.shell(f"systemd-analyze verify {units}")
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    user = guest.shell(
        "XDG_RUNTIME_DIR=/run systemd-analyze --user verify /etc/systemd/user/taskd.service"
    )
    assert (user.returncode, user.stdout + user.stderr) == (0, "")


def test_the_exposure_is_at_most_two(guest: Guest) -> None:
    told = guest.run("systemd-analyze security --offline=yes --no-pager taskd.service")
    found = re.search(r"exposure level for taskd.service: ([\d.]+)", told)
    assert found
    assert float(found[1]) <= 2.0


def test_it_starts_and_is_ready_and_says_how_it_stands(service: Guest) -> None:
    # `systemctl start` has returned: with Type=notify, after READY=1.
    assert service.property("ActiveState") == "active"
    assert service.property("StatusText").startswith("5 jobs, store sqlite:///var/lib/taskd/")
    assert service.run("stat -c '%U %a' /run/taskd /run/taskd/taskd.sock /var/lib/taskd") == (
        "taskd 750\ntaskd 600\ntaskd 750"
    )
    assert status(service)["daemon"]["socket"] == "/run/taskd/taskd.sock"


def test_ordinary_jobs_work_behind_the_hardening(service: Guest) -> None:
    service.run("taskd trigger child --wait && taskd trigger tool --wait")
    service.run("taskd add tries work:try_things && taskd trigger tries --wait")
    assert job(service, "tries")["last_run"]["state"] == "SUCCEEDED"
    run = job(service, "tries")["last_run"]["id"]
    assert service.run(f"taskd result {run}") in ("PermissionError", "OSError")
    assert service.run("cat /var/lib/taskd/mark") == "kept"
    assert "from a shell" in service.run(
        'taskd logs $(taskd runs tool --json | grep -o \'"id": "[^"]*\' | cut -d\'"\' -f4)'
    )


def test_a_reload_answers_after_its_effect(service: Guest) -> None:
    service.write("/etc/taskd/jobs.toml", JOBS + '[jobs.new]\ncall = "work:tick"\nevery = "1h"\n')
    service.run("systemctl reload taskd")
    assert job(service, "new")["state"] == "active"
    assert service.property("StatusText").startswith("6 jobs")
    assert service.property("ActiveState") == "active"


def test_a_refused_reload_fails_and_the_old_jobs_run_on(service: Guest) -> None:
    service.write("/etc/taskd/jobs.toml", JOBS.replace('"200ms"', '"soon"'))
    assert not service.succeeds("systemctl reload taskd")
    assert service.property("ActiveState") == "active"
    assert "the file has problems" in service.property("StatusText")
    assert job(service, "tick")["state"] == "active"
    assert "jobs.tick.every" in service.journal("-p err")


def test_sighup_reloads_as_sd_notify_asks(service: Guest) -> None:
    service.write("/etc/taskd/jobs.toml", JOBS.replace("[jobs.fail]", "[jobs.failing]"))
    service.run("systemctl kill -s HUP --kill-whom=main taskd")
    service.until(lambda: service.succeeds("taskd status failing"))
    service.until(lambda: service.property("ActiveState") == "active")


def test_the_journal_has_priorities(service: Guest) -> None:
    service.shell("taskd trigger fail --wait")
    warned = service.until(lambda: service.journal("-p warning"))
    assert "FAILED" in warned
    assert "SUCCEEDED" not in warned
    assert "<4>" not in warned


def test_a_loop_that_hangs_is_killed_and_started_again(service: Guest) -> None:
    service.run("systemctl stop taskd && mkdir -p /run/systemd/system/taskd.service.d")
    service.write(
        "/run/systemd/system/taskd.service.d/hang.conf",
        "[Service]\nWatchdogSec=1s\nEnvironment=TASKD_CRASH_AT=turn.decided:20:hang\n",
    )
    service.run("systemctl daemon-reload && systemctl start taskd")
    pid = service.property("MainPID")
    service.run("rm /run/systemd/system/taskd.service.d/hang.conf && systemctl daemon-reload")
    service.until(lambda: service.property("NRestarts") == "1")
    service.until(lambda: service.property("ActiveState") == "active")
    assert service.property("MainPID") not in (pid, "0")
    assert "Watchdog timeout" in service.journal()
    before = job(service, "tick")["counts"].get("SUCCEEDED", 0)
    service.until(lambda: job(service, "tick")["counts"].get("SUCCEEDED", 0) > before)


def test_a_kill_loses_nothing(service: Guest) -> None:
    service.run("taskd add kept work:tick --every 1h && taskd pause kept")
    held = service.run("taskd trigger hold")
    service.until(lambda: job(service, "hold")["running"])
    service.run("systemctl kill -s KILL --kill-whom=main taskd")
    service.until(lambda: service.property("NRestarts") == "1")
    service.until(lambda: service.property("ActiveState") == "active")
    assert job(service, "kept")["paused"]
    service.until(lambda: job(service, "hold")["running"])
    run = json.loads(service.run(f"taskd status {held} --json"))
    assert [attempt["outcome"] for attempt in run["attempts"]] == ["LOST", None]
    assert service.run("taskd verify").startswith("ok:")


def test_a_stop_waits_for_the_grace_and_hands_back(service: Guest) -> None:
    held = service.run("taskd trigger hold")
    service.until(lambda: job(service, "hold")["running"])
    service.run("timeout 15 systemctl stop taskd")
    assert service.property("Result") == "success"
    assert service.property("ExecMainStatus") == "0"
    service.run("systemctl start taskd")
    run = json.loads(service.run(f"taskd status {held} --json"))
    assert run["attempts"][0]["outcome"] == "RELEASED"


def test_a_file_with_problems_is_not_tried_again_and_again(service: Guest) -> None:
    service.run("systemctl stop taskd")
    service.write("/etc/taskd/jobs.toml", JOBS.replace('"200ms"', '"soon"'))
    assert not service.succeeds("systemctl start taskd")
    assert service.property("ExecMainStatus") == "78"
    assert service.property("NRestarts") == "0"
    assert service.property("ActiveState") == "failed"


def test_the_socket_unit_starts_it_at_the_first_request(service: Guest) -> None:
    service.run("systemctl stop taskd && systemctl start taskd.socket")
    assert service.property("ActiveState") == "inactive"
    assert service.run("taskd ping").startswith("taskd ")
    assert service.property("ActiveState") == "active"
    # It is systemd's socket: it outlives the service, and starts the next.
    service.run("systemctl stop taskd.service")
    assert service.property("ActiveState", "taskd.socket") == "active"
    assert service.run("stat -c %a /run/taskd/taskd.sock") == "600"
    assert service.run("taskd ping").startswith("taskd ")


def test_the_unit_of_a_user_is_one_that_works(guest: Guest) -> None:
    uid = guest.run("id -u taskd")
    home, runtime = "/var/lib/taskd", f"/run/user/{uid}"
    as_user = f"runuser -u taskd -- env HOME={home} XDG_RUNTIME_DIR={runtime}"
    guest.run(f"install -d -o taskd {home} {runtime} {home}/.config {home}/.config/taskd")
    guest.write(f"{home}/.config/taskd/work.py", WORK)
    guest.write(f"{home}/.config/taskd/jobs.toml", JOBS)
    guest.run(f"systemctl start user@{uid}")
    try:
        guest.run(f"{as_user} systemctl --user start taskd")
        assert guest.run(f"{as_user} taskd ping").startswith("taskd ")
        guest.run(f"{as_user} systemctl --user reload taskd")
        assert guest.run(f"ls {home}/.local/state/taskd/taskd.db")
        assert guest.run(f"stat -c %a {runtime}/taskd/taskd.sock") == "600"
    finally:
        guest.run(f"systemctl stop user@{uid}; rm -rf {home}")


def test_the_page_tells_how_to_check_and_start(service: Guest) -> None:
    service.run("systemctl stop taskd")
    service.follow(blocks()[1])
    assert service.property("ActiveState") == "active"
    assert service.property("UnitFileState") == "enabled"
    service.run("systemctl disable taskd")


def test_the_page_tells_how_to_grant_more(service: Guest) -> None:
    folder = "/etc/systemd/system/taskd.service.d"
    service.run(f"mkdir -p {folder} /srv/reports")
    service.run(f"cat > {folder}/override.conf <<'END'\n{blocks()[-1]}END")
    try:
        service.run("systemctl daemon-reload && systemctl restart taskd")
        assert "/srv/reports" in service.property("ReadWritePaths")
        assert service.property("ProtectHome") == "read-only"
        assert service.property("ActiveState") == "active"
    finally:
        service.run(f"rm -r {folder} && systemctl daemon-reload && systemctl restart taskd")


def test_the_page_tells_how_to_go_back_to_a_backup_and_how_to_upgrade(service: Guest) -> None:
    _, _, back, upgrade, *_ = blocks()
    service.run("taskd add kept work:tick --every 1h && taskd backup /root/BACKUP")
    service.run("taskd remove kept")
    service.follow(back.replace("BACKUP", "/root/BACKUP"))
    assert job(service, "kept")["state"] == "active"
    service.follow(f"cd /root\n{upgrade}".replace("--upgrade .", "--upgrade /opt/guest/checkout"))
    assert job(service, "kept")["state"] == "active"
