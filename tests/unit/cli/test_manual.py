"""The page taskd(1) is made from the verbs, and the verbs have what it needs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from taskd.cli.app import app

ROOT = Path(__file__).parents[3]
GROUP: Any = typer.main.get_command(app)


def test_the_pages_are_made_from_the_sources_of_today() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "man/generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert made.returncode == 0, f"run: make man\n{made.stdout}{made.stderr}"


@pytest.mark.parametrize("verb", sorted(GROUP.commands))
def test_every_verb_and_each_of_its_flags_has_a_help(verb: str) -> None:
    command = GROUP.commands[verb]
    assert command.help
    assert re.search(rf"^Example: .*\btaskd {verb}\b", command.epilog, re.M)
    options = [param for param in command.params if param.param_type_name == "option"]
    assert [option.opts for option in options if not option.help] == []


@pytest.mark.parametrize("verb", sorted(GROUP.commands))
def test_a_help_shows_no_types_of_python_and_its_example_in_one_line(verb: str) -> None:
    shown = CliRunner().invoke(app, [verb, "--help"], terminal_width=80, prog_name="taskd").stdout
    assert re.findall(r"<(?:str|int|path|list)\b[^>]*>", shown) == []
    assert f"\n  {GROUP.commands[verb].epilog}\n" in shown
    assert [line for line in shown.splitlines() if len(line) > 80 and "Example" not in line] == []
