"""Ledger: what a turn changed is written into it once, from how it was to how it is."""

from dataclasses import replace

from taskd.core.ledger import Ledger
from taskd.core.messages import Found, Page
from taskd.core.planning import first_seen
from taskd.core.record import Skip, SkipReason
from taskd.core.run import Origin, Run, RunId, RunState, move
from tests.unit.core.driver import HOUR, JOB, MINUTE, NOON, SECOND, a_job


def a_ledger() -> Ledger:
    ledger = Ledger(window=2, draw=lambda: 0.0)
    ledger.begin(NOON)
    return ledger


def a_run(name: str, *, state: RunState = RunState.QUEUED, job: bool = False) -> Run:
    return Run(
        id=RunId(name),
        job=JOB if job else None,
        origin=Origin.TRIGGER,
        state=state,
        scheduled_at=NOON,
        due_at=NOON + HOUR,
    )


def test_a_row_that_changes_twice_in_a_turn_is_written_once_from_its_first_state() -> None:
    ledger = a_ledger()
    run = a_run("run", job=True)
    ledger.put_job(first_seen(a_job(), NOON))
    ledger.begin(NOON)
    ledger.put_run(run)
    ledger.put_run(move(run, RunState.CANCELLED, NOON))
    (changed,), (job,) = ledger.turn.changes.runs.values(), ledger.turn.changes.jobs.values()
    assert (changed.before, changed.after.state) == (None, RunState.CANCELLED)
    assert job.before is not None
    assert job.after is not None
    assert (job.before.version, job.after.version) == (1, 2)


def test_what_follows_from_a_request_is_the_askers_change() -> None:
    ledger = a_ledger()
    run = a_run("run")
    ledger.put_run(run, "somebody")
    ledger.put_run(move(run, RunState.CANCELLED, NOON))
    assert ledger.turn.changes.runs[run.id].actor == "somebody"


def test_a_run_of_a_job_is_live_until_it_ends() -> None:
    ledger = a_ledger()
    run = a_run("run", job=True)
    ledger.put_run(run)
    live = ledger.count_live(JOB)
    ledger.put_run(move(run, RunState.CANCELLED, NOON))
    assert (live, ledger.count_live(JOB)) == (1, 0)


def test_runs_beyond_the_window_sleep_in_the_store_alone() -> None:
    ledger = a_ledger()
    for n in range(9):
        ledger.put_run(a_run(f"run-{n}"))
    assert len(ledger.runs) == len(ledger.backlog.queued) <= 4
    ledger.refill(None, Page((a_run("run-0"),), complete=False))
    assert RunId("run-0") in ledger.backlog.queued


def test_runs_of_jobs_are_known_even_beyond_the_window() -> None:
    ledger = a_ledger()
    for n in range(9):
        ledger.put_run(a_run(f"run-{n}", job=True))
    assert len(ledger.runs) == 9


def test_the_next_wakeup_is_the_first_of_jobs_pauses_and_pending_runs() -> None:
    ledger = a_ledger()
    wakeups = [ledger.next_wakeup()]
    ledger.put_run(a_run("run", state=RunState.PENDING))
    wakeups.append(ledger.next_wakeup())
    record = replace(first_seen(a_job(), NOON), next_due_at=NOON + MINUTE)
    ledger.put_job(record)
    wakeups.append(ledger.next_wakeup())
    ledger.drop_job(JOB, "somebody")
    wakeups.append(ledger.next_wakeup())
    assert wakeups == [None, NOON + HOUR, NOON + MINUTE, NOON + HOUR]


def test_skips_of_one_reason_are_one_row_until_something_else_happens() -> None:
    ledger = a_ledger()
    ledger.put_job(first_seen(a_job(), NOON))
    for n, reason in enumerate([SkipReason.OVERLAP, SkipReason.OVERLAP, SkipReason.PAUSED]):
        at = NOON + n * SECOND
        ledger.put_skip(Skip(JOB, at, at, 1, reason, at))
    rows = [(s.first_at, s.last_at, s.count) for s in ledger.turn.changes.skips.values()]
    assert rows == [(NOON, NOON + SECOND, 2), (NOON + 2 * SECOND, NOON + 2 * SECOND, 1)]


def test_a_dead_letter_that_is_let_go_does_not_count_again() -> None:
    ledger = a_ledger()
    ledger.put_job(replace(first_seen(a_job(), NOON), next_due_at=NOON))
    running = a_run("run", state=RunState.RUNNING, job=True)
    ledger.put_run(running)
    dead = move(running, RunState.DEAD, NOON)
    ledger.put_run(dead)
    counted = ledger.jobs[JOB]
    ledger.put_run(replace(dead, dismissed_at=NOON))  # in the turn that it ended in
    ledger.begin(NOON)
    ledger.known.learn(Found(runs=(dead,)))
    ledger.put_run(replace(dead, dismissed_at=NOON + SECOND))  # and in a later one
    assert ledger.jobs[JOB] == counted
    assert (counted.counts, counted.failures_in_row) == ({"DEAD": 1}, 1)
    assert ledger.turn.changes.jobs == {}
