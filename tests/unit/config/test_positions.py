from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskd.config.positions import KeyPath, Positions, Spot, dotted
from tests.unit.config.toml_documents import documents


def paths(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    items: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield (*path, key), item
        yield from paths(item, (*path, key))


def rest(text: str, spot: Spot | None) -> str:
    assert spot is not None
    lines = text.split("\n")[spot.line - 1 :]
    return "\n".join(lines)[spot.column - 1 :]


def key_at(text: str) -> str:
    match = re.match(r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'""", text)
    assert match is not None, text
    return next(iter(tomllib.loads(f"{match.group()} = 0")))


def begins_with(text: str, value: object) -> bool:
    for end in range(1, len(text) + 1):
        try:
            if tomllib.loads(f"x = {text[:end]}") == {"x": value}:
                return True
        except tomllib.TOMLDecodeError:
            continue
    return False


@given(documents())
def test_every_key_that_tomllib_finds_has_its_place(text: str) -> None:
    text = text.replace("\r\n", "\n")
    positions = Positions(text)
    for path, _ in paths(tomllib.loads(text)):
        spot = positions.key(path)
        assert spot is not None, path
        if isinstance(path[-1], str):
            assert key_at(rest(text, spot)) == path[-1]


@given(documents())
def test_every_scalar_that_tomllib_finds_stands_at_its_place(text: str) -> None:
    text = text.replace("\r\n", "\n")
    positions = Positions(text)
    for path, value in paths(tomllib.loads(text)):
        if not isinstance(value, dict | list):
            assert begins_with(rest(text, positions.value(path)), value), path


@given(documents())
def test_a_document_that_parses_repeats_no_key(text: str) -> None:
    assert Positions(text.replace("\r\n", "\n")).repeats() == []


@given(documents(), st.data())
def test_a_truncated_document_is_scanned_to_its_end(text: str, data: st.DataObject) -> None:
    Positions(text[: data.draw(st.integers(0, len(text)))])


@given(st.text("[]{}=.,'\"\\#\n \tab1-", max_size=60))
def test_text_that_is_not_toml_is_survived(text: str) -> None:
    Positions(text)


DOCUMENT = """\
top = 1
[jobs.a]
call  = "x:y"
args = [1,
  { b = "two" }, [ 3 ]]
retry.max = 2
[[item]]
[item.sub]
x = 1
[[item]]
[item.sub]
"x y" = 2026-12-24 18:00:00
"""


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("top",), (1, 1), (1, 7)),
        (("jobs",), (2, 2), (2, 2)),
        (("jobs", "a"), (2, 7), (2, 7)),
        (("jobs", "a", "call"), (3, 1), (3, 9)),
        (("jobs", "a", "args"), (4, 1), (4, 8)),
        (("jobs", "a", "args", 0), (4, 9), (4, 9)),
        (("jobs", "a", "args", 1, "b"), (5, 5), (5, 9)),
        (("jobs", "a", "args", 2, 0), (5, 20), (5, 20)),
        (("jobs", "a", "retry"), (6, 1), (6, 1)),
        (("jobs", "a", "retry", "max"), (6, 7), (6, 13)),
        (("item", 0), (7, 3), (7, 3)),
        (("item", 0, "sub", "x"), (9, 1), (9, 5)),
        (("item", 1, "sub"), (11, 7), (11, 7)),
        (("item", 1, "sub", "x y"), (12, 1), (12, 9)),
    ],
)
def test_keys_and_values_are_placed_by_line_and_column(
    path: KeyPath, key: tuple[int, int], value: tuple[int, int]
) -> None:
    positions = Positions(DOCUMENT)
    assert (positions.key(path), positions.value(path)) == (key, value)


def test_a_path_that_is_not_there_has_no_place() -> None:
    assert Positions(DOCUMENT).key(("jobs", "b")) is None
    assert Positions(DOCUMENT).value(("item", 2)) is None


@pytest.mark.parametrize(
    ("text", "path"),
    [("a = 1\na = 2", ("a",)), ("[a]\n[a]", ("a",)), ("[x]\nb.c = 1\nb.c = 2", ("x", "b", "c"))],
)
def test_a_key_that_is_defined_twice_is_told_with_both_places(text: str, path: KeyPath) -> None:
    (repeat,) = Positions(text).repeats()
    assert repeat.path == path
    assert repeat.second.line == repeat.first.line + 1


def test_nesting_beyond_the_interpreters_limit_keeps_what_came_before() -> None:
    positions = Positions("a = 1\nb = " + "[" * 100_000)
    assert positions.value(("a",)) == (1, 5)


def test_a_path_is_written_as_toml_would_need_it() -> None:
    assert dotted(("jobs", "a b", "args", 0, "x")) == 'jobs."a b".args[0].x'
