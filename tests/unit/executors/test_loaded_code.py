"""LoadedCode: what was loaded stays known, and a change of the file is noticed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskd.core.job import Call
from taskd.executors.call import perform, resolve
from taskd.executors.loaded_code import LoadedCode
from tests.unit.executors.test_call import a_start

CALL = Call("work_loaded:f")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "work_loaded.py").write_text("def f(): return 1")
    yield tmp_path / "work_loaded.py"
    sys.modules.pop("work_loaded", None)


def test_a_module_that_is_not_loaded_has_not_changed(file: Path) -> None:
    code = LoadedCode()
    code.remember(CALL)
    file.write_text("def f(): return 2")
    assert code.changed(CALL) is None


def test_a_change_after_loading_is_noticed_and_taken_back_with_the_file(file: Path) -> None:
    code = LoadedCode()
    resolve(CALL.target)
    code.remember(CALL)
    assert code.changed(CALL) is None
    kept = file.rename(file.with_name("kept.py"))
    assert code.changed(CALL) == file
    file.write_text("def f(): return 1")
    code.remember(CALL)
    assert code.changed(CALL) == file, (
        "another file of the same text, and still not what was loaded"
    )
    kept.replace(file)
    assert code.changed(CALL) is None


def test_builtin_modules_have_no_file_to_change() -> None:
    code = LoadedCode()
    code.remember(Call("sys:exit"))
    assert code.changed(Call("sys:exit")) is None


def test_a_file_that_changes_during_the_first_run_is_noticed(file: Path) -> None:
    """It is looked at before the call: a long run must not hide the change."""
    file.write_text(
        "from pathlib import Path\ndef f(): Path(__file__).write_text('def f(): return 2')"
    )
    code = LoadedCode()
    perform(a_start(CALL), None, code)
    assert code.changed(CALL) == file
