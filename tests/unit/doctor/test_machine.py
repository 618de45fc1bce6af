from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from taskd.doctor import machine
from taskd.doctor.finding import Verdict

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_this_python_is_recent_enough() -> None:
    (finding,) = machine.python()
    assert finding.verdict is Verdict.OK
    assert sys.executable in finding.message


def test_a_clock_that_was_never_set_is_a_problem() -> None:
    (finding,) = machine.clock(datetime(1970, 1, 1, tzinfo=UTC))
    assert finding.verdict is Verdict.PROBLEM
    assert "1970-01-01" in finding.message


def test_a_clock_is_kept_right_or_not_and_the_kernel_knows() -> None:
    (finding,) = machine.clock(NOW)
    expected = Verdict.OK if machine.is_synchronised() else Verdict.WARNING
    assert finding.verdict is expected
    assert bool(finding.fix) is (expected is Verdict.WARNING)


def zoneinfo(folder: Path, version: str = "") -> list[str]:
    (folder / "Europe").mkdir()
    if version:
        (folder / "tzdata.zi").write_text(f"# version {version}\nR d 1 2\n")
    return [str(folder)]


def test_the_version_of_the_zones_is_told(tmp_path: Path) -> None:
    rules, _ = machine.zones(NOW, {}, zoneinfo(tmp_path, "2026a"))
    assert rules.verdict is Verdict.OK
    assert "2026a" in rules.message


def test_old_zones_are_a_warning(tmp_path: Path) -> None:
    rules, _ = machine.zones(NOW, {}, zoneinfo(tmp_path, "2019c"))
    assert (rules.verdict, rules.fix) == (Verdict.WARNING, "apt install --only-upgrade tzdata")


def test_zones_without_a_version_are_no_worse(tmp_path: Path) -> None:
    rules, _ = machine.zones(NOW, {}, zoneinfo(tmp_path))
    assert rules.verdict is Verdict.OK


def test_without_zones_of_the_system_the_package_has_them(tmp_path: Path) -> None:
    rules, _ = machine.zones(NOW, {}, [str(tmp_path)])
    assert "the package tzdata" in rules.message


def test_a_rule_in_tz_names_no_zone() -> None:
    _, zone = machine.zones(NOW, {"TZ": "CET-1CEST"})
    assert zone.verdict is Verdict.WARNING
    assert "TZ=CET-1CEST names no zone" in zone.message


def test_a_zone_in_tz_is_one() -> None:
    _, zone = machine.zones(NOW, {"TZ": ":Asia/Tokyo"})
    assert zone.verdict is Verdict.OK


def test_changes_are_told_by_the_kernel(tmp_path: Path) -> None:
    (finding,) = machine.watching(tmp_path)
    assert finding.verdict is Verdict.OK


def test_without_a_descriptor_changes_are_polled(tmp_path: Path) -> None:
    # In a process of its own: a limit on descriptors is the process's.
    script = (
        "import os, resource\n"
        "from pathlib import Path\n"
        "from taskd.doctor import machine\n"
        "highest = os.open('/dev/null', os.O_RDONLY)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1,) * 2)\n"
        "(finding,) = machine.watching(Path('/'))\n"
        "print(finding.verdict, finding.fix)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout.startswith("warning sysctl fs.inotify.max_user_instances")
