"""The wheel, installed where no checkout is, for each Python that is found.

The oldest and the newest each time; those between them are a long campaign.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.11", pytest.param("3.12", marks=pytest.mark.long), "3.13")

# Below the prefix of the environment.
DATA = {
    "share/man/man1/taskd.1",
    "share/man/man5/taskd.toml.5",
    "share/man/man7/taskd-api.7",
    "share/man/man8/taskd.8",
    "share/bash-completion/completions/taskd",
    "share/zsh/site-functions/_taskd",
    "share/fish/vendor_completions.d/taskd.fish",
    "share/taskd/jobs.schema.json",
    "share/doc/taskd/examples/jobs.toml",
    "share/doc/taskd/examples/chores.py",
    "lib/systemd/system/taskd.service",
    "lib/systemd/system/taskd.socket",
    "lib/systemd/user/taskd.service",
    "lib/sysusers.d/taskd.conf",
    "lib/tmpfiles.d/taskd.conf",
}
# Rules of the core and the library; the rest is the same code on each version.
TESTS = (
    "tests/unit/core",
    "tests/unit/test_task.py",
    "tests/unit/test_scheduler.py",
    "tests/unit/test_scheduler_life.py",
    "tests/unit/test_testing.py",
)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build wheel and sdist."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return folder


def the(dist: Path, suffix: str) -> Path:
    (found,) = dist.glob(f"taskd-*{suffix}")
    return found


def interpreter(version: str) -> str | None:
    """Return a Python of that version: on the path, or one that pyenv keeps."""
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = sorted(home.glob(f"{version}.*/bin/python{version}"))
    for candidate in (shutil.which(f"python{version}"), *map(str, kept)):
        if (
            candidate
            and subprocess.run([candidate, "-c", ""], check=False, capture_output=True).returncode
            == 0
        ):
            return candidate
    return None


class Installed(NamedTuple):
    """An environment that has the wheel, in a folder of its own."""

    folder: Path
    prefix: Path

    def run(self, *command: str | Path) -> str:
        """Run a program of the environment outside of the checkout; return what it prints."""
        ended = subprocess.run(
            [str(self.prefix / "bin" / command[0]), *map(str, command[1:])],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, (command, ended.stdout[-4000:], ended.stderr)
        return ended.stdout

    @property
    def environ(self) -> dict[str, str]:
        """No word of the checkout, and a home of its own."""
        kept = {key: os.environ[key] for key in os.environ if not key.startswith("PYTHON")}
        own = {"HOME": str(self.folder), "TASKD_SOCKET": str(self.folder / "s")}
        return kept | own | {"XDG_STATE_HOME": str(self.folder / "state")}


@pytest.fixture(scope="module", params=VERSIONS)
def installed(
    request: pytest.FixtureRequest, dist: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"there is no Python {request.param} here")
    folder = tmp_path_factory.mktemp("outside")
    prefix = folder / "venv"
    subprocess.run([found, "-m", "venv", prefix], check=True)
    pip = [str(prefix / "bin/python"), "-m", "pip", "install", "--quiet", "--no-compile"]
    needs = ["pytest", "pytest-timeout", "hypothesis"]
    subprocess.run([*pip, str(the(dist, ".whl")), *needs], check=True, cwd=folder)
    yield Installed(folder, prefix)
    shutil.rmtree(folder)


def test_the_wheel_has_pages_units_schema_and_examples_in_their_places(dist: Path) -> None:
    with zipfile.ZipFile(the(dist, ".whl")) as wheel:
        names = wheel.namelist()
    assert {name.partition(".data/data/")[2] for name in names} >= DATA
    packages = {name.split("/")[0] for name in names if "-" not in name.split("/")[0]}
    assert packages == {"taskd"}


def test_the_sdist_has_all_that_builds_and_tests_it(dist: Path) -> None:
    with tarfile.open(the(dist, ".tar.gz")) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert names >= {"pyproject.toml", "Makefile", "README.md", "LICENSE", "CHANGELOG.md"}
    assert names >= {"man/generate.py", "man/taskd.1.in", "docs/api.md", "tests/unit/test_house.py"}


@pytest.mark.timeout(300)
def test_it_works_outside_the_checkout(installed: Installed) -> None:
    where = installed.run("python", "-c", "import taskd; print(taskd.__file__)")
    assert where.startswith(str(installed.prefix))
    installed.run("taskd", "init", "demo")
    installed.run("taskd", "check", "demo/jobs.toml")
    with subprocess.Popen(
        [installed.prefix / "bin/taskd", "run", "demo/jobs.toml"],
        cwd=installed.folder,
        env=installed.environ,
        stderr=subprocess.PIPE,
        text=True,
    ) as daemon:
        assert daemon.stderr is not None
        assert "is ready" in daemon.stderr.readline()
        assert "SUCCEEDED" in daemon.stderr.readline()
        assert installed.run("taskd", "status")
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=60)
    assert daemon.returncode == 0
    assert all((installed.prefix / name).exists() for name in DATA)


@pytest.mark.timeout(600)
def test_the_core_and_the_library_keep_their_rules(installed: Installed) -> None:
    if installed.run("python", "-c", "import sys; print(sys.version)") == f"{sys.version}\n":
        pytest.skip("the suite itself runs on this Python")
    shutil.copytree(ROOT / "tests", installed.folder / "tests")
    shutil.copy(ROOT / "pyproject.toml", installed.folder)
    told = installed.run("python", "-m", "pytest", "-q", "-x", "-m", "not long", *TESTS)
    assert " passed" in told
