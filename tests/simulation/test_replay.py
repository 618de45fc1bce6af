"""Replay: what was decided is decided again, and what was tampered with is not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from taskd.core.record import SkipReason
from taskd.core.replaying import Decision
from taskd.stores.decisions import replay, replay_job
from taskd.stores.events import Event
from taskd.stores.sqlite import SqliteStore
from tests.simulation.script import DAY
from tests.simulation.test_year import meddled_world

MINUTE_US = 60_000_000


@pytest.fixture(scope="module")
def meddled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "taskd.db"
    assert meddled_world(path, seed=3, time=13 * DAY).witness.problems == []
    return path


def replayed(path: Path) -> dict[str, list[Decision]]:
    """Every decision about every job that the journal names."""
    store = SqliteStore(path)
    with store.history() as history:
        jobs = {event.job for event in history.events(0, 1_000_000) if event.job is not None}
        found = {job: list(replay_job(history, job)) for job in sorted(jobs)}
    store.close()
    return found


def all_events(path: Path) -> list[Event]:
    store = SqliteStore(path)
    with store.history() as history:
        events = history.events(0, 1_000_000)
    store.close()
    return events


def assert_agrees(path: Path) -> int:
    decisions = [decision for told in replayed(path).values() for decision in told]
    assert [decision for decision in decisions if not decision.agrees] == []
    return len(decisions)


def test_what_was_decided_is_decided_again(meddled: Path) -> None:
    told = replayed(meddled)
    assert assert_agrees(meddled) > 300
    reasons = {v.reason for found in told.values() for d in found for v in d.recorded}
    assert reasons >= {None, SkipReason.MISFIRE, SkipReason.OVERLAP}


def test_every_run_of_a_schedule_and_every_skip_is_among_the_decisions(meddled: Path) -> None:
    runs = skips = 0
    for decisions in replayed(meddled).values():
        for verdict in (v for decision in decisions for v in decision.recorded):
            runs += verdict.reason is None
            skips += verdict.count or 0 if verdict.reason else 0
    told = [event for event in all_events(meddled) if event.job is not None]
    assert runs == sum(e.data.get("run", {}).get("origin") == "schedule" for e in told)
    rows = {(e.job, e.data["skip"]["first_at"]): e.data["skip"] for e in told if "skip" in e.data}
    assert skips == sum(row["count"] for row in rows.values())


def test_a_journal_that_was_cut_is_replayed_from_where_the_job_is_known(tmp_path: Path) -> None:
    path = tmp_path / "taskd.db"
    assert meddled_world(path, seed=5, time=25 * DAY).witness.problems == []
    assert all_events(path)[0].seq > 1, "it was never cut"
    assert assert_agrees(path) > 50


def test_a_replay_can_end_at_an_event(meddled: Path) -> None:
    store = SqliteStore(meddled)
    with store.history() as history:
        whole = list(replay_job(history, "job-0"))
        half = list(replay_job(history, "job-0", until=whole[len(whole) // 2].seq - 1))
        assert list(replay_job(history, "never-was")) == []
    store.close()
    assert half == whole[: len(whole) // 2]


def tampered(events: list[Event], job: str) -> Iterator[tuple[str, list[Event]]]:
    """Yield the journal with one decision about `job` made another, in each way there is."""
    for place, event in enumerate(events):
        if event.job != job:
            continue
        before, after = events[:place], events[place + 1 :]

        def with_part(
            part: str,
            place: int = place,
            event: Event = event,
            **values: object,
        ) -> list[Event]:
            data = {**event.data, part: {**event.data[part], **values}}
            return [*events[:place], replace(event, data=data), *events[place + 1 :]]

        if event.data.get("run", {}).get("origin") == "schedule":
            due_at = event.data["run"]["scheduled_at"]
            yield "moved run", with_part("run", scheduled_at=due_at + MINUTE_US)
            yield "asked for", with_part("run", origin="trigger")
            # Where only this run's own moves follow, nothing can tell.
            if any(later.job == job and later.run != event.run for later in after):
                yield "removed", [*before, *after]
        if "skip" in event.data:
            skip = event.data["skip"]
            yield "counted", with_part("skip", count=skip["count"] + 1)
            yield "moved skip", with_part("skip", last_at=skip["last_at"] + MINUTE_US)
            other = "overlap" if skip["reason"] != "overlap" else "misfire"
            yield "reason", with_part("skip", reason=other)


def test_a_decision_that_was_tampered_with_differs(meddled: Path) -> None:
    events, ways = all_events(meddled), set()
    for job in ("job-1", "job-5", "job-9"):
        about = [event for event in events if event.job in (job, None)]
        for way, forged in tampered(about, job):
            decisions = replay(job, forged)
            assert any(not decision.agrees for decision in decisions), way
            ways.add(way)
    assert ways == {"moved run", "asked for", "removed", "counted", "moved skip", "reason"}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(50))
def test_any_history_is_decided_again(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "taskd.db"
    meddled_world(path, seed, 60 * DAY)
    assert_agrees(path)
