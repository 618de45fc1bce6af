from __future__ import annotations

from pathlib import Path

import pytest

from taskd.config.system_zone import system_zone


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Africa/Lagos")
    return tmp_path


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Europe/Berlin", "Europe/Berlin"),
        ("/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
        (":/usr/share/zoneinfo/posix/Europe/Berlin", "Europe/Berlin"),
        ("", "UTC"),
    ],
)
def test_the_environment_comes_first(etc: Path, value: str, name: str) -> None:
    assert system_zone({"TZ": value}, etc) == name


@pytest.mark.parametrize("value", ["CET-1CEST,M3.5.0,M10.5.0/3", "/etc/passwd", "../x", "a\0b"])
def test_an_environment_that_names_no_zone_is_passed_over(etc: Path, value: str) -> None:
    assert system_zone({"TZ": value}, etc) == "Asia/Tokyo"


@pytest.mark.parametrize("content", [b"", b"Nowhere/Town", b"\xff\xfe"])
def test_a_timezone_file_that_names_no_zone_is_passed_over(etc: Path, content: bytes) -> None:
    (etc / "timezone").write_bytes(content)
    assert system_zone({}, etc) == "Africa/Lagos"


def test_a_system_that_names_no_zone_is_on_utc(tmp_path: Path) -> None:
    assert system_zone({}, tmp_path) == "UTC"
