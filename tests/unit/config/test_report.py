from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from taskd.config.report import problem_json, render
from taskd.errors import Problem
from taskd.terminal import masked

CRON = Problem(
    "jobs.toml",
    41,
    8,
    "jobs.nightly-report.cron",
    "hour 25 is outside 0-23",
    "hours are 0-23",
    'cron = "30 25 * * *"',
)


def source_and_caret(source: str, column: int) -> tuple[str, str]:
    lines = render(Problem("f", 1, column, "k", "m", source=source)).split("\n")
    return lines[1], lines[2]


def test_a_problem_is_shown_with_its_source_a_caret_and_a_hint() -> None:
    assert render(CRON).split("\n") == [
        "jobs.toml:41:8: jobs.nightly-report.cron: hour 25 is outside 0-23",
        '    cron = "30 25 * * *"',
        "           ^",
        "hint: hours are 0-23",
    ]


def test_a_problem_without_a_place_is_one_line() -> None:
    assert render(Problem("jobs.toml", 0, 0, "", "is not a file")) == "jobs.toml: is not a file"


def test_the_caret_follows_tabs_and_wide_characters() -> None:
    for source in ("\tcron = 1", "時刻 = 1", "e\u0301 = 1"):
        column = source.index("=") + 1
        shown, caret = source_and_caret(source, column)
        before = shown[: shown.index("=")]
        wide = sum(unicodedata.east_asian_width(character) == "W" for character in before)
        narrow = sum(unicodedata.combining(character) > 0 for character in before)
        assert len(caret) - 1 == len(before) + wide - narrow


def test_a_long_line_is_cut_around_the_caret() -> None:
    shown, caret = source_and_caret("a" * 1000 + "=" + "b" * 1000, 1001)
    assert len(shown) < 140
    assert shown[len(caret) - 1] == "="


@given(st.text(), st.text(), st.text(), st.text(), st.integers(1, 50))
def test_nothing_in_a_problem_can_control_a_terminal(
    key: str, message: str, hint: str, source: str, column: int
) -> None:
    shown = render(Problem("f", 1, column, key, message, hint, source))
    assert not any(
        unicodedata.category(character) in {"Cc", "Cf", "Cs"}
        for character in shown.replace("\n", "")
    )
    assert shown.count("\n") <= 3


def test_an_escape_sequence_is_shown_as_replacements() -> None:
    assert masked("\x1b[31mred\u202e\n") == "\ufffd[31mred\ufffd\ufffd"


def test_the_json_of_a_problem_has_the_promised_fields() -> None:
    assert problem_json(CRON) == {
        "file": "jobs.toml",
        "line": 41,
        "column": 8,
        "key": "jobs.nightly-report.cron",
        "message": "hour 25 is outside 0-23",
        "hint": "hours are 0-23",
    }
