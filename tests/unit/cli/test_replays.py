"""`taskd events --replay`: what was decided, beside what would be decided today."""

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from taskd.cli.failures import Exit
from taskd.cli.replays import show_replay
from taskd.core.job import Call, Job, JobName, Source
from taskd.core.messages import JobsDefined
from taskd.core.schedule import Every
from taskd.errors import UnknownTask
from taskd.scheduler import Scheduler
from taskd.testing import FakeClock


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "taskd.db"
    clock = FakeClock()
    job = Job(name=JobName("tick"), call=Call("builtins:dict"), schedule=Every(timedelta(hours=1)))
    with Scheduler(f"sqlite:///{path}", clock=clock) as scheduler:
        scheduler.inbox.ask(JobsDefined(jobs=(job,), source=Source.FILE)).result()
        clock.advance(timedelta(hours=5))
    return path


def test_an_honest_journal_is_decided_alike_today(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_replay(store, "tick", None, json=False) is Exit.DONE
    told = capsys.readouterr()
    assert told.out.count("run ") == 6
    assert "0 would be made otherwise today" in told.err
    assert show_replay(store, "tick", None, json=True) is Exit.DONE
    assert all(decision["agrees"] for decision in json.loads(capsys.readouterr().out))


def test_a_decision_that_was_meddled_with_differs(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(store)) as db, db:
        db.execute(
            "UPDATE journal SET told = json_set(told, '$[0][0][4].run.scheduled_at', "
            "told ->> '$[0][0][4].run.scheduled_at' + 1) WHERE seq = "
            "(SELECT max(seq) FROM journal WHERE told ->> '$[0][0][4].run.id' IS NOT NULL)"
        )
    assert show_replay(store, "tick", None, json=False) is Exit.FAILED
    assert "DIFFERS" in capsys.readouterr().out


def test_a_job_that_never_was_is_told_as_such(store: Path) -> None:
    with pytest.raises(UnknownTask):
        show_replay(store, "tock", None, json=False)
