from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taskd.config.probe import Fault, probe
from taskd.core.execution import Execution
from taskd.core.job import Call, Job, JobName

Look = Callable[..., list[Fault]]

SOUND = "def ping(): pass\n"


@pytest.fixture
def modules(tmp_path: Path) -> Callable[..., None]:
    """Writes modules, given as name = source, below python_path."""

    def write(**sources: str) -> None:
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)

    return write


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Probes jobs j0, j1, ... that call the targets, or the calls."""

    def look(*calls: str | Call, timeout_s: float = 30.0) -> list[Fault]:
        jobs = [
            Job(name=JobName(f"j{index}"), call=Call(call) if isinstance(call, str) else call)
            for index, call in enumerate(calls)
        ]
        return probe(jobs, [tmp_path], timeout_s=timeout_s)

    return look


def test_sound_callables_have_no_fault(modules: Callable[..., None], look: Look) -> None:
    modules(
        app="class Box:\n"
        "    def __init__(self, size=1): pass\n"
        "    @staticmethod\n"
        "    def open(lid, /, *rest, key): pass\n"
        "class Caller:\n"
        "    def __call__(self, x): pass\n"
        "caller = Caller()\n"
    )
    assert (
        look(
            "app:Box",
            Call("app:Box.open", (1, 2, 3), {"key": {"a": [None, 1.5, "é"]}}),
            Call("app:caller", (1,)),
            Call("math:hypot", (1, 2)),
            Call("builtins:min", (1, 2)),
            "local:name",
        )
        == []
    )


def test_nothing_is_imported_in_this_process(modules: Callable[..., None], look: Look) -> None:
    modules(only_in_the_child=SOUND)
    assert look("only_in_the_child:ping") == []
    assert "only_in_the_child" not in sys.modules


def test_no_jobs_have_no_faults(look: Look) -> None:
    assert look() == []


@pytest.mark.parametrize(
    ("call", "key", "message", "hint"),
    [
        ("nowhere.mod:f", "call", "there is no module nowhere", "python_path"),
        ("app.sub:f", "call", "there is no module app.sub", "python_path"),
        ("app:pign", "call", "app has no pign", "did you mean ping?"),
        ("app:ping.x", "call", "app has no ping.x", ""),
        ("app:number", "call", "app:number is not callable, but of type int", ""),
        ("wants:missing", "call", "importing wants raised ModuleNotFoundError", ""),
        ("raises:f", "call", "importing raises raised ValueError: no luck (", ""),
        ("broken:f", "call", "importing broken raised SyntaxError", ""),
        ("leaves:f", "call", "importing leaves raised SystemExit: 0", ""),
        ("interrupts:f", "call", "importing interrupts raised KeyboardInterrupt", ""),
        ("app:build", "call", "missing a required argument: 'region'", "(region, *, day=None)"),
        (Call("app:build", (1, 2)), "args", "too many positional arguments", "(region"),
        (Call("app:build", (1,), {"dya": 2}), "kwargs", "unexpected keyword argument 'dya'", ""),
        (Call("app:build", (), {"day": 2}), "kwargs", "missing a required argument", ""),
        (Call("app:pair", (1,)), "args", "missing a required argument: 'b'", "(a, b)"),
        (Call("app:build", (1,), {"region": 2}), "kwargs", "multiple values", ""),
        ("app:Odd.attribute", "call", "looking at app:Odd.attribute raised RuntimeError", ""),
    ],
)
def test_a_fault_names_its_job_and_what_is_wrong(
    modules: Callable[..., None],
    look: Look,
    call: str | Call,
    key: str,
    message: str,
    hint: str,
) -> None:
    modules(
        app=SOUND
        + "number = 3\n"
        + "async def later(): pass\n"
        + "class Caller:\n    async def __call__(self): pass\n"
        + "later_caller = Caller()\n"
        + "def build(region, *, day=None): pass\n"
        + "def pair(a, b): pass\n"
        + "class Meta(type):\n    @property\n    def attribute(cls): raise RuntimeError('odd')\n"
        + "class Odd(metaclass=Meta): pass\n",
        wants="import what_is_not_there\n",
        raises="raise ValueError('no luck')\n",
        broken="def f(:\n",
        leaves="raise SystemExit(0)\n",
        interrupts="raise KeyboardInterrupt\n",
    )
    (fault,) = look("app:ping", call, "app:ping")
    assert (fault.job, fault.key) == ("j1", key)
    assert message in fault.message
    assert hint in fault.hint


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os\nos._exit(0)", "ended the process with exit status 0"),
        ("import os\nos._exit(3)", "ended the process with exit status 3"),
        ("import os\nos.kill(os.getpid(), 9)", "killed the process with SIGKILL"),
        ("import os\nos.closerange(0, 100)", "ended the process with exit status 1"),
        ("import os\nos.fork()", "forks the process"),
        ("import threading\nthreading.Event().wait()", "took more than 1 s"),
        (
            "import os, threading\nif os.fork() == 0: threading.Event().wait()\nos._exit(4)",
            "ended the process with exit status 4",
        ),
    ],
)
def test_a_module_that_ends_the_process_is_named_and_the_rest_looked_at(
    modules: Callable[..., None], look: Look, source: str, message: str
) -> None:
    modules(bad=f"{source}\n{SOUND}", app=SOUND)
    faults = look("app:ping", "bad:ping", "app:nope", "bad:other", "app:ping", timeout_s=1.0)
    assert [fault.job for fault in faults] == ["j1", "j2", "j3"]
    assert message in faults[0].message
    assert faults[1].message == "app has no nope"
    assert message in faults[2].message


@pytest.mark.parametrize(
    "source",
    [
        "print('null\\n{}', flush=True)",
        "import os, sys\nos.write(1, b'x\\n')\nprint('y', file=sys.stderr)\nsys.stdout.close()",
        "import sys\nassert sys.stdin.read() == ''",
        "import sys\nsys.path.clear()",
        "import threading\nthreading.Thread(target=threading.Event().wait).start()",
        "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.chdir('/')",
        "import subprocess\nsubprocess.Popen(['sleep', '60'])",
        "import multiprocessing as m\nm.get_context('fork').Process(target=int).start()",
    ],
)
def test_what_a_module_may_do_on_import_is_survived(
    modules: Callable[..., None], look: Look, source: str
) -> None:
    modules(odd=f"{source}\n{SOUND}", app=SOUND)
    faults = look("odd:ping", "app:ping", "app:nope")
    assert [(fault.job, fault.message) for fault in faults] == [("j2", "app has no nope")]


def test_one_module_cannot_lend_its_path_to_another(
    modules: Callable[..., None], look: Look, tmp_path: Path
) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "treasure.py").write_text(SOUND)
    modules(lender=f"import sys\nsys.path.insert(0, {str(tmp_path / 'hidden')!r})\n{SOUND}")
    (fault,) = look("lender:ping", "treasure:ping")
    assert fault.message == "there is no module treasure"


def test_python_path_comes_first(modules: Callable[..., None], look: Look) -> None:
    modules(this="def found_first(): pass\n")
    assert look("this:found_first") == []


def test_a_huge_message_is_cut(modules: Callable[..., None], look: Look) -> None:
    modules(loud="raise ValueError('é' * 1_000_000)")
    (fault,) = look("loud:f")
    assert len(fault.message) <= 800


@pytest.mark.parametrize(
    ("executor", "target", "message"),
    [
        (None, "app:later", None),
        ("async", "app:later", None),
        ("async", "app:caller", None),
        ("async", "app:ping", 'app:ping is not async, and executor "async" is'),
        ("thread", "app:later", 'app:later is async, and executor "thread" is not'),
        ("process", "app:caller", 'app:caller is async, and executor "process" is not'),
        ("process", "app:ping", None),
    ],
)
def test_an_executor_that_cannot_call_it_is_a_fault(
    modules: Callable[..., None],
    tmp_path: Path,
    executor: str | None,
    target: str,
    message: str | None,
) -> None:
    modules(
        app=SOUND
        + "async def later(): pass\n"
        + "class Caller:\n    async def __call__(self): pass\n"
        + "caller = Caller()\n"
    )
    execution = Execution(executor=executor)
    faults = probe([Job(name=JobName("j"), call=Call(target), execution=execution)], [tmp_path])
    assert [(fault.key, fault.message) for fault in faults] == (
        [("executor", message)] if message else []
    )


def test_a_command_is_not_imported(tmp_path: Path) -> None:
    assert probe([Job(name=JobName("j"), call=Call.command("no-such-program"))], [tmp_path]) == []
