"""Each program of docs/library.md runs and prints what its comments say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = (Path(__file__).parents[2] / "docs" / "library.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_the_guide_prints_what_its_comments_say(program: str, tmp_path: Path) -> None:
    file = tmp_path / "test_guide.py"
    file.write_text(program)
    is_test = "def test_" in program
    runner = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if is_test else []
    ended = subprocess.run(
        [sys.executable, *runner, str(file)],
        check=False,
        cwd=tmp_path,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    if not is_test:
        printed = re.findall(r"print\(.*\)  # (.*)", program)
        assert printed
        assert ended.stdout.splitlines() == printed


def test_the_guide_is_read_in_one_sitting() -> None:
    assert len(PROGRAMS) == 7
    assert len(GUIDE.splitlines()) <= 240
