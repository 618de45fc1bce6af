"""Rules of the API's functions, on a scheduler in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskd import api
from taskd.api import Ask
from taskd.config.entry import InvalidEntry
from taskd.core.messages import Key
from taskd.errors import Conflict, KeyReused, UnknownTask
from tests.unit.host import Host

YEARLY = {"call": "os:getcwd", "cron": "0 0 1 1 *"}


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.scheduler.shutdown()


def add(host: Host, name: str, **entry: object) -> Any:
    return api.add(host, Ask(body={"name": name, **(entry or YEARLY)}, actor="uid:7"))


def flaws(function: Callable[[Host, Ask], object], host: Host, ask: Ask) -> list[str]:
    with pytest.raises(InvalidEntry) as caught:
        function(host, ask)
    return [problem.key for problem in caught.value.problems]


def test_an_added_job_is_returned_whole_with_its_next_due_instant(host: Host) -> None:
    added = add(host, "a")
    assert added["job"] == api.job(host, Ask(name="a"))
    assert added["next_due_at"] == added["job"]["next_due_at"]
    assert added["job"]["timezone"] == "Europe/Berlin"


def test_a_job_for_now_is_due_at_once(host: Host) -> None:
    before = datetime.now(UTC)
    due_at = add(host, "a", call="os:getcwd", now=True)["job"]["schedule"]
    assert str(before.year) in due_at


def test_a_job_that_would_run_old_code_is_refused(host: Host) -> None:
    host.stale = "work.py changed since it was loaded; restart taskd"
    assert flaws(api.add, host, Ask(body={"name": "a", **YEARLY})) == ["call"]


def test_a_callable_that_is_not_there_is_refused_with_the_nearest(host: Host) -> None:
    with pytest.raises(InvalidEntry) as caught:
        add(host, "a", call="os:getcwdd", every="1h")
    (problem,) = caught.value.problems
    assert problem.hint == "did you mean getcwd?"


def test_a_wrong_name_gets_the_nearest(host: Host) -> None:
    add(host, "nightly")
    for function in (api.job, api.stop_job, api.pause_job, api.resume_job, api.trigger, api.remove):
        with pytest.raises(UnknownTask) as caught:
            function(host, Ask(name="nightli"))
        assert caught.value.nearest == "nightly"


@pytest.mark.parametrize(
    ("function", "body", "key"),
    [
        (api.add, {}, "name"),
        (api.add, {"name": 7, **YEARLY}, "name"),
        (api.stop_job, {"reason": 7}, "reason"),
        (api.stop_job, {"reason": "x" * 1001}, "reason"),
        (api.pause_job, {"until": "tomorrow"}, "until"),
        (api.pause_job, {"until": "2001-01-01T00:00:00Z"}, "until"),
        (api.pause_all, {"until": "-2h"}, "until"),
        (api.trigger, {"args": {}}, "args"),
        (api.trigger, {"args": [1, 10**20]}, "args[1]"),
        (api.trigger, {"kwargs": {"a": float("inf")}}, "kwargs.a"),
        (api.trigger, {"arg": []}, "arg"),
        (api.shutdown, {"now": "perhaps"}, "now"),
        (api.shutdown, {"now": "yes"}, "now"),
        (api.stop_job, {"force": 1}, "force"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_key(
    host: Host, function: Callable[[Host, Ask], object], body: dict[str, object], key: str
) -> None:
    add(host, "a")
    assert flaws(function, host, Ask(name="a", body=body)) == [key]


@pytest.mark.parametrize(
    ("function", "query", "key"),
    [
        (api.runs, {"state": "DONE"}, "state"),
        (api.runs, {"since": "yesterday"}, "since"),
        (api.runs, {"limit": "0"}, "limit"),
        (api.runs, {"color": "red"}, "color"),
        (api.next_due, {"n": "many"}, "n"),
        (api.wait_s, {"timeout": "inf"}, "timeout"),
    ],
)
def test_a_query_that_cannot_be_is_refused_by_its_key(
    host: Host, function: Callable[..., object], query: dict[str, str], key: str
) -> None:
    with pytest.raises(InvalidEntry) as caught:
        function(*([] if function is api.wait_s else [host]), Ask(query=query))
    assert [problem.key for problem in caught.value.problems] == [key]


def test_a_misspelt_key_is_told_the_nearest(host: Host) -> None:
    add(host, "a")
    with pytest.raises(InvalidEntry) as caught:
        api.pause_job(host, Ask(name="a", body={"reasn": "holidays"}))
    (problem,) = caught.value.problems
    assert (problem.message, problem.hint) == ("there is no such key", "did you mean reason?")


def test_all_that_is_wrong_is_told_at_once(host: Host) -> None:
    add(host, "a")
    assert len(flaws(api.trigger, host, Ask(name="a", body={"args": 1, "kwargs": 2, "x": 3}))) == 3


def test_a_pause_ends_at_an_instant_or_after_a_while(host: Host) -> None:
    add(host, "a")
    view: Any = api.pause_job(host, Ask(name="a", body={"until": "2h", "reason": "why"}))
    until = datetime.fromisoformat(view["paused_until"])
    assert abs(until - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
    assert (view["state"], view["pause_reason"]) == ("paused", "why")
    view = api.pause_job(host, Ask(name="a", body={"until": "2999-01-01T00:00:00+01:00"}))
    assert view["paused_until"] == "2998-12-31T23:00:00Z"


def test_what_comes_is_merged_soonest_first(host: Host) -> None:
    add(host, "a", call="os:getcwd", cron="0 0 * * *")
    add(host, "b", call="os:getcwd", cron="30 0 * * *")
    coming: Any = api.next_due(host, Ask(query={"n": "4"}))
    assert len(coming) == 4
    assert coming == sorted(coming, key=lambda item: item["due_at"])
    assert {item["job"] for item in coming} == {"a", "b"}
    only: Any = api.next_due(host, Ask(query={"n": "2", "job": "b"}))
    assert {item["job"] for item in only} == {"b"}


def test_runs_are_told_by_job_and_state_newest_first(host: Host) -> None:
    add(host, "a")
    ids = []
    for _ in range(3):
        triggered: Any = api.trigger(host, Ask(name="a"))
        host.scheduler.inbox.watch(triggered["run"]["id"]).result(20)
        ids.append(triggered["run"]["id"])
    found: Any = api.runs(host, Ask(query={"job": "a", "state": "succeeded,failed", "limit": "2"}))
    assert [run["id"] for run in found] == [ids[2], ids[1]]
    assert api.runs(host, Ask(query={"since": "1h", "state": "DEAD"})) == []
    with pytest.raises(UnknownTask):
        api.runs(host, Ask(query={"job": "b"}))


def test_the_history_of_a_removed_job_can_still_be_asked_for(host: Host) -> None:
    add(host, "a")
    triggered: Any = api.trigger(host, Ask(name="a"))
    host.scheduler.inbox.watch(triggered["run"]["id"]).result(20)
    assert api.remove(host, Ask(name="a")) == {"job": "a", "cancelled": []}
    found: Any = api.runs(host, Ask(query={"job": "a"}))
    assert len(found) == 1
    with pytest.raises(UnknownTask):
        api.job(host, Ask(name="a"))


def test_a_run_that_has_ended_cannot_be_stopped(host: Host) -> None:
    add(host, "a")
    triggered: Any = api.trigger(host, Ask(name="a"))
    host.scheduler.inbox.watch(triggered["run"]["id"]).result(20)
    with pytest.raises(Conflict):
        api.stop_run(host, Ask(name=triggered["run"]["id"]))


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({}, "runs"),
        ({"runs": []}, "runs"),
        ({"runs": ["x"], "dead": True}, "runs"),
        ({"runs": ["x"], "job": "a"}, "job"),
        ({"dead": True, "older_than": "3"}, "older_than"),
        ({"dead": True, "older_than": "9999999w"}, "older_than"),
        ({"dead": True, "since": "yesterday"}, "since"),
        ({"dead": True, "all": True}, "all"),
    ],
)
def test_what_to_do_again_is_said_in_one_way(host: Host, body: dict[str, object], key: str) -> None:
    assert flaws(api.retry, host, Ask(body=body)) == [key]


def test_an_unknown_job_of_the_dead_or_of_the_journal_is_told_the_nearest(host: Host) -> None:
    add(host, "report")
    asked = api.events_asked(Ask(query={"job": "reprot"}))
    askings: list[Callable[[], object]] = [
        lambda: api.dead(host, Ask(query={"job": "reprot"})),
        lambda: api.retry(host, Ask(body={"dead": True, "job": "reprot"})),
        lambda: api.page_of_events(host, asked, None, None),
        lambda: api.remove(host, Ask(name="reprot")),
    ]
    for ask in askings:
        with pytest.raises(UnknownTask) as caught:
            ask()
        assert caught.value.nearest == "report"


def test_a_repeat_is_answered_as_the_first_time_though_what_it_named_is_gone(host: Host) -> None:
    add(host, "a")
    key = Key("k", "f")
    first = api.recognized(host, Ask(name="a", key=key))
    assert not first.is_repeat
    answer = api.remove(host, first)
    again = api.recognized(host, Ask(name="a", key=key))
    assert again.is_repeat
    assert api.remove(host, again) == answer
    with pytest.raises(KeyReused):
        api.remove(host, Ask(name="a", key=Key("k", "other")))


def test_pages_of_events_follow_one_another(host: Host) -> None:
    for number in range(5):
        add(host, f"j{number}")
    asked = api.events_asked(Ask(query={"after": "1", "limit": "3"}))
    events, after, is_end = api.page_of_events(host, asked, None, 3)
    assert ([event.seq for event in events], after, is_end) == ([2, 3, 4], 4, False)
    events, after, is_end = api.page_of_events(host, asked, after, None)
    assert ([event.seq for event in events], after, is_end) == ([5], 5, True)
    last = api.events_asked(Ask(query={"job": "j1"}))
    events, after, is_end = api.page_of_events(host, last, None, None)
    assert ([event.seq for event in events], after, is_end) == ([2], 5, True)


def test_runs_asked_for_together_are_taken_or_refused_each_by_itself(host: Host) -> None:
    add(host, "a", call="os:getcwd", cron="0 0 1 1 *", overlap="allow")
    asked: list[dict[str, object]] = [
        {"job": "a"},
        {"job": "aa"},
        {"job": "a", "args": [1], "kwargs": {"k": 2}},
    ]
    made, unknown, other = told(host, asked)
    assert (made["job"], other["job"]) == ("a", "a")
    assert made["id"] < other["id"]
    assert isinstance(unknown, UnknownTask)
    assert unknown.nearest == "a"
    runs = host.scheduler.read(lambda history: history.runs(limit=10))
    assert [run.call and (run.call.args, run.call.kwargs) for run in runs] == [
        ((1,), {"k": 2}),
        None,
    ]


def test_runs_asked_for_together_again_under_one_key_are_made_once(host: Host) -> None:
    add(host, "a", call="os:getcwd", cron="0 0 1 1 *", overlap="allow")
    key = Key("k", "f")
    first = told(host, [{"job": "a"}, {"job": "late"}, {"job": "a"}], key)
    add(host, "late")
    again = told(host, [{"job": "a"}, {"job": "late"}, {"job": "a"}], key)
    assert [run["id"] for run in (again[0], again[2])] == [first[0]["id"], first[2]["id"]]
    assert again[1]["job"] == "late"
    (reused,) = told(host, [{"job": "a"}], Key("k", "another"))
    assert isinstance(reused, KeyReused)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({}, "runs"),
        ({"runs": []}, "runs"),
        ({"runs": [{"job": "a"}] * 1001}, "runs"),
        ({"runs": [{"job": "a"}, {}]}, "runs[1].job"),
        ({"runs": [{"job": "a", "args": [10**20]}]}, "runs[0].args[0]"),
    ],
)
def test_runs_asked_for_together_are_read_before_any_is_made(
    host: Host, body: dict[str, object], key: str
) -> None:
    add(host, "a")
    assert flaws(api.trigger_many, host, Ask(body=body)) == [key]
    assert api.runs(host, Ask()) == []


def told(host: Host, runs: list[dict[str, object]], key: Key | None = None) -> Any:
    reply: Any = api.trigger_many(host, Ask(body={"runs": runs}, key=key))
    return reply["runs"]


def test_top_lists_the_active_jobs_that_are_due_soonest_first(host: Host) -> None:
    add(host, "later", call="os:getcwd", cron="0 0 1 1 *")
    add(host, "sooner", call="os:getcwd", at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    add(host, "held", call="os:getcwd", at=(datetime.now(UTC) + timedelta(minutes=1)).isoformat())
    add(host, "idle", call="os:getcwd")
    api.pause_job(host, Ask(name="held"))
    shown: Any = api.top(host, Ask())
    assert [job["name"] for job in shown["next"]] == ["sooner", "later", "idle", "held"]
    assert shown["jobs"] == {"active": 3, "paused": 1}
    few: Any = api.top(host, Ask(query={"n": "1"}))
    assert [job["name"] for job in few["next"]] == ["sooner"]
    assert flaws(api.top, host, Ask(query={"n": "0"})) == ["n"]


def test_top_shows_what_failed_last(host: Host) -> None:
    add(host, "fails", call="os:remove", args=["/nowhere/at/all"])
    triggered: Any = api.trigger(host, Ask(name="fails"))
    host.scheduler.task(triggered["run"]["id"]).wait(timeout=20)
    shown: Any = api.top(host, Ask())
    assert [failure["job"] for failure in shown["failures"]] == ["fails"]
    assert (shown["running"], shown["retrying"], shown["queued"]) == ([], [], 0)
