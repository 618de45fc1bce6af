from __future__ import annotations

from taskd.cli.page import Page

LINES = [f"line {n}" for n in range(100)]


def shown(page: Page, height: int = 6) -> list[str]:
    return [line.plain for line in page.drawn(20, height)[1:-1]]


def test_a_page_shows_the_end_of_its_text() -> None:
    page = Page("output", "\n".join(LINES))
    assert shown(page) == ["line 96", "line 97", "line 98", "line 99"]
    page.follow("\n".join([*LINES, "line 100"]))
    assert shown(page)[-1] == "line 100"


def test_who_has_scrolled_back_stays_there_while_the_text_grows() -> None:
    page = Page("output", "\n".join(LINES))
    page.scroll(10)
    assert shown(page)[-1] == "line 89"
    page.follow("\n".join([*LINES, "line 100"]))
    assert shown(page)[-1] == "line 89"
    page.scroll(-100)
    assert shown(page)[-1] == "line 100"


def test_there_is_nothing_before_the_first_line() -> None:
    page = Page("output", "\n".join(LINES))
    page.scroll(1000)
    assert shown(page)[0] == "line 0"
    short = Page("output", "one\ntwo")
    short.scroll(5)
    assert shown(short)[:2] == ["one", "two"]


def test_a_text_drives_no_terminal_and_long_lines_are_cut() -> None:
    page = Page("a\x1b]0;x\x07", f"[red]\u202e\x1b[2J\tend\n{'x' * 50}")
    lines = [line.plain for line in page.drawn(30, 6)]
    assert lines[0] == r"a\x1b]0;x\x07"
    assert lines[1].startswith(r"[red]\u202e\x1b[2J")
    assert lines[2] == "x" * 29 + "…"
