"""A short history is lived once; then again, with a crash or a failing commit at each place of it.

Whoever asks for something asks again, with the same key, until there is an answer. So whatever goes
wrong, the same runs come about, in the same states and with the same results.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from taskd.core.job import Job, JobName
from taskd.core.messages import (
    Added,
    AnyRequest,
    Dismissed,
    JobStopped,
    Key,
    Paused,
    Resumed,
    Retried,
    RunStopped,
    Task,
    Triggered,
)
from taskd.core.retry import Backoff, FailurePolicy, Jitter, OnCrash, RetryPolicy
from taskd.core.run import Outcome, Run, RunId, RunState
from taskd.core.schedule import At, Every, Mode
from taskd.core.turn import Start
from taskd.errors import StoreError
from taskd.stores.sqlite import SqliteStore
from tests.simulation.clock import ZERO
from tests.simulation.executor import Part
from tests.simulation.script import CALL, START
from tests.simulation.store import Failure
from tests.simulation.world import World

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HORIZON = 65 * MINUTE
LATE = 3 * MINUTE
"""What one lost attempt or a store that fails for seconds may put off, all in all."""

RETRIED = RetryPolicy(
    max_attempts=3,
    backoff=Backoff.FIXED,
    initial=5 * SECOND,
    max_delay=5 * SECOND,
    jitter=Jitter.NONE,
)
JOBS = (
    Job(name=JobName("rate"), call=CALL, schedule=Every(20 * MINUTE)),
    Job(name=JobName("delay"), call=CALL, schedule=Every(30 * MINUTE, Mode.FIXED_DELAY)),
    Job(
        name=JobName("retried"),
        call=CALL,
        schedule=At((START + 7 * MINUTE,)),
        failure=FailurePolicy(retry=RETRIED),
    ),
    Job(
        name=JobName("dies"),
        call=CALL,
        schedule=At((START + 12 * MINUTE,)),
        failure=FailurePolicy(retry=replace(RETRIED, max_attempts=2)),
    ),
    Job(
        name=JobName("once"),
        call=CALL,
        schedule=At((START + 5 * MINUTE, START + 50 * MINUTE)),
        failure=FailurePolicy(on_crash=OnCrash.FAIL),
    ),
    Job(name=JobName("stopped"), call=CALL, schedule=At((START + 17 * MINUTE,))),
    Job(name=JobName("idle"), call=CALL),
)
LASTS = {"stopped": 30 * MINUTE}


def by_rote(random: Random, start: Start, longest: timedelta) -> Part:
    """What an attempt does follows from its run alone, and from how often that has failed."""
    run = start.run
    lasts = LASTS.get(run.job or "", 20 * SECOND)
    has_failed_enough = run.job == "retried" and run.failures == 2
    if run.job in ("retried", "dies") and not has_failed_enough:
        return Part(lasts, Outcome.FAILED, classes=("ValueError",))
    return Part(lasts, result=f'"{run.job} {run.failures}"', marks=("first",), checkpoint="1")


class Client:
    """Asks until it is answered."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._names = iter(range(100))
        self.replies: dict[str, type] = {}

    def at(self, minute: float, request: AnyRequest) -> None:
        name = f"key-{next(self._names)}"
        keyed = replace(request, key=Key(name, "1"), actor=name)
        self._world.after(minute * MINUTE, lambda: self._ask(keyed))

    def stop_latest(self, minute: float, job: str) -> None:
        def stop() -> None:
            live = [run for run in self._world.witness.live_runs if run.job == job]
            if live:
                self.at(0, RunStopped(run=live[-1].id))
            else:
                self._world.after(2 * SECOND, stop)

        self._world.after(minute * MINUTE, stop)

    def dismiss_dead(self, minute: float) -> None:
        def dismiss() -> None:
            dead = tuple(self._world.witness.dead)
            self.at(0, Retried(runs=dead[:1]))
            self.at(1, Dismissed(runs=dead[:1]))

        self._world.after(minute * MINUTE, dismiss)

    def keep_loading(self) -> None:
        """Load the file again where that could not be written, as a supervisor starts it again."""

        def look() -> None:
            loading = self._world.loading
            if loading.done() and isinstance(loading.exception(), StoreError):
                self._world.load_file()
                self.keep_loading()

        self._world.after(2 * SECOND, look)

    def _ask(self, request: AnyRequest) -> None:
        answer = self._world.ask(request)

        def look() -> None:
            if not answer.done() or isinstance(answer.exception(), StoreError):
                self._ask(request)
            else:
                assert request.key is not None
                self.replies[request.key.text] = type(answer.exception())

        self._world.after(2 * SECOND, look)


@dataclass(frozen=True)
class Life:
    """How a history went: its final runs by job and place, and the world that it was lived in."""

    world: World
    runs: dict[tuple[str, str], list[Run]]
    replies: dict[str, type]


def live(store: Path, *, crash: int | None = None, failures: dict[int, Failure]) -> Life:
    world = World(store, START, seed=1, jobs=JOBS, script=by_rote)
    world.downtimes = (ZERO,)
    if crash is not None:
        world.crash_soon(crash)
    for place, failure in failures.items():
        world.fail_commits([failure], after=place)
    client = Client(world)
    client.keep_loading()
    task = Task(RunId("task-1"), CALL, START + 25 * MINUTE, failure=FailurePolicy(retry=RETRIED))
    client.at(1, Triggered(job=JobName("idle")))
    client.at(2, Added(tasks=(task,)))
    client.at(15, Paused(jobs=(JobName("rate"),)))
    client.stop_latest(19, "stopped")
    client.dismiss_dead(22)
    client.at(28, Resumed(jobs=(JobName("rate"),)))
    client.at(33, JobStopped(job=JobName("delay")))
    client.at(36, Resumed(jobs=(JobName("delay"),)))
    world.run(HORIZON)
    world.verify()
    world.close()
    return Life(world, final_runs(store), client.replies)


def final_runs(path: Path) -> dict[tuple[str, str], list[Run]]:
    store = SqliteStore(path)
    with store.history() as history:
        found = history.runs(limit=1000)
    store.close()
    runs = defaultdict[tuple[str, str], list[Run]](list)
    for run in sorted(found, key=lambda run: (run.scheduled_at, run.id)):
        runs[run.job or run.id, run.origin].append(run)
    return dict(runs)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return live(tmp_path_factory.mktemp("calm") / "taskd.db", failures={})


def same_ends(calm: Life, other: Life) -> Iterator[str]:
    """Yield where another life ended otherwise than it may."""
    yield from (f"{rule}: {problem}" for rule, problem in other.world.witness.problems)
    if calm.replies != other.replies:
        yield f"the replies are {other.replies}"
    if calm.runs.keys() != other.runs.keys():
        yield f"there are runs of {other.runs.keys() ^ calm.runs.keys()}"
    for place, wanted in calm.runs.items():
        found = other.runs.get(place, [])
        if len(wanted) != len(found):
            yield f"{place} has {len(found)} runs, not {len(wanted)}"
        for left, right in zip(wanted, found, strict=False):
            yield from differences(left, right)


def differences(calm: Run, other: Run) -> Iterator[str]:
    is_lost = other.job == "once" and other.crashes == 1 and other.state is RunState.FAILED
    if not is_lost and (calm.state, calm.result) != (other.state, other.result):
        yield f"{other.job} {other.id} is {other.state} {other.result}, not {calm.state}"
    late = other.scheduled_at - calm.scheduled_at
    is_on_grid = calm.origin == "schedule" and calm.job != "delay"
    if late if is_on_grid else not ZERO <= late <= LATE:
        yield f"{other.job} {other.id} is due {other.scheduled_at}, not {calm.scheduled_at}"
    if other.failures != calm.failures or other.crashes > 1:
        yield f"{other.id} has {other.failures} failures and {other.crashes} crashes"
    ended, wanted = other.finished_at, calm.finished_at
    soonest = -LATE if other.state is RunState.CANCELLED else ZERO  # a crash ends what is to stop
    if ended and wanted and not soonest <= ended - wanted <= LATE and not is_lost:
        yield f"{other.id} ended at {ended}, not {wanted}"


def test_the_calm_life_is_rich_enough(calm: Life) -> None:
    assert list(same_ends(calm, calm)) == []
    ends = {run.state for runs in calm.runs.values() for run in runs}
    assert ends == {RunState.SUCCEEDED, RunState.DEAD, RunState.CANCELLED}
    assert {origin for _, origin in calm.runs} == {"schedule", "trigger", "retry"}
    assert {"look_up", "interrupt.after", "prune.after", "end.after_told", "reply.after"} <= {
        *calm.world.passed_points
    }


def crashed(calm: Life, folder: Path, places: range) -> Iterator[tuple[object, list[str]]]:
    for place in places:
        store = folder / "taskd.db"
        life = live(store, crash=place, failures={})
        point = f"{life.world.crashed_at} ({place})"
        yield point, list(same_ends(calm, life))
        shutil.rmtree(folder)
        folder.mkdir()


def failed(calm: Life, folder: Path, places: range) -> Iterator[tuple[object, list[str]]]:
    for place in places:
        for failure in Failure:
            life = live(folder / "taskd.db", failures={place: failure})
            yield (failure, place), list(same_ends(calm, life))
            shutil.rmtree(folder)
            folder.mkdir()


LOADED = 1  # the first commit loads the file: put off, it lets each grid start later
STRIDE = 13  # of the places that the default run takes: a prime, so that it meets every point


def test_a_crash_at_any_place_ends_in_the_same_runs(calm: Life, tmp_path: Path) -> None:
    places = range(0, calm.world.passed_points.total(), STRIDE)
    assert dict(filter_bad(crashed(calm, tmp_path, places))) == {}


def test_a_commit_that_fails_at_any_place_ends_in_the_same_runs(calm: Life, tmp_path: Path) -> None:
    assert dict(filter_bad(failed(calm, tmp_path, range(LOADED, calm.world.commits, 3)))) == {}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_crash_at_every_place_ends_in_the_same_runs(calm: Life, tmp_path: Path) -> None:
    places = range(calm.world.passed_points.total())
    assert dict(filter_bad(crashed(calm, tmp_path, places))) == {}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_commit_that_fails_at_every_place_ends_in_the_same_runs(
    calm: Life, tmp_path: Path
) -> None:
    assert dict(filter_bad(failed(calm, tmp_path, range(LOADED, calm.world.commits)))) == {}


def filter_bad(lives: Iterator[tuple[object, list[str]]]) -> Iterator[tuple[object, list[str]]]:
    return ((place, problems) for place, problems in lives if problems)
