"""Completion in the shells themselves, with a daemon and without one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from taskd.cli.syntax import syntaxes
from tests.daemon.conftest import live as live
from tests.daemon.live import Live
from tests.machine import tool

BIN = Path(sys.executable).parent
JOBS = """
[jobs.nightly-report]
call = "work:ping"
cron = "@yearly"

[jobs.nightly-backup]
call = "work:ping"
cron = "@yearly"

[jobs.fails]
call = "work:fail"
cron = "@yearly"
"""


def run(socket: str, *command: str) -> str:
    surroundings = os.environ | {"TASKD_SOCKET": socket, "PATH": f"{BIN}:{os.environ['PATH']}"}
    ended = subprocess.run(
        command, env=surroundings, capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stderr == ""
    return ended.stdout


def bash(socket: str, *words: str) -> list[str]:
    """Return what bash offers in the place of the last word."""
    typed = shlex.join(["taskd", *words])
    program = (
        f". <(taskd completion bash); COMP_WORDS=({typed}); COMP_CWORD={len(words)}; _taskd; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return run(socket, "bash", "--norc", "-c", program).split()


def fish(socket: str, *words: str) -> list[str]:
    """Return what fish offers, without the descriptions."""
    tool("fish")
    typed = " ".join(["taskd", *words])
    program = f"taskd completion fish | source; complete -C {shlex.quote(typed)}"
    offered = run(socket, "fish", "--no-config", "-c", program)
    return [line.partition("\t")[0] for line in offered.splitlines()]


def test_bash_offers_verbs_flags_words_files_and_what_the_daemon_has(live: Live) -> None:
    live.start(JOBS)
    socket = str(live.socket)
    failed = live.client.trigger("fails")["id"]
    live.client.wait(failed)
    assert bash(socket, "st") == ["status", "stop"]
    assert bash(socket, "pause", "--") == [
        "--all",
        "--reason",
        "--until",
        "--json",
        "--curl",
        "--help",
    ]
    assert bash(socket, "runs", "--state", "FA") == ["FAILED"]
    assert bash(socket, "trigger", "nightly-") == ["nightly-backup", "nightly-report"]
    assert bash(socket, "retry", "--dead", "--job", "f") == ["fails"]
    assert bash(socket, "error", failed[:20]) == [failed]
    assert bash(socket, "result", failed[:20]) == []  # it has none
    assert bash(socket, "check", str(live.config)[:-3]) == [str(live.config)]
    assert bash(socket, "add", "") == []


def test_fish_offers_the_same(live: Live) -> None:
    live.start(JOBS)
    socket = str(live.socket)
    assert fish(socket, "st") == ["status", "stop"]
    assert fish(socket, "trigger", "nightly-") == ["nightly-backup", "nightly-report"]
    assert "FAILED" in fish(socket, "runs", "--state", "FA")


def test_without_a_daemon_there_are_no_names_and_not_a_word(tmp_path: Path) -> None:
    assert bash(str(tmp_path / "none"), "trigger", "") == []
    assert bash(str(tmp_path / "none"), "trigger", "--ar") == ["--arg"]


def test_zsh_takes_the_script(tmp_path: Path) -> None:
    tool("zsh")
    (tmp_path / "_taskd").write_text(run("", "taskd", "completion", "zsh"))
    run("", "zsh", "-f", "-n", str(tmp_path / "_taskd"))
    loaded = "autoload -U compinit && compinit -D && . $0 && print $_comps[taskd]"
    assert run("", "zsh", "-f", "-c", loaded, str(tmp_path / "_taskd")) == "_taskd\n"


def test_each_verb_and_flag_is_in_the_script_of_every_shell() -> None:
    for shell in ("bash", "zsh", "fish"):
        script = run("", "taskd", "completion", shell)
        for syntax in syntaxes():
            assert syntax.name in script
            for flag in syntax.flags:
                for name in flag.names:
                    assert name.lstrip("-") in script


def test_names_are_found_without_the_command_line(live: Live) -> None:
    live.start(JOBS)
    program = (
        "import sys; from taskd.completing import complete\n"
        "complete(['status', 'jobs']); print(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TASKD_SOCKET": str(live.socket)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ended.stdout == "fails\tjob\nnightly-backup\tjob\nnightly-report\tjob\n"
    loaded = {name.partition(".")[0] for name in ended.stderr.split()}
    assert not {"typer", "rich", "pydantic", "asyncio"} & loaded
    assert "taskd.cli" not in ended.stderr.split()
