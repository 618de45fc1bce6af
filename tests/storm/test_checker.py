"""The checker finds what is planted: each fault once, in a log and a store that are right."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from taskd.core.job import Job
from tests.storm.checker import Verdict, check, read_requests
from tests.storm.lives import Life, Place, intervals, job
from tests.storm.nursery import Case, fork, raise_all, reap
from tests.storm.work import note_death

SUCCESS = (
    "(run, number, outcome, started_at, finished_at, node, pid, fence) "
    "SELECT id, attempt, state, started_at, finished_at, node, pid, fence FROM runs WHERE id = ?"
)
HOUR = 3600 * 1_000_000


def jobs(place: Place) -> list[Job]:
    return [
        job(place, "tick", "tick", every=0.1),
        job(place, "slow", "linger", 0.15, every=0.1),
        job(place, "doomed", "tick", every=0.1),
        job(place, "fail", "fail"),
    ]


def live_well(case: Case) -> None:
    place = Place(Path(case["folder"]))

    def live() -> None:
        life = Life(place).define(jobs(place))
        life.trigger("fail")
        life.add_task()
        life.add_job()
        life.stop_job("doomed")
        life.settle("slow")

    pid = fork(live, place.said)
    assert reap(pid) == 0, place.said.read_text()
    note_death(place.log, pid)


@dataclass
class Scene:
    """A store, a log and requests that are right, until somebody meddles with them."""

    place: Place
    decided_until: int = 0

    def verdict(self) -> Verdict:
        return check(
            self.place.store,
            self.place.log,
            self.place.requests.path,
            every=intervals(jobs(self.place)),
            decided_until=self.decided_until,
        )

    def sql(self, statement: str, *parameters: object) -> None:
        with closing(sqlite3.connect(self.place.store)) as db, db:
            assert db.execute(statement, parameters).rowcount == 1, statement

    def one(self, query: str) -> tuple[str, int]:
        with closing(sqlite3.connect(self.place.store)) as db:
            found: tuple[str, int] = db.execute(query).fetchone()
            return found

    def run_of(self, job: str, state: str = "SUCCEEDED") -> str:
        return self.one(f"SELECT id FROM runs WHERE job = '{job}' AND state = '{state}'")[0]

    def kept(self, job: str) -> str:
        """Keep the success of a run of `job` beside it, as an earlier version did."""
        run = self.run_of(job)
        self.sql(f"INSERT INTO attempts {SUCCESS}", run)
        return run

    def lines(self, change: Callable[[list[str]], list[str]]) -> None:
        text = self.place.log.read_text().splitlines(keepends=True)
        changed = change(text)
        assert changed != text
        self.place.log.write_text("".join(changed))


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("well")
    raise_all("tests.storm.test_checker:live_well", [{"folder": str(folder)}], at_once=1)
    with closing(sqlite3.connect(folder / "taskd.db")) as db:
        db.execute("PRAGMA journal_mode = DELETE")  # so that the one file is all of it
    return folder


@pytest.fixture
def scene(well: Path, tmp_path: Path) -> Scene:
    folder = tmp_path / "scene"
    shutil.copytree(well, folder)
    return Scene(Place(folder))


def test_nothing_is_wrong_where_nothing_was(scene: Scene) -> None:
    assert scene.verdict().faults() == {}
    kinds = {note["verb"] for note in read_requests(scene.place.requests.path)}
    assert kinds == {"trigger", "task", "add", "stop"}
    assert scene.one("SELECT count(*) FROM skips WHERE job = 'slow'")[0]
    assert len(scene.place.log.read_text().splitlines()) > 10


# -- lost ----------------------------------------------------------------------------------------


def lose_an_occurrence(scene: Scene) -> None:
    scene.sql("DELETE FROM runs WHERE id = ?", scene.run_of("tick"))


def lose_a_skip(scene: Scene) -> None:
    first = scene.one("SELECT job, first_at FROM skips WHERE job = 'slow'")[1]
    scene.sql("DELETE FROM skips WHERE job = 'slow' AND first_at = ?", first)


def stand_still(scene: Scene) -> None:
    scene.decided_until = scene.one("SELECT name, next_due_at FROM jobs WHERE name = 'tick'")[1] + 1


def lose_a_trigger(scene: Scene) -> None:
    scene.sql("DELETE FROM runs WHERE id = ?", scene.run_of("fail", "FAILED"))


def lose_a_task(scene: Scene) -> None:
    scene.sql("DELETE FROM runs WHERE job IS NULL")


def lose_an_added_job(scene: Scene) -> None:
    scene.sql("DELETE FROM jobs WHERE source = 'api'")


def forget_a_stop(scene: Scene) -> None:
    scene.sql("UPDATE jobs SET state = 'active' WHERE name = 'doomed'")


# -- extra ---------------------------------------------------------------------------------------


def decide_twice(scene: Scene) -> None:
    run = scene.run_of("tick")
    scene.sql(
        "INSERT INTO skips SELECT job, scheduled_at, scheduled_at, 1, 'misfire', finished_at "
        "FROM runs WHERE id = ?",
        run,
    )


def decide_off_the_grid(scene: Scene) -> None:
    scene.sql("UPDATE runs SET scheduled_at = scheduled_at - 1 WHERE id = ?", scene.run_of("tick"))


def trigger_once_more(scene: Scene) -> None:
    scene.sql("UPDATE runs SET job = 'tick', origin = 'trigger' WHERE job IS NULL")


def start_twice(scene: Scene) -> None:
    scene.lines(lambda lines: [*lines[:1], *lines])


def start_without_a_commit(scene: Scene) -> None:
    scene.sql("DELETE FROM attempts WHERE run = ?", scene.run_of("fail", "FAILED"))


def start_an_unknown_run(scene: Scene) -> None:
    scene.lines(lambda lines: [*lines, "start nobody 1 1 1 nothing\n", "end nobody 1 1 2 ok\n"])


def start_after_a_stop(scene: Scene) -> None:
    run = scene.run_of("doomed")
    now = scene.one("SELECT '', max(finished_at) FROM runs")[1] + HOUR
    scene.lines(lambda lines: [*lines, f"start {run} 2 1 {now} doomed\n", f"end {run} 2 1 1 ok\n"])


# -- the others ----------------------------------------------------------------------------------


def overlap_of_a_run(scene: Scene) -> None:
    run = scene.run_of("slow")
    scene.lines(lambda lines: [f"start {run} 9 1 {HOUR * 10**9} slow\n", *lines])


def overlap_of_a_job(scene: Scene) -> None:
    scene.lines(lambda lines: [f"start another 1 1 {HOUR * 10**9} slow\n", *lines])


def leave_running(scene: Scene) -> None:
    scene.sql("UPDATE runs SET state = 'RUNNING' WHERE id = ?", scene.run_of("tick"))


def leave_without_an_end(scene: Scene) -> None:
    run = scene.run_of("tick")
    scene.lines(
        lambda lines: [line for line in lines if not line.startswith((f"end {run}", "dead"))]
    )


def start_early(scene: Scene) -> None:
    run = scene.kept("tick")
    due = scene.one(f"SELECT '', scheduled_at FROM runs WHERE id = '{run}'")[1]
    scene.sql("UPDATE attempts SET pid = 1 WHERE run = ?", run)
    scene.lines(
        lambda lines: [
            f"start {run} 1 1 {due - 1} tick\n" if line.startswith(f"start {run}") else line
            for line in lines
        ]
    )


def say_failed_of_what_went_well(scene: Scene) -> None:
    scene.sql("UPDATE attempts SET outcome = 'FAILED' WHERE run = ?", scene.kept("tick"))


def say_well_of_what_never_ran(scene: Scene) -> None:
    run = scene.run_of("tick")
    scene.lines(lambda lines: [line for line in lines if run not in line])


def lose_a_living_process(scene: Scene) -> None:
    scene.sql("UPDATE attempts SET outcome = 'LOST', pid = 1 WHERE run = ?", scene.kept("tick"))


def lose_a_process_before_its_death(scene: Scene) -> None:
    scene.sql("UPDATE attempts SET outcome = 'LOST' WHERE run = ?", scene.kept("tick"))


def leave_a_gap_between_attempts(scene: Scene) -> None:
    scene.sql("UPDATE attempts SET number = 2 WHERE run = ?", scene.kept("tick"))


def miscount(scene: Scene) -> None:
    scene.sql("UPDATE jobs SET counts = '{\"SUCCEEDED\":1}' WHERE name = 'tick'")


def move_a_final_run(scene: Scene) -> None:
    scene.sql(
        "INSERT INTO journal (at, told, hash) "
        "VALUES (1, json_array(json_array(json_array('', 'run.failed', 'tick', ?, '')), 1), x'')",
        scene.run_of("tick"),
    )


PLANTED = {
    "lost": [
        lose_an_occurrence,
        lose_a_skip,
        stand_still,
        lose_a_trigger,
        lose_a_task,
        lose_an_added_job,
        forget_a_stop,
    ],
    "extra": [
        decide_twice,
        decide_off_the_grid,
        trigger_once_more,
        start_twice,
        start_without_a_commit,
        start_an_unknown_run,
        start_after_a_stop,
    ],
    "overlapping": [overlap_of_a_run, overlap_of_a_job],
    "stuck": [leave_running],
    "incomplete": [leave_without_an_end],
    "early": [start_early],
    "mismatched": [
        say_failed_of_what_went_well,
        say_well_of_what_never_ran,
        lose_a_living_process,
        lose_a_process_before_its_death,
        leave_a_gap_between_attempts,
        miscount,
        move_a_final_run,
    ],
}


@pytest.mark.parametrize(
    ("kind", "plant"),
    [(kind, plant) for kind, plants in PLANTED.items() for plant in plants],
    ids=lambda value: value.__name__ if callable(value) else value,
)
def test_what_is_planted_is_found(kind: str, plant: Callable[[Scene], None], scene: Scene) -> None:
    plant(scene)
    assert kind in scene.verdict().faults()


def test_a_damaged_file_is_found(scene: Scene) -> None:
    with closing(sqlite3.connect(scene.place.store)) as db, db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_schema WHERE name = 'runs_queued'")
    assert "damaged" in scene.verdict().faults()
