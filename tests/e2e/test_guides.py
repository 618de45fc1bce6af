"""Every file, command and program of the guides works, in the order in which they are read."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskd.config.load import load
from tests.e2e.shell import Shell

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OTHERS = {"api", "library", "performance", "time"}  # with tests of their own, or hours to run
GUIDES = sorted(page for page in DOCS.glob("*.md") if page.stem not in OTHERS)
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md"]
TO_BE_READ = {"", "ini", "json"}  # languages of blocks that are no program of ours


class Reader:
    """Somebody who does what a guide says."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.daemon: subprocess.Popen[str] | None = None

    def follow(self, language: str, text: str) -> None:
        """Do what a block says: write the file that it names, or run it."""
        named = re.match(r"# ([\w.-]+\.(?:py|toml))\n", text)
        match language:
            case "python" | "toml" if named:
                (self.shell.folder / named[1]).write_text(text)
            case "crontab":
                (self.shell.folder / "crontab").write_text(text)
            case "toml":
                snippet = self.shell.folder / "snippet.toml"
                snippet.write_text(text)
                assert load(snippet).jobs
            case "python" if "def test_" in text:
                (self.shell.folder / "test_guide.py").write_text(text)
                assert " passed" in self.shell.run(f"{sys.executable} -m pytest -q test_guide.py")
            case "python":
                (self.shell.folder / "program.py").write_text(text)
                printed = re.findall(r"print\(.*\)  # (.*)", text)
                assert self.shell.run(f"{sys.executable} program.py").splitlines() == printed
            case "sh" if text.startswith("taskd run "):
                assert self.daemon is None
                self.daemon = self.shell.serve(f"exec {text}")
            case "sh":
                told = self.shell.run(f"{text}\npwd")
                self.shell.folder = Path(told.splitlines()[-1])
            case _:
                assert language in TO_BE_READ

    def leave(self) -> None:
        """End the daemon that was started on the way."""
        if self.daemon is not None:
            assert self.shell.interrupt(self.daemon) == 0


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.S | re.M)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(Shell(tmp_path))
    yield reader
    reader.leave()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_works_as_it_is_written(reader: Reader, guide: Path) -> None:
    if guide.stem == "upgrading":  # where taskd has run before
        reader.follow("sh", "taskd init .")
        reader.follow("sh", "taskd run jobs.toml")
    for language, text in blocks(guide):
        reader.follow(language, text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not link.startswith(("http:", "https:", "performance/")):  # pictures that a bench draws
            assert (page.parent / link).exists(), link


def test_the_index_names_every_document() -> None:
    index = (DOCS / "README.md").read_text()
    named = set(re.findall(r"\]\(([\w-]+\.md)", index))
    assert named == {page.name for page in DOCS.glob("*.md")} - {"README.md"}
