from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.config.entry import InvalidEntry, default_flaws, inherit, job_from_entry
from taskd.config.keys import JOB_KEYS, LATER_JOB_KEYS, SYNONYMS
from taskd.config.shape import Flaw
from taskd.core.calendars import Calendar
from taskd.core.cron import Cron
from taskd.core.execution import Execution
from taskd.core.job import Call, Job, Overlap, Source
from taskd.core.retention import Retention
from taskd.core.retry import FailurePolicy, OnCrash, RetryPolicy
from taskd.core.schedule import At, Every, Mode
from taskd.core.unique import OnConflict, Scope, Unique
from tests.unit.config.toml_documents import values

CALL = {"call": "myapp.health:ping"}


def job(entry: Mapping[str, object], name: str = "heartbeat") -> Job:
    return job_from_entry(name, entry, source=Source.CLI, timezone="Europe/Berlin")


def refusals(entry: Mapping[str, object], name: str = "heartbeat") -> dict[str, Flaw]:
    with pytest.raises(InvalidEntry) as refusal:
        job(entry, name)
    assert refusal.value.name == name
    return {flaw.key: flaw for flaw in refusal.value.problems}


def test_every_supported_key_reaches_the_job() -> None:
    whole = job(
        {
            "call": "a.b:c.d",
            "args": [1, "two", None],
            "kwargs": {"x": {"y": [1.5]}},
            "description": "Heart",
            "tags": ["t"],
            "enabled": False,
            "every": "1m",
            "mode": "fixed-delay",
            "align": False,
            "timezone": "Asia/Tokyo",
            "priority": "high",
            "carry": True,
            "executor": "thread",
        }
    )
    assert whole.call.target == "a.b:c.d"
    assert (whole.call.args, whole.call.kwargs) == ((1, "two", None), {"x": {"y": [1.5]}})
    assert (whole.description, whole.tags, whole.enabled) == ("Heart", ("t",), False)
    assert whole.schedule == Every(timedelta(minutes=1), Mode.FIXED_DELAY)
    assert (whole.priority, whole.carry, whole.source) == (50, True, Source.CLI)


def test_every_key_of_execution_reaches_the_job() -> None:
    keys = {
        "executor": "process",
        "env": {"A": "b"},
        "cwd": "/tmp",
        "nice": 19,
        "max_memory": "512MiB",
        "max_cpu_time": "1m",
        "capture_output": False,
        "output_limit": "2MiB",
    }
    whole = job(CALL | keys | {"timeout": "5s", "kill_grace": "1s"})
    assert whole.execution == Execution(
        executor="process",
        env={"A": "b"},
        cwd="/tmp",
        nice=19,
        max_memory=2**29,
        max_cpu_time=timedelta(minutes=1),
        capture_output=False,
        output_limit=2**21,
    )
    assert (whole.timeout, whole.kill_grace) == (timedelta(seconds=5), timedelta(seconds=1))


def test_a_command_is_split_as_a_shell_would_and_given_whole_to_one() -> None:
    assert job({"command": "echo 'a b'"}).call == Call.command("echo", "a b")
    assert job({"command": ["echo", "a b"]}).call == Call.command("echo", "a b")
    shell = job({"command": "echo a | cat", "shell": True})
    assert (shell.call, shell.execution.shell) == (Call.command("echo a | cat"), True)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"call": "a:b"}, "call"),
        ({"args": [1]}, "args"),
        ({"kwargs": {"a": 1}}, "kwargs"),
        ({"carry": True}, "carry"),
        ({"executor": "thread"}, "executor"),
        ({"shell": True}, "shell"),
    ],
)
def test_what_a_command_cannot_have_is_refused(more: dict[str, object], key: str) -> None:
    assert key in refusals({"command": ["true"]} | more)


def test_a_command_does_not_inherit_what_only_callables_have() -> None:
    defaults = {"executor": "process", "args": [1], "timeout": "5s"}
    whole = job(inherit(defaults, {"command": ["true"]}))
    assert whole.execution.executor is None
    assert whole.timeout == timedelta(seconds=5)
    assert not job(inherit({"shell": True}, CALL)).execution.shell


def test_a_job_without_a_trigger_has_no_schedule() -> None:
    assert job(CALL).schedule is None


@pytest.mark.parametrize("cron", ["@daily", ["0 1 * * *", "0 2 * * *"]])
def test_cron_takes_one_expression_or_a_list(cron: str | list[str]) -> None:
    expressions = (cron,) if isinstance(cron, str) else tuple(cron)
    assert job(CALL | {"cron": cron}).schedule == Cron(expressions, "Europe/Berlin", "heartbeat")
    tokyo = job(CALL | {"cron": cron, "timezone": "Asia/Tokyo"})
    assert tokyo.schedule == Cron(expressions, "Asia/Tokyo", "heartbeat")


def test_at_reads_local_times_on_the_clocks_of_the_job() -> None:
    at = [datetime(2026, 12, 24, 18), "2026-12-24T18:00:00Z"]
    utc = datetime(2026, 12, 24, 17, tzinfo=UTC)
    assert job(CALL | {"at": at}).schedule == At((utc, datetime(2026, 12, 24, 18, tzinfo=UTC)))
    tokyo = job(CALL | {"at": at[0], "timezone": "Asia/Tokyo"})
    assert tokyo.schedule == At((datetime(2026, 12, 24, 9, tzinfo=UTC),))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("call", "no-colon"),
        ("call", 3),
        ("call", "local:name"),
        ("args", "text"),
        ("args", {"a": 1}),
        ("kwargs", [1]),
        ("description", 1),
        ("tags", "one"),
        ("enabled", "yes"),
        ("enabled", 1),
        ("every", 10),
        ("every", "10"),
        ("every", "1ms"),
        ("every", None),
        ("cron", "61 * * * *"),
        ("cron", "0 0 30 2 *"),
        ("cron", []),
        ("cron", [1]),
        ("cron", None),
        ("at", time(18)),
        ("at", []),
        ("at", "2026-12-24"),
        ("at", datetime(1, 1, 1)),
        ("mode", "fixed"),
        ("align", "yes"),
        ("timezone", "Europe/Berlinn"),
        ("timezone", ""),
        ("priority", 101),
        ("carry", 1),
        ("carry", True),
        ("executor", "procces"),
        ("executor", "command"),
        ("shell", True),
        ("env", {"A": "b"}),
        ("cwd", "/tmp"),
        ("nice", 5),
        ("max_memory", "512MiB"),
        ("max_memory", 1),
        ("max_cpu_time", "1s"),
        ("output_limit", "1B"),
        ("capture_output", 1),
        ("timeout", 5),
        ("timeout", "0s"),
        ("kill_grace", 5),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(key: str, value: object) -> None:
    entry = CALL | {"every": "1s"} if key in {"mode", "align"} else CALL
    assert [flaw.path[0] for flaw in refusals(entry | {key: value}).values()] == [key]


def test_wrong_items_are_told_one_by_one() -> None:
    found = refusals(
        CALL
        | {
            "args": [1, float("nan"), datetime(2026, 1, 1)],
            "kwargs": {"a": {"from": "x.result"}, "b": float("inf")},
            "tags": ["t", 2],
        }
    )
    assert list(found) == ["args[1]", "args[2]", "kwargs.a", "kwargs.b", "tags[1]"]
    assert "write it as text" in found["args[2]"].hint


def test_all_problems_are_told_at_once() -> None:
    entry = {"evry": "1s", "args": 1, "cron": "61 * * * *", "after": []}
    assert set(refusals(entry)) == {"evry", "args", "cron", "after", "call"}


@pytest.mark.parametrize("name", ["", "a b", "..", "ä", "x" * 129, "a\n"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    assert list(refusals(CALL, name)) == ["name"]


@pytest.mark.parametrize("key", sorted(LATER_JOB_KEYS))
def test_a_key_of_later_versions_is_refused_as_such(key: str) -> None:
    found = refusals(CALL | {key: 1})
    assert list(found) == [key]
    assert found[key].message == "not supported by this version"
    assert found[key].at_key


def test_an_unknown_key_is_told_the_nearest_one() -> None:
    assert refusals(CALL | {"evry": "1s"})["evry"].hint == "did you mean every?"
    assert refusals(CALL | {"zzz": 1})["zzz"].hint == ""


@pytest.mark.parametrize(
    ("synonym", "key"),
    [
        ("max_retries", "retry.max_attempts"),
        ("coalesce", "catchup"),
        ("tz", "timezone"),
        ("interval", "every"),
        ("seconds", "every"),
        ("minutes", "every"),
        ("schedule", "cron"),
        ("crontab", "cron"),
        ("trigger", "every, cron or at"),
    ],
)
def test_a_synonym_is_told_the_right_key(synonym: str, key: str) -> None:
    assert refusals(CALL | {synonym: 1})[synonym].hint == f"the key is {key}"


@pytest.mark.parametrize("synonym", ["func", "function", "callable", "task"])
def test_a_synonym_of_call_is_not_told_that_call_is_missing_too(synonym: str) -> None:
    found = refusals({synonym: "a:b"})
    assert list(found) == [synonym]
    assert found[synonym].hint == "the key is call"


def test_no_synonym_is_a_key_itself() -> None:
    assert not SYNONYMS.keys() & (JOB_KEYS | LATER_JOB_KEYS)


def test_a_job_without_a_call_is_told_how_to_write_one() -> None:
    assert refusals({})["call"].hint == 'write call = "package.module:function"'


def test_two_triggers_are_a_problem_that_names_both() -> None:
    found = refusals(CALL | {"every": "1s", "cron": "@daily"})
    assert list(found) == ["cron"]
    assert "every" in found["cron"].message


@pytest.mark.parametrize(("key", "value"), [("mode", "fixed-rate"), ("align", True)])
def test_what_only_an_interval_has_is_refused_without_one(key: str, value: object) -> None:
    assert list(refusals(CALL | {key: value})) == [key]
    assert list(refusals(CALL | {key: value, "cron": "@daily"})) == [key]


def test_a_fixed_delay_cannot_be_aligned() -> None:
    entry = CALL | {"every": "1s", "mode": "fixed-delay", "align": True}
    assert list(refusals(entry)) == ["align"]


@pytest.mark.parametrize("key", ["call", "every", "cron", "at"])
def test_defaults_hold_neither_a_call_nor_a_trigger(key: str) -> None:
    assert default_flaws({key: "@daily"})[0].path == (key,)


def test_defaults_are_judged_like_an_entry() -> None:
    wrong = {"tiemzone": "UTC", "timezone": "Nowhere", "queue": "q", "priority": 5}
    assert {flaw.key for flaw in default_flaws(wrong)} == {"tiemzone", "timezone", "queue"}


def test_the_keys_of_a_job_win_over_defaults() -> None:
    assert inherit({"priority": 1, "tags": ["a"]}, {"priority": 2}) == {
        "priority": 2,
        "tags": ["a"],
    }


def test_defaults_of_intervals_reach_the_jobs_that_have_one() -> None:
    defaults = {"mode": "fixed-delay", "align": True}
    assert inherit(defaults, {"every": "1s"}) == {"every": "1s", **defaults}
    assert inherit(defaults, {"cron": "@daily"}) == {"cron": "@daily"}


@given(st.dictionaries(st.sampled_from(sorted(JOB_KEYS)) | st.text(max_size=4), values))
def test_no_entry_is_answered_by_anything_but_a_job_or_its_problems(
    entry: dict[str, object],
) -> None:
    try:
        assert job(entry).call.target == entry["call"]
    except InvalidEntry as refusal:
        assert refusal.problems


def test_a_job_takes_its_overlap_and_its_instances() -> None:
    entry = {"call": "work:f", "overlap": "allow", "max_instances": 3}
    job = job_from_entry("job", entry, source=Source.FILE, timezone="UTC")
    assert (job.overlap, job.instances) == (Overlap.ALLOW, 3)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"overlap": "forbid"}, "overlap"),
        ({"max_instances": 0}, "max_instances"),
        ({"overlap": "allow", "carry": True, "args": [1]}, "carry"),
    ],
)
def test_an_overlap_that_cannot_be_is_refused(wrong: dict[str, object], key: str) -> None:
    with pytest.raises(InvalidEntry) as refusal:
        job_from_entry("job", {"call": "work:f", **wrong}, source=Source.FILE, timezone="UTC")
    assert [flaw.path[0] for flaw in refusal.value.problems] == [key]


def test_a_job_says_which_of_its_runs_are_the_same_work() -> None:
    table = {"key": "{region}", "scope": "period", "period": "1h", "on_conflict": "error"}
    entry = {"call": "work:f", "unique": table}
    unique = job_from_entry("job", entry, source=Source.FILE, timezone="UTC").unique
    assert unique == Unique(
        key="{region}",
        scope=Scope.PERIOD,
        period=timedelta(hours=1),
        on_conflict=OnConflict.ERROR,
    )


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"keys": "a"}, "unique.keys"),
        ({"scope": "always"}, "unique.scope"),
        ({"scope": "period", "period": 5}, "unique.period"),
        ({"key": 7}, "unique.key"),
    ],
)
def test_a_table_of_uniqueness_that_cannot_be_is_refused(
    table: dict[str, object], key: str
) -> None:
    with pytest.raises(InvalidEntry) as refusal:
        job_from_entry(
            "job", {"call": "work:f", "unique": table}, source=Source.FILE, timezone="UTC"
        )
    assert [flaw.key for flaw in refusal.value.problems] == [key]


def test_the_failure_policy_is_read_key_by_key() -> None:
    entry = {
        "retry": {"max_attempts": 5, "initial": "2s", "retry_on": ["ConnectionError", "transient"]},
        "on_crash": "fail",
        "max_crashes": 7,
        "pause_after_failures": 4,
        "retention": {"success": "1d"},
    }
    made = job_from_entry(
        "a", CALL | entry, source=Source.CLI, timezone="UTC", categories=["transient"]
    )
    assert made.failure == FailurePolicy(
        retry=RetryPolicy(
            max_attempts=5,
            initial=timedelta(seconds=2),
            retry_on=("ConnectionError", "transient"),
        ),
        on_crash=OnCrash.FAIL,
        max_crashes=7,
    )
    assert made.pause_after_failures == 4
    assert made.retention == Retention(success=timedelta(days=1))


@pytest.mark.parametrize(
    ("key", "value", "message", "hint"),
    [
        ("retry.max_attempts", 0, "expected at least 1, found 0", ""),
        ("retry.max_attempts", "3", 'expected a whole number, found "3"', ""),
        ("retry.backoff", "quadratic", None, ""),
        ("retry.initial", 3, "a time needs a unit", 'write "3s" for seconds'),
        ("retry.initial", "10m", None, "make initial shorter, or max_delay longer"),
        ("retry.max_elapsed", "0s", None, "make max_elapsed longer, or retry.initial shorter"),
        ("retry.max_atempts", 3, "there is no such key", "did you mean max_attempts?"),
        ("retry.max_retries", 3, "there is no such key", "the key is max_attempts"),
        ("retention.failed", "-1s", None, None),
        ("retention.kept", "1d", "there is no such key", ""),
        ("max_crashes", 101, "expected at most 100, found 101", ""),
        ("pause_after_failures", 0, "expected at least 1, found 0", ""),
        ("on_crash", "again", 'expected "retry" or "fail", found "again"', ""),
    ],
)
def test_a_wrong_policy_is_told_by_its_key(
    key: str, value: object, message: str | None, hint: str | None
) -> None:
    table, _, below = key.partition(".")
    nested: dict[str, object] = {below: value}
    if table == "retry":
        nested["jitter"] = "none"
    entry: dict[str, object] = {table: nested} if below else {key: value}
    (flaw,) = refusals(entry | CALL).values()
    assert flaw.key == key
    assert message is None or flaw.message == message
    assert hint is None or flaw.hint == hint


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("ConectionError", "no built-in exception", "did you mean ConnectionError?"),
        ("IOError", "IOError is another name of OSError", "write OSError"),
        ("no name", "no built-in exception", 'write "package.module.Class" for one of a module'),
    ],
)
def test_a_word_that_names_no_exception_is_refused_with_the_nearest(
    word: str, message: str, hint: str
) -> None:
    (flaw,) = refusals(CALL | {"retry": {"give_up_on": [word]}}).values()
    assert flaw.key == "retry.give_up_on[0]"
    assert message in flaw.message
    assert flaw.hint == hint


def test_a_category_is_a_word_too_and_the_nearest_may_be_one() -> None:
    entry = CALL | {"retry": {"retry_on": ["transent"]}}
    with pytest.raises(InvalidEntry) as caught:
        job_from_entry("a", entry, source=Source.CLI, timezone="UTC", categories=["transient"])
    (flaw,) = caught.value.problems
    assert "neither a category" in flaw.message
    assert flaw.hint == "did you mean transient?"


def test_the_tables_of_the_defaults_are_inherited_key_by_key() -> None:
    defaults = {"retry": {"max_attempts": 5, "initial": "3s"}, "on_crash": "fail"}
    whole = inherit(defaults, CALL | {"retry": {"initial": "1s"}})
    assert whole["retry"] == {"max_attempts": 5, "initial": "1s"}
    assert whole["on_crash"] == "fail"
    assert inherit(defaults, CALL | {"retry": 3})["retry"] == 3


def test_everything_wrong_with_a_table_of_uniqueness_is_told_at_once() -> None:
    table = {"scope": "always", "period": 5, "keys": "a"}
    assert refusals(CALL | {"unique": table}).keys() == {
        "unique.scope",
        "unique.period",
        "unique.keys",
    }


def test_defaults_may_say_which_runs_are_the_same_work() -> None:
    assert default_flaws({"unique": {"key": "{region}", "scope": "period"}}) == []
    (flaw,) = default_flaws({"unique": {"ttl": "1h"}})
    assert (flaw.key, flaw.hint) == ("unique.ttl", "the key is period")


@pytest.mark.parametrize("key", ["max_memory", "output_limit"])
def test_more_bytes_than_a_machine_has_are_refused(key: str) -> None:
    entry = {"command": "true", key: "999999999999999TiB"}
    assert refusals(entry)[key].message == "is over what a machine can address"


def test_all_that_the_core_refuses_is_told_in_one_pass() -> None:
    entry = CALL | {
        "every": "1ms",
        "timeout": "0s",
        "max_runs": 3,
        "carry": True,
        "env": {"A": "b"},
        "retry": {"initial": "1h"},
        "unique": {"scope": "period"},
    }
    assert refusals(entry, "a/b").keys() == {
        *("name", "every", "timeout", "carry", "env"),
        *("retry.initial", "unique.period"),
    }


def test_each_value_of_a_list_is_judged_at_its_place() -> None:
    flaws = refusals(CALL | {"at": ["2030-01-01T00:00:00Z", "soon", 5]})
    assert flaws.keys() == {"at[1]", "at[2]"}
    assert refusals(CALL | {"at": "soon"}).keys() == {"at"}
    assert refusals(CALL | {"every": "1d", "exclude": [1]}).keys() == {"exclude[0]"}


def test_an_event_is_one_at_least() -> None:
    assert refusals(CALL | {"on": []})["on"].hint == "write at least one"


def test_a_job_that_every_day_excludes_never_runs() -> None:
    calendars = {
        "work": Calendar("work", weekdays=(0, 1, 2, 3, 4)),
        "rest": Calendar("rest", weekdays=(5, 6)),
    }
    entry = CALL | {"every": "1h", "exclude": ["work", "rest"]}
    with pytest.raises(InvalidEntry) as refusal:
        job_from_entry("a", entry, source=Source.FILE, timezone="UTC", calendars=calendars)
    assert [flaw.key for flaw in refusal.value.problems] == ["exclude"]
