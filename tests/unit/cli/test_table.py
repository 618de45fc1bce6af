from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.cli.table import Column, cells, cut, fitted_lines, plain_lines

COLUMNS = (
    Column("JOB", flexible=True),
    Column("STATE", state=True),
    Column("CALL", wide=2, flexible=True),
    Column("SOURCE", wide=1),
    Column("WHAT", wide=3, flexible=True, cut=True),
)
ROW = ("nightly-report", "FAILED", "app.reports:build_the_report_of_the_night", "file", "why " * 20)


def fitted(width: int, *rows: tuple[str, ...], colour: bool = False) -> list[str]:
    lines = fitted_lines(COLUMNS, rows, width, colour=colour)
    return [line if colour else re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]


def test_in_a_pipe_every_column_is_whole_and_an_empty_cell_is_a_dash() -> None:
    assert list(plain_lines(COLUMNS, [("a", "", "m:f", "cli", "x")])) == [
        "JOB  STATE  CALL  SOURCE  WHAT",
        "a    -      m:f   cli     x",
    ]


def test_wide_columns_come_as_there_is_room_for_them() -> None:
    assert fitted(24, ROW)[0] == "JOB             STATE"
    assert fitted(40, ROW)[0] == "JOB             STATE   SOURCE"
    assert fitted(60, ROW)[0].split() == ["JOB", "STATE", "CALL", "SOURCE"]
    assert fitted(200, ROW)[0].split() == ["JOB", "STATE", "CALL", "SOURCE", "WHAT"]


def test_what_does_not_fit_is_folded_at_a_blank_or_cut_short() -> None:
    lines = list(fitted_lines([Column("A", flexible=True)], [["every 15s align"]], 10))
    assert lines[1:] == ["every 15s", "align"]
    cut_one = list(fitted_lines([Column("A", flexible=True, cut=True)], [["every 15s align"]], 10))
    assert cut_one[1:] == ["every 15s…"]
    assert cut("every 15s", 8, "...") == "every..."


def test_a_note_is_told_below_its_row_where_the_last_column_has_no_room() -> None:
    columns = (Column("RUN"), Column("WHAT", wide=1, flexible=True, cut=True))
    rows = [("a" * 36, "boom " * 20), ("b" * 36, "")]
    notes = [what for _, what in rows]
    narrow = list(fitted_lines(columns, rows, 50, notes=notes))
    assert narrow[1:] == ["a" * 36, "  " + "boom " * 9 + "bo…", "b" * 36]
    wide = list(fitted_lines(columns, rows, 80, notes=notes))
    assert [line[:36] for line in wide[1:]] == ["a" * 36, "b" * 36]


def test_only_a_state_has_colour() -> None:
    sent = "\n".join(fitted(80, ("FAILED", "FAILED", "DEAD", "file", "DEAD"), colour=True))
    assert re.findall(r"\x1b\[[0-9;]*31m(\w+)", sent) == ["FAILED"]


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("表示", 4), ("e\u0301", 1), ("é", 1)])
def test_wide_characters_take_two_cells_and_accents_none(text: str, width: int) -> None:
    assert cells(text) == width


@given(
    st.lists(st.tuples(*[st.text("ab 表e\u0301", max_size=40)] * len(COLUMNS)), max_size=4),
    st.integers(60, 250),
)
def test_no_line_is_wider_than_the_terminal_and_nothing_but_blanks_is_lost(
    rows: list[tuple[str, ...]], width: int
) -> None:
    lines = fitted(width, *rows)
    assert max(map(cells, lines)) <= width
    together = "".join(lines)
    for row in rows:
        for character in set(row[0]) - {" "}:
            assert character in together
