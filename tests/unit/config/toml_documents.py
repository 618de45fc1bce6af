"""Hypothesis strategies for TOML documents, written in all the ways that TOML has."""

from __future__ import annotations

import json
import re
from datetime import date, datetime

import tomli_w
from hypothesis import strategies as st

Table = dict[str, object]

# json.dumps escapes as TOML does, save for DEL and what lies beyond the first 65,536 characters.
letters = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"], exclude_characters="\x7f")
keys = st.one_of(
    st.sampled_from(["a", "b", "jobs", "1-2", "x.y", ""]), st.text(letters, max_size=4)
)
scalars: st.SearchStrategy[object] = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(letters, max_size=8),
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)).map(
        lambda t: t.replace(microsecond=0)
    ),
    st.dates(date(1990, 1, 1), date(2030, 1, 1)),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=12,
)
tables: st.SearchStrategy[Table] = st.dictionaries(keys, values, max_size=4)
blanks = st.sampled_from(["", " ", "\n", " # ] } = 'x\n\t", "\r\n"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """The text of a TOML document."""
    table = draw(tables)
    if draw(st.booleans()):
        return tomli_w.dumps(table)
    return _body(draw, (), table)


def _body(draw: st.DrawFn, path: tuple[str, ...], table: Table) -> str:
    """`table` below its header: first the pairs, then what has a header of its own."""
    pairs, headed = "", ""
    for key, value in table.items():
        style = draw(st.sampled_from(["inline", "header", "dotted"]))
        inner = (*path, key)
        if isinstance(value, dict) and style == "header":
            headed += f"[ {_key(draw, inner)} ]{draw(blanks)}\n{_body(draw, inner, value)}"
        elif isinstance(value, list) and value and style == "header" and _all_tables(value):
            for item in value:
                headed += f"[[{_key(draw, inner)}]]\n{_body(draw, inner, item)}"
        elif isinstance(value, dict) and value and style == "dotted":
            for part, leaf in value.items():
                pairs += f"{_key(draw, (key, part))} = {_value(draw, leaf)}\n{draw(blanks)}"
        else:
            pairs += f"{_key(draw, (key,))}= {_value(draw, value)} # end\n"
    return pairs + headed


def _all_tables(value: list[object]) -> bool:
    return all(isinstance(item, dict) for item in value)


def _key(draw: st.DrawFn, path: tuple[str, ...]) -> str:
    return draw(st.sampled_from([".", " . "])).join(_key_part(draw, part) for part in path)


def _key_part(draw: st.DrawFn, key: str) -> str:
    styles = [json.dumps(key)]
    if re.fullmatch("[A-Za-z0-9_-]+", key):
        styles.append(key)
    if key.isprintable() and "'" not in key:
        styles.append(f"'{key}'")
    return draw(st.sampled_from(styles))


def _value(draw: st.DrawFn, value: object) -> str:
    match value:
        case str():
            quoted = json.dumps(value)
            return draw(st.sampled_from([quoted, f'""{quoted}""', f'""{quoted[:-1]}\\"""""']))
        case list():
            return "[" + ",".join(_spaced(draw, _value(draw, item)) for item in value) + "]"
        case dict():
            pairs = (f"{_key(draw, (key,))} = {_value(draw, item)}" for key, item in value.items())
            return "{ " + ", ".join(pairs) + " }"
        case _:
            return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _spaced(draw: st.DrawFn, text: str) -> str:
    return draw(blanks) + text + draw(blanks)
