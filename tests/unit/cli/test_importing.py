from __future__ import annotations

import io
import json
import sys
import tomllib
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Taskd

CRONTAB = """\
MAILTO=ops@example.org
# Every night
30 2 * * * pg_dump app > /backup/app.dump
@reboot /opt/warm.sh
"""


@pytest.fixture
def crontab(tmp_path: Path) -> Path:
    path = tmp_path / "crontab"
    path.write_text(CRONTAB)
    return path


def test_a_crontab_becomes_a_file_that_check_takes(
    taskd: Taskd, crontab: Path, tmp_path: Path
) -> None:
    ended = taskd("import", "crontab", str(crontab))
    assert ended.status == 0
    file = tmp_path / "jobs.toml"
    file.write_text(ended.out)
    assert taskd("check", str(file)).out == "ok: 2 jobs\n"
    jobs = tomllib.loads(ended.out)["jobs"]
    assert jobs["pg_dump"]["description"] == "Every night"
    assert jobs["warm"]["on"] == "boot"
    mail, count = ended.err.splitlines()
    assert mail.startswith(f"{crontab}:1: MAILTO is not carried over")
    assert count == "2 jobs"


def test_it_may_come_from_stdin(taskd: Taskd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CRONTAB.encode())))
    assert "[jobs.pg_dump]" in taskd("import", "crontab", "-").out


def test_json_has_the_jobs_and_the_notes(taskd: Taskd, crontab: Path) -> None:
    document = json.loads(taskd("import", "crontab", str(crontab), "--json").out)
    assert document["jobs"].keys() == {"pg_dump", "warm"}
    assert document["defaults"] == {"overlap": "allow", "catchup": "skip"}
    assert [(note["line"], note["lost"]) for note in document["notes"]] == [(1, False)]


def test_an_entry_that_became_no_job_is_a_failure(taskd: Taskd, crontab: Path) -> None:
    crontab.write_text("0 25 * * * a\r\n0 1 * * * b\r\n")
    ended = taskd("import", "crontab", str(crontab))
    assert ended.status == 1
    assert f"{crontab}:1: is no job: hour 25 is outside 0-23" in ended.err
    assert tomllib.loads(ended.out)["jobs"]["b"]["command"] == "b"


def test_a_system_crontab_that_was_not_called_one_is_noticed(taskd: Taskd, crontab: Path) -> None:
    crontab.write_text("0 1 * * *\troot\ta\n")
    assert "--system" in taskd("import", "crontab", str(crontab)).err
    assert "[jobs.a]" in taskd("import", "crontab", str(crontab), "--system").out


@pytest.mark.parametrize(
    ("content", "word"), [(b"\xff 1 * * * a", "UTF-8"), (b"#" * (1024 * 1024 + 1), "MiB")]
)
def test_what_is_no_text_is_refused(taskd: Taskd, crontab: Path, content: bytes, word: str) -> None:
    crontab.write_bytes(content)
    ended = taskd("import", "crontab", str(crontab))
    assert (ended.status, ended.out) == (1, "")
    assert word in ended.err


def test_what_is_not_there_is_told(taskd: Taskd) -> None:
    ended = taskd("import", "crontab", "/nowhere")
    assert (ended.status, ended.err) == (
        1,
        "taskd: /nowhere cannot be read: no such file or directory\n",
    )


def test_there_is_nothing_else_to_import(taskd: Taskd, crontab: Path) -> None:
    assert taskd("import", "celery", str(crontab)).status == 2
