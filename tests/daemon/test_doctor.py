"""The doctor beside a real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.live import PING, Live


def test_the_doctor_looks_at_the_daemon_that_answers(live: Live) -> None:
    live.start(PING)
    found = live.json("doctor")
    assert found["ok"], found
    said = {finding["check"]: finding["message"] for finding in found["findings"]}
    assert said["jobs"] == f"{live.config}: 1 job imports"
    assert said["socket"] == f"the daemon answers on {live.socket}"
    assert "is sound" in said["store"]
    assert not any("does not answer" in finding["message"] for finding in found["findings"])


def test_a_daemon_whose_socket_is_elsewhere_is_told_by_its_pid(live: Live) -> None:
    live.start(PING)
    assert live.process is not None
    live.socket = live.folder / "other"
    ended = live.taskd("doctor", str(live.config), "--store", live.store)
    assert ended.returncode == 0, ended.stdout
    assert f"process {live.process.pid} has" in ended.stdout


def test_a_daemon_that_was_started_in_its_folder_is_found_from_everywhere(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(live.folder)
    live.config, live.socket = Path("jobs.toml"), Path("taskd.sock")
    live.start(PING)
    daemon = live.client.status()["daemon"]
    assert daemon["config"] == str(live.folder / "jobs.toml")
    assert daemon["socket"] == str(live.folder / "taskd.sock")
