from __future__ import annotations

import sys
from pathlib import Path

import pytest

from taskd.doctor.finding import Finding, Verdict
from taskd.doctor.unit import Unit, installed, read_unit, unit

BODY = """\
[Unit]
Description=taskd

[Service]
ExecStart={start}
User={user}
StateDirectory=taskd
ProtectSystem={protect}
"""


def write(folder: Path, start: str, user: str = "root", protect: str = "strict") -> Path:
    path = folder / "taskd.service"
    path.write_text(BODY.format(start=start, user=user, protect=protect))
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.toml"
    path.touch()
    return path


def problems(found: Unit | None, config: Path, store: str) -> list[Finding]:
    return [f for f in unit(found, config, Path(store)) if f.verdict is Verdict.PROBLEM]


def test_no_unit_is_no_problem(tmp_path: Path) -> None:
    assert installed([tmp_path]) is None
    (finding,) = unit(None, None, tmp_path)
    assert finding.verdict is Verdict.OK


def test_the_first_place_has_the_unit_that_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    write(second, "/b run x")
    found = installed([first, second])
    assert found is not None
    assert found.path == second / "taskd.service"


def test_a_drop_in_adds_and_takes_back(tmp_path: Path) -> None:
    path = write(tmp_path, "/a run x")
    folder = tmp_path / "taskd.service.d"
    folder.mkdir()
    (folder / "10.conf").write_text("[Service]\nExecStart=\nExecStart=/b run \\\n y\n# User=no\n")
    found = read_unit(path)
    assert found.last("ExecStart").split() == ["/b", "run", "y"]
    assert found.file == Path("y")
    assert found.last("User") == "root"


@pytest.mark.parametrize(
    ("protect", "opened", "store", "is_closed"),
    [
        ("strict", "", "/var/lib/taskd/taskd.db", False),
        ("strict", "", "/srv/taskd.db", True),
        ("strict", "-/srv", "/srv/taskd.db", False),
        ("full", "", "/srv/taskd.db", False),
        ("full", "", "/etc/taskd/taskd.db", True),
        ("full", "/etc/taskd", "/etc/taskd/taskd.db", False),
        ("no", "", "/etc/taskd/taskd.db", False),
    ],
)
def test_a_store_that_the_sandbox_closes_is_a_problem(
    tmp_path: Path, config: Path, protect: str, opened: str, store: str, is_closed: bool
) -> None:
    path = write(tmp_path, f"{sys.executable} run {config}", protect=protect)
    with path.open("a") as file:
        file.write(f"ReadWritePaths={opened}\n")
    found = problems(read_unit(path), config, store)
    assert bool(found) is is_closed
    assert all("ReadWritePaths=" in finding.fix for finding in found)


def test_the_store_of_another_file_is_none_of_the_units_business(
    tmp_path: Path, config: Path
) -> None:
    path = write(tmp_path, f"{sys.executable} run {config}")
    assert problems(read_unit(path), tmp_path / "other.toml", "/srv/taskd.db") == []


@pytest.mark.parametrize(
    ("start", "user", "word"),
    [
        ("/nowhere/taskd run {config}", "root", "/nowhere/taskd, which is no program"),
        ("{python} run /nowhere/jobs.toml", "root", "/nowhere/jobs.toml, which is not there"),
        ("{python} run {config}", "no-such-user", "there is no user no-such-user"),
        ("", "root", "starts nothing"),
    ],
)
def test_what_keeps_a_unit_from_starting_is_a_problem(
    tmp_path: Path, config: Path, start: str, user: str, word: str
) -> None:
    path = write(tmp_path, start.format(config=config, python=sys.executable), user)
    (finding,) = problems(read_unit(path), config, "/var/lib/taskd/taskd.db")
    assert word in finding.message
    assert finding.fix
