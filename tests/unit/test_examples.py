"""Rules of the example: it loads, it uses what this version has, and its chores do their work."""

from __future__ import annotations

import csv
import gzip
import importlib
import inspect
import os
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
TOUR = tomllib.loads((EXAMPLES / "jobs.toml").read_text())
JOBS: dict[str, dict[str, Any]] = TOUR["jobs"]
DAEMON_KEYS = {"timezone", "workers", "python_path", "shutdown_grace", "reload"}
TRIGGERS = {"every", "cron", "at"}
JOB_KEYS = TRIGGERS | {
    *("call", "args", "kwargs", "description", "tags", "enabled"),
    *("mode", "align", "timezone", "priority", "carry"),
}


@pytest.fixture
def chores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = importlib.import_module("chores")
    monkeypatch.setattr(module, "RUN", tmp_path / ".run")
    yield module
    del sys.modules["chores"]


def test_the_tour_uses_every_key_of_this_version_and_no_other() -> None:
    assert TOUR["daemon"].keys() == DAEMON_KEYS
    assert set().union(*JOBS.values()) == JOB_KEYS


@pytest.mark.parametrize("name", JOBS)
def test_each_job_has_one_trigger_and_a_callable_that_takes_its_arguments(
    chores: ModuleType, name: str
) -> None:
    job = JOBS[name]
    assert len(TRIGGERS & job.keys()) == 1
    module, _, function = job["call"].partition(":")
    assert module == "chores"
    signature = inspect.signature(getattr(chores, function))
    signature.bind(*job.get("args", []), **job.get("kwargs", {}))


def test_something_happens_within_seconds_of_make_run() -> None:
    assert {job.get("every") for job in JOBS.values()} >= {"2s", "5s", "15s"}


def test_the_count_goes_up_by_one(chores: ModuleType) -> None:
    assert chores.count_up(0) == 1
    assert chores.count_up(41) == 42


def test_disk_usage_gains_a_row_per_run_below_one_header(chores: ModuleType) -> None:
    for _ in range(2):
        result = chores.record_disk_usage(**JOBS["disk-usage"]["kwargs"])
        assert 0 <= result["used_percent"] <= 100
    with (chores.RUN / "disk-usage.csv").open() as table:
        header, *rows = csv.reader(table)
    assert header == ["time", "total", "used", "free"]
    assert len(rows) == 2
    assert datetime.fromisoformat(rows[0][0]).tzinfo is not None


def test_checksums_tell_what_differs_from_the_last_run(
    chores: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "etc"
    place.mkdir()
    (place / "kept").write_text("kept")
    (place / "edited").write_text("old")
    (place / "gone").write_text("gone")
    chores.compare_checksums(str(place), "sums.json")
    (place / "edited").write_text("new")
    (place / "gone").unlink()
    (place / "born").write_text("born")
    capsys.readouterr()
    differences = {"added": ["born"], "changed": ["edited"], "removed": ["gone"]}
    assert chores.compare_checksums(str(place), "sums.json") == differences
    assert capsys.readouterr().out == "added: born\nchanged: edited\nremoved: gone\n"
    assert chores.compare_checksums(str(place), "sums.json") == {kind: [] for kind in differences}


def test_pruning_makes_samples_packs_the_old_and_deletes_the_very_old(chores: ModuleType) -> None:
    kwargs = JOBS["prune-logs"]["kwargs"]
    assert chores.prune_logs(**kwargs) == {"compressed": 9, "deleted": 3}
    assert chores.prune_logs(**kwargs) == {"compressed": 0, "deleted": 0}
    logs = chores.RUN / "logs"
    assert len(list(logs.glob("*.log"))) == 1
    packed = sorted(logs.glob("*.log.gz"))
    assert len(packed) == 6
    assert gzip.decompress(packed[0].read_bytes()).endswith(b"all is well\n")


def test_pruning_leaves_alone_what_is_no_log(chores: ModuleType) -> None:
    logs = chores.RUN / "logs"
    logs.mkdir(parents=True)
    precious = logs / "precious.txt"
    precious.write_text("keep me")
    long_ago = (datetime.now(UTC) - timedelta(days=1000)).timestamp()
    os.utime(precious, (long_ago, long_ago))
    assert chores.prune_logs("logs", 1, 7) == {"compressed": 0, "deleted": 0}
    assert precious.read_text() == "keep me"


class Teapot(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(418)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Teapot) as server:
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


def test_a_probe_says_what_the_server_answered(chores: ModuleType, port: int) -> None:
    assert chores.probe(f"http://127.0.0.1:{port}/") == "up: 418 I'm a Teapot"
    assert chores.probe(f"tcp://127.0.0.1:{port}") == "up: it takes connections"


def test_a_silent_port_is_a_finding_or_on_demand_a_failure(chores: ModuleType) -> None:
    closed = "tcp://127.0.0.1:1"
    assert chores.probe(closed).startswith("down: ")
    with pytest.raises(ConnectionRefusedError):
        chores.probe(closed, must_answer=True)


def test_the_job_that_fails_on_purpose_fails(chores: ModuleType) -> None:
    with pytest.raises(ValueError, match="3 of 100 invoices are not paid"):
        chores.reconcile(*JOBS["fails-on-purpose"]["args"])


def test_the_example_writes_below_the_ignored_directory_of_the_checkout(
    chores: ModuleType,
) -> None:
    assert EXAMPLES.parent == chores.CHECKOUT
    assert ".run/" in (EXAMPLES.parent / ".gitignore").read_text().splitlines()
