from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from taskd.config.keys import DAEMON_KEYS, DAEMON_SYNONYMS
from taskd.config.settings import Durability, Reload, Settings, settings_from_table


def test_an_empty_table_is_the_documented_defaults(tmp_path: Path) -> None:
    settings, include, flaws = settings_from_table({}, tmp_path)
    assert settings == Settings(
        store=None,
        durability=Durability.FULL,
        timezone=None,
        workers=8,
        python_path=(tmp_path,),
        shutdown_grace=timedelta(seconds=30),
        reload=Reload.AUTO,
    )
    assert (include, flaws) == ((), [])


def test_every_key_reaches_the_settings(tmp_path: Path) -> None:
    table: dict[str, object] = {
        "store": "sqlite:///x.db",
        "durability": "normal",
        "timezone": "Asia/Tokyo",
        "workers": 1000,
        "python_path": ["src", "/opt/app"],
        "shutdown_grace": "1m",
        "include": ["conf.d/*.toml"],
        "reload": "signal",
    }
    assert table.keys() == DAEMON_KEYS
    settings, include, flaws = settings_from_table(table, tmp_path)
    assert flaws == []
    assert include == ("conf.d/*.toml",)
    assert settings == Settings(
        store="sqlite:///x.db",
        durability=Durability.NORMAL,
        timezone="Asia/Tokyo",
        workers=1000,
        python_path=(tmp_path / "src", Path("/opt/app")),
        shutdown_grace=timedelta(minutes=1),
        reload=Reload.SIGNAL,
    )


def test_a_relative_directory_is_made_absolute() -> None:
    settings, _, _ = settings_from_table({}, Path("conf"))
    assert settings.python_path == (Path("conf").absolute(),)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("store", 1, "expected text"),
        ("store", "mysql://x", 'expected "sqlite:///path"'),
        ("store", "postgresql://host/db", "not supported by this version"),
        ("durability", "fast", 'expected "full" or "normal", found "fast"'),
        ("durability", True, "found true"),
        ("timezone", "Mars", "is not a time zone"),
        ("timezone", 1, "expected text, found 1"),
        ("workers", 0, "expected at least 1, found 0"),
        ("workers", 1001, "expected at most 1000"),
        ("workers", "8", "expected a whole number"),
        ("workers", 8.0, "expected a whole number, found 8.0"),
        ("workers", True, "expected a whole number, found true"),
        pytest.param("workers", 16**6000, "found a huge number", id="huge"),
        ("python_path", ".", "expected a list"),
        ("shutdown_grace", 30, "a time needs a unit"),
        ("include", "x.toml", "expected a list"),
        ("reload", "never", 'expected "auto", "signal" or "off"'),
    ],
)
def test_a_wrong_value_is_refused(key: str, value: object, message: str) -> None:
    _, _, (flaw,) = settings_from_table({key: value}, Path())
    assert flaw.path == (key,)
    assert message in flaw.message


@pytest.mark.parametrize("key", ["python_path", "include"])
@pytest.mark.parametrize("value", ["", "a\0b", 1])
def test_a_wrong_path_is_refused_by_its_place_in_the_list(key: str, value: object) -> None:
    _, _, (flaw,) = settings_from_table({key: ["ok", value]}, Path())
    assert flaw.path == (key, 1)


def test_what_is_right_is_kept_beside_what_is_wrong() -> None:
    settings, _, flaws = settings_from_table({"workers": 0, "timezone": "UTC"}, Path())
    assert (settings.workers, settings.timezone, len(flaws)) == (8, "UTC", 1)


@pytest.mark.parametrize(
    ("key", "hint"),
    [("workres", "did you mean workers?"), ("tz", "the key is timezone"), ("zzz", "")],
)
def test_an_unknown_key_is_told_the_one_that_was_meant(key: str, hint: str) -> None:
    _, _, (flaw,) = settings_from_table({key: 1}, Path())
    assert (flaw.path, flaw.hint, flaw.at_key) == ((key,), hint, True)


def test_no_synonym_is_a_key_itself() -> None:
    assert not DAEMON_SYNONYMS.keys() & DAEMON_KEYS
