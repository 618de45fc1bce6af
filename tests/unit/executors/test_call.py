"""The attempt boundary: whatever a callable does, its end is words that the store can keep."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taskd.core.job import Call, JobName
from taskd.core.run import Origin, Outcome, Result, Run, RunState
from taskd.core.turn import Start
from taskd.errors import NotImportable
from taskd.executors.call import RESULT_LIMIT, TEXT_LIMIT, End, perform, resolve
from taskd.executors.loaded_code import LoadedCode
from taskd.executors.objects import Objects
from taskd.ids import new_id
from tests.unit.executors.hostile import BAD_ENDS, JSON_RESULTS, ODD_RESULTS, cancel_with

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HERE = __name__
job: Callable[[], object]


def a_start(call: Call, **more: object) -> Start:
    run = Run(
        id=new_id(NOW),
        job=JobName("job"),
        origin=Origin.SCHEDULE,
        state=RunState.RUNNING,
        scheduled_at=NOW,
        due_at=NOW,
        attempt=1,
    )
    return Start(run, call, **more)  # type: ignore[arg-type]


def ended(function: Callable[[], object]) -> End:
    """Have `function` called as a durable store would, by its name."""
    globals()["job"] = function
    return perform(a_start(Call(f"{HERE}:job")), None, LoadedCode())


def is_storable(*texts: str) -> bool:
    return all(text.encode() is not None and len(text) < TEXT_LIMIT + 100 for text in texts)


@pytest.mark.parametrize("name", BAD_ENDS)
def test_whatever_is_raised_ends_the_attempt_in_words(name: str) -> None:
    end = ended(BAD_ENDS[name])
    assert end.outcome is Outcome.FAILED
    assert end.error is not None
    assert end.error.type
    assert end.error.text
    assert is_storable(end.error.type, end.error.message, end.error.traceback, end.error.text)


def test_a_coroutine_that_nobody_awaits_is_no_success() -> None:
    async def work() -> None:
        pass

    end = ended(lambda: work())
    assert end.outcome is Outcome.FAILED
    assert end.error is not None
    assert end.error.type == "TypeError"
    assert "returned the coroutine" in end.error.message
    assert "which nobody awaits" in end.error.message


def test_an_error_tells_its_class_message_and_cause_from_the_callable_on() -> None:
    from tests.unit.executors import hostile

    error = ended(hostile.chained).error
    assert error is not None
    assert (error.type, error.message) == ("ValueError", "the effect")
    assert error.text == "ValueError('the effect')"
    assert "KeyError: 'the cause'" in error.traceback
    assert "taskd/executors" not in error.traceback
    frames = [line for line in error.traceback.splitlines() if line.startswith("  File")]
    assert all("in chained" in frame for frame in frames)
    mute = ended(BAD_ENDS["a text that raises"]).error
    assert mute is not None
    assert mute.type == "tests.unit.executors.hostile.Mute"


def test_a_long_message_keeps_both_its_ends() -> None:
    error = ended(lambda: exec("raise ValueError('begin' + 'x' * 200_000 + 'end')")).error
    assert error is not None
    assert error.message.startswith("beginx")
    assert error.message.endswith("xend")
    assert "134472 characters left out" in error.message


@pytest.mark.parametrize("name", JSON_RESULTS)
def test_a_result_that_is_json_is_kept_as_json(name: str) -> None:
    result = ended(lambda: JSON_RESULTS[name]).result
    assert result is not None
    assert not result.is_repr
    assert json.loads(result.text) == JSON_RESULTS[name]
    assert result.text.encode()


@pytest.mark.parametrize("name", ODD_RESULTS)
def test_any_other_result_is_kept_as_its_repr_and_the_run_succeeds(name: str) -> None:
    end = ended(ODD_RESULTS[name])
    assert end.outcome is Outcome.SUCCEEDED
    assert end.result is not None
    assert end.result.is_repr
    assert is_storable(end.result.text)


def test_a_big_result_is_kept_whole_up_to_the_limit() -> None:
    result = ended(lambda: "x" * (RESULT_LIMIT - 2)).result
    assert result is not None
    assert not result.is_repr


@pytest.mark.parametrize("reason", ["enough", "", "\ud800", 5, None, b"x", object()], ids=repr)
def test_cancel_ends_the_run_for_a_reason_in_words(reason: object) -> None:
    end = ended(cancel_with(reason))
    assert end.outcome is Outcome.CANCELLED
    assert is_storable(end.reason)


def test_arguments_and_the_carried_result_are_given() -> None:
    call = Call("builtins:dict", ([["a", 1]],), {"b": 2})
    assert perform(a_start(call), None, LoadedCode()).result == Result('{"a": 1, "b": 2}')
    carried = a_start(Call("builtins:pow", (2, 3)), carry=True, carried="5")
    assert perform(carried, None, LoadedCode()).result == Result("125")


def test_an_object_of_an_ended_process_is_told_as_such() -> None:
    for objects in (None, Objects()):
        end = perform(a_start(Call("local:gone")), objects, LoadedCode())
        assert end.error is not None
        assert "a process that has ended" in end.error.message


# -- resolving -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path, whose modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_callable_is_found_by_its_path() -> None:
    assert resolve("json:dumps") is json.dumps
    assert resolve("datetime:datetime.now")() is not None
    assert resolve("os.path:join")("a", "b") == "a/b"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("no_such_module:f", "cannot import no_such_module: No module named 'no_such_module'"),
        ("json.no_such:f", "cannot import json.no_such: No module named 'json.no_such'"),
        ("json:no_such", "json has no no_such"),
        ("json:dumps.no_such", "json has no dumps.no_such"),
        ("json:__name__", "__name__ is not callable"),
    ],
)
def test_what_cannot_be_found_is_told_plainly(target: str, reason: str) -> None:
    with pytest.raises(NotImportable) as caught:
        resolve(target)
    assert (caught.value.target, caught.value.reason) == (target, reason)


@pytest.mark.parametrize(
    "body",
    [
        "raise SystemExit('bye')",
        "raise KeyboardInterrupt",
        "1 / 0",
        "def f(:",
        "import no_such_module",
        "def __getattr__(name): raise SystemExit(name)",
        "class E(Exception):\n  def __str__(self): raise E()\nraise E()",
    ],
)
def test_a_module_that_fails_faults_its_job_alone_and_may_be_mended(
    folder: Path, body: str
) -> None:
    (folder / "work_bad.py").write_text(body)
    with pytest.raises(NotImportable):
        resolve("work_bad:f")
    error = perform(a_start(Call("work_bad:f")), None, LoadedCode()).error
    assert error is not None
    assert error.type == "taskd.errors.NotImportable"
    sys.modules.pop("work_bad", None)
    importlib.invalidate_caches()
    (folder / "work_bad.py").write_text("def f():\n    return 'mended, and longer than before'")
    assert resolve("work_bad:f")()


def test_a_module_younger_than_the_finders_listing_is_found(folder: Path) -> None:
    with pytest.raises(NotImportable):
        resolve("work_young:f")
    # The finder lists a folder anew when its time changed, which may be too coarse to tell.
    stat = folder.stat()
    (folder / "work_young.py").write_text("def f(): return 1")
    os.utime(folder, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert resolve("work_young:f")() == 1
