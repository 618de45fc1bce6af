"""What the documents say is what the software does."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from taskd.routes import ROUTES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TASKD = [sys.executable, "-m", "taskd"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.S | re.M)


def test_the_readmes_program_prints_what_it_says() -> None:
    (program,) = blocks("python")
    said = re.findall(r"print\(.*?\)\s+# (.*)$", program, re.M)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout.splitlines() == said


def test_the_readmes_commands_work_as_printed() -> None:
    commands = [
        shlex.split(line, comments=True)
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith(".venv/bin/taskd ")
    ]
    assert len(commands) >= 6
    with tempfile.TemporaryDirectory(prefix="taskd-") as folder:
        socket = ["--socket", f"{folder}/s", "--store", f"sqlite:///{folder}/t.db"]
        daemon = subprocess.Popen(
            [*TASKD, "run", "examples/jobs.toml", *socket],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert daemon.stderr is not None
        assert "8 jobs" in daemon.stderr.readline()
        environ = os.environ | {"TASKD_SOCKET": f"{folder}/s"}
        for command in commands:
            ended = subprocess.run(
                [*TASKD, *command[1:]],
                cwd=ROOT,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert ended.returncode == 0, (command, ended.stderr)
            assert ended.stdout
        daemon.terminate()
        daemon.communicate(timeout=60)
        assert daemon.returncode == 0


def test_the_readmes_broken_file_is_reported_as_printed(tmp_path: Path) -> None:
    text = (ROOT / "examples/jobs.toml").read_text()
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples/jobs.toml").write_text(text.replace('"30 2 * *', '"30 25 * *'))
    (tmp_path / "examples/chores.py").write_bytes((ROOT / "examples/chores.py").read_bytes())
    ended = subprocess.run(
        [*TASKD, "check", "examples/jobs.toml"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 78
    assert f"```\n{ended.stdout}```" in README


def test_every_route_is_documented() -> None:
    document = (ROOT / "docs/api.md").read_text()
    for method, path, *_ in ROUTES:
        words = path.replace("/v1/runs/{name}", "/v1/runs/ID").replace("{name}", "NAME")
        assert f"`{method} {words}`" in document, path


def test_every_test_that_the_page_of_failures_names_is_there() -> None:
    page = (ROOT / "docs/failures.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert page.count("tests/") == len(named) >= 20
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(), (file, test)
