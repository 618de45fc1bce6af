"""The inbox: order is kept, every future is answered once, whenever it came."""

import threading
from concurrent.futures import Future, wait
from datetime import UTC, datetime, timedelta

import pytest

from taskd.clock import Wakeup
from taskd.core.job import JobName
from taskd.core.messages import JobRemoved
from taskd.core.run import Origin, Run, RunState
from taskd.core.turn import Reply
from taskd.errors import Conflict, Stopped
from taskd.ids import new_id
from taskd.inbox import Follow, Inbox, Query, Stop, Watch

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOON = 20.0


@pytest.fixture
def inbox() -> Inbox:
    return Inbox(Wakeup())


def ended(job: str | None = None) -> Run:
    return Run(
        id=new_id(NOW),
        job=JobName(job) if job else None,
        origin=Origin.SCHEDULE,
        state=RunState.SUCCEEDED,
        scheduled_at=NOW,
        due_at=NOW,
    )


def tickets(inbox: Inbox) -> list[JobRemoved]:
    return [message for message in inbox.take() if isinstance(message, JobRemoved)]


def test_messages_are_taken_in_the_order_they_came(inbox: Inbox) -> None:
    for seconds in range(3):
        inbox.post(Stop(timedelta(seconds=seconds)))
    assert list(inbox.take()) == [Stop(timedelta(seconds=seconds)) for seconds in range(3)]
    assert not inbox


def test_each_request_gets_its_own_reply(inbox: Inbox) -> None:
    answers = [inbox.ask(JobRemoved(JobName(name))) for name in "ab"]
    first, second = tickets(inbox)
    assert first.job == "a"
    inbox.reply(Reply(second.ticket, error=Conflict("no")))
    inbox.reply(Reply(first.ticket, "yes"))
    inbox.reply(Reply(first.ticket, "twice"))
    assert answers[0].result(0) == "yes"
    with pytest.raises(Conflict):
        answers[1].result(0)


def test_a_reply_that_nobody_waits_for_is_dropped(inbox: Inbox) -> None:
    answer = inbox.ask(JobRemoved(JobName("a")))
    answer.cancel()
    (request,) = tickets(inbox)
    inbox.reply(Reply(request.ticket, "yes"))
    assert answer.cancelled()


def test_a_watch_is_answered_by_its_run_or_by_the_next_of_its_job(inbox: Inbox) -> None:
    run, other = ended("job"), ended("other")
    answers = [inbox.watch(run.id), inbox.watch("job"), inbox.watch("job"), inbox.watch("other")]
    for message in inbox.take():
        assert isinstance(message, Watch)
        inbox.keep_watch(message)
    answers[2].cancel()
    inbox.run_ended(run)
    assert answers[0].result(0) is answers[1].result(0) is run
    assert not answers[3].done()
    inbox.run_ended(run)
    inbox.run_ended(other)
    assert answers[3].result(0) is other


def test_cancelled_watches_do_not_pile_up(inbox: Inbox) -> None:
    for _ in range(100):
        watch = Watch("job", Future())
        inbox.keep_watch(watch)
        watch.answer.cancel()
    assert len(inbox._watches["job"]) == 1


def test_all_who_wait_at_the_end_and_all_who_come_later_are_refused(inbox: Inbox) -> None:
    watch = Watch("job", Future())
    inbox.keep_watch(watch)
    taken = inbox.ask(JobRemoved(JobName("taken")))
    list(inbox.take())
    waiting: list[Future[object] | Future[Run]] = []
    waiting += [taken, inbox.ask(JobRemoved(JobName("a"))), inbox.query(list), watch.answer]
    inbox.close()
    late: list[Future[object] | Future[Run]] = []
    late += [inbox.ask(JobRemoved(JobName("b"))), inbox.query(list), inbox.watch("x")]
    for answer in (*waiting, *late):
        assert isinstance(answer.exception(0), Stopped)


def test_nobody_is_forgotten_when_many_ask_while_it_closes() -> None:
    for _ in range(20):
        inbox, gate = Inbox(Wakeup()), threading.Barrier(5)
        answers: list[Future[object]] = []
        askers = [threading.Thread(target=ask_often, args=(inbox, gate, answers)) for _ in range(4)]
        for asker in askers:
            asker.start()
        gate.wait(SOON)
        inbox.close()
        for asker in askers:
            asker.join(SOON)
        assert wait(answers, SOON).not_done == set()
        assert len(answers) == 800


def ask_often(inbox: Inbox, gate: threading.Barrier, answers: list[Future[object]]) -> None:
    gate.wait(SOON)
    for _ in range(100):
        answers.append(inbox.query(list))
        answers.append(inbox.ask(JobRemoved(JobName("a"))))


def test_a_query_carries_what_to_read(inbox: Inbox) -> None:
    answer = inbox.query(lambda: 7)
    (query,) = inbox.take()
    assert isinstance(query, Query)
    assert query.read() == 7
    assert query.answer is answer


def test_who_follows_the_journal_is_told_once_it_is_behind_their_place(inbox: Inbox) -> None:
    answers = [inbox.follow(after) for after in (3, 5)]
    left = inbox.follow(3)
    left.cancel()
    for message in inbox.take():
        assert isinstance(message, Follow)
        inbox.keep_follow(message)
    inbox.journal_grew(3)
    assert not answers[0].done()
    inbox.journal_grew(5)
    assert answers[0].result(0) == 5
    assert not answers[1].done()
    inbox.close()
    with pytest.raises(Stopped):
        answers[1].result(0)
