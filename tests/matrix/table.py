"""The table of docs/executors.md: what each way to misbehave comes to, executor by executor."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from tests.matrix.badly import BAD

PAGE: Final = Path(__file__).parents[2] / "docs" / "executors.md"
EXECUTORS: Final = ("thread", "async", "process", "command")
HUNG: Final = ("sleep_in_c", "endless_loop")
FATAL: Final = ("os_exit", "segmentation_fault")
"""What ends its whole process: in a thread or on the event loop, the daemon."""
WITHIN: Final = ("thread", "async")
RETURNING: Final = ("result_not_picklable", "result_too_large", "exception_not_unpicklable")
"""What a command cannot meet: it has no objects to give."""
BEGIN: Final = "<!-- measured: make matrix -->\n"
END: Final = "<!-- end -->\n"
TITLES: Final = {
    "sys_exit": "`sys.exit(3)`",
    "keyboard_interrupt": "`KeyboardInterrupt`",
    "os_exit": "`os._exit(9)`",
    "segmentation_fault": "SIGSEGV",
    "deep_recursion": "deep recursion",
    "long_traceback": "a traceback of 10⁶ lines",
    "exception_not_unpicklable": "exception that cannot be unpickled",
    "exception_str_raises": "exception whose `__str__` raises",
    "result_not_picklable": "result that cannot be pickled",
    "result_too_large": "result of 17 MB",
    "much_output": "more output than `output_limit`",
    "binary_output": "binary output",
    "output_without_newline": "output without newline",
    "fork": "fork inside the job",
    "cwd_and_umask_changed": "changed cwd and umask",
    "signal_handlers_changed": "changed signal handlers",
    "threads_leaked": "leaked threads",
    "descriptors_leaked": "leaked descriptors",
    "stdin_read": "reads stdin",
    "sleep_in_c": "sleep in C, with a timeout",
    "endless_loop": "endless loop, with a timeout",
}
assert TITLES.keys() == BAD.keys()


def jobs(settings: str = "") -> str:
    """The jobs of all cells, and one that behaves, as jobs.toml."""
    here = json.dumps(str(Path(__file__).parent))
    text = f"[daemon]\nworkers = 32\npython_path = [{here}]\n{settings}\n"
    text += '[defaults]\non_crash = "fail"\n[jobs.other]\ncall = "os:getpid"\n'
    for name in BAD:
        for executor in executors_of(name):
            text += f"[jobs.{job(name, executor)}]\n{_call(name, executor)}"
            if name in HUNG:
                text += 'timeout = "1s"\nkill_grace = "300ms"\n'
    return text


def job(name: str, executor: str) -> str:
    return f"{name}-{executor}"


def executors_of(name: str) -> tuple[str, ...]:
    """The executors that can meet it."""
    return tuple(one for one in EXECUTORS if one != "command" or name not in RETURNING)


def _call(name: str, executor: str) -> str:
    if executor == "command":
        program = str(Path(__file__).with_name("badly.py"))
        return f"command = {json.dumps([sys.executable, program, name])}\n"
    prefix = "awaited_" if executor == "async" else ""
    return f'call = "badly:{prefix}{name}"\nexecutor = "{executor}"\n'


def cell(run: dict[str, Any], *, is_output_cut: bool) -> str:
    """What a run came to, in the words of the page."""
    attempt = run["attempts"][-1]
    words = [run["state"]]
    if run["abandoned"] and attempt["outcome"] is None:
        words.append("given up")
    elif attempt["outcome"] not in (None, "SUCCEEDED", "FAILED"):
        words.append(attempt["outcome"])
    elif run["error"] is not None:
        kind = run["error"]["type"].rpartition(".")[2]
        words.append(run["error"]["message"] if kind == "ProcessDied" else kind)
    if run["result_repr"]:
        is_cut = "characters left out" in run["result"]
        words.append("result cut" if is_cut else "result as its `repr`")
    elif run["result"] is not None:
        words.append(f"`{json.dumps(run['result'])}`")
    if is_output_cut:
        words.append("output cut")
    return ", ".join(words)


def row(name: str, cells: dict[str, str]) -> str:
    return f"| {TITLES[name]} | {' | '.join(cells.get(one, '') for one in EXECUTORS)} |\n"


def documented() -> dict[str, str]:
    """The rows of the page, by what they are of."""
    _, _, rest = PAGE.read_text().partition(BEGIN)
    lines = rest.partition(END)[0].splitlines(keepends=True)[2:]
    names = {title: name for name, title in TITLES.items()}
    return {names[line.split(" | ")[0].removeprefix("| ")]: line for line in lines}


def write(rows: list[str]) -> None:
    """Put the rows into the page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    head = f"| | {' | '.join(f'`{one}`' for one in EXECUTORS)} |\n|---|---|---|---|---|\n"
    PAGE.write_text(before + BEGIN + head + "".join(rows) + END + after)
