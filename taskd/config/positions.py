"""Positions: where each key path of a TOML document stands in its text.

tomllib parses and forgets where it found things; this scanner only finds. It trusts that the text
is TOML, so it is short, and it stops quietly where the text is not.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final, NamedTuple

KeyPath = tuple[str | int, ...]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_SPACE: Final = re.compile(r"[ \t]*")
_BLANK: Final = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'",
    re.DOTALL,
)
# A date and its time may be parted by a space, the one blank inside a scalar that is not a string.
_SCALAR: Final = re.compile(r"(?:\d{4}-\d\d-\d\d (?=\d\d:))?[^\s,\]}#]+")


class Spot(NamedTuple):
    """A place in a text; `line` and `column` count from 1, columns in characters."""

    line: int
    column: int


class Repeat(NamedTuple):
    """A key path that is defined a second time, which TOML forbids."""

    path: KeyPath
    first: Spot
    second: Spot


class Positions:
    """The places of all key paths of the TOML document `text`, whose lines end in ``\\n``.

    An element of an array is at its index; the tables of ``[[name]]`` are elements of `name`.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._scan = _Scan(text)
        self._scan.run()

    def key(self, path: KeyPath) -> Spot | None:
        """Where the last key of `path` is first written, or None where `path` is not there."""
        node = self._node(path)
        return self._at(node.key) if node else None

    def value(self, path: KeyPath) -> Spot | None:
        """Where the value of `path` begins: for a table with a header, at its key in the header."""
        node = self._node(path)
        return self._at(node.value) if node else None

    def repeats(self) -> list[Repeat]:
        """The key paths that are defined more than once, in the order of the text."""
        return [
            Repeat(node.path(), self._at(node.key), self._at(offset))
            for node, offset in self._scan.repeated
        ]

    def _node(self, path: KeyPath) -> _Node | None:
        node: _Node | None = self._scan.root
        for part in path:
            node = node.children.get(part) if node else None
        return node

    def _at(self, offset: int) -> Spot:
        line = bisect_right(self._starts, offset)
        return Spot(line, offset - self._starts[line - 1] + 1)


def dotted(path: KeyPath) -> str:
    """`path` as a person writes it: ``jobs.backup.args[0]``, with quotes where TOML needs them."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else f'"{part}"'
            text += f".{name}" if text else name
    return text


@dataclass(slots=True, eq=False)
class _Node:
    """A key, or an element of an array, with the offsets of its key and of its value.

    A tree, since whole paths as keys would cost the square of the depth of a hostile document.
    """

    name: str | int
    key: int
    value: int
    parent: _Node | None = None
    children: dict[str | int, _Node] = field(default_factory=dict)
    is_defined: bool = False
    holds_tables: bool = False

    def child(self, name: str | int, offset: int) -> _Node:
        """The child called `name`, which is at `offset` if it is new: the first mention stays."""
        if name not in self.children:
            self.children[name] = _Node(name, offset, offset, self)
        return self.children[name]

    def path(self) -> KeyPath:
        """The names from the root, which has none, to here."""
        names: list[str | int] = []
        node = self
        while node.parent:
            names.append(node.name)
            node = node.parent
        return tuple(reversed(names))


class _Scan:
    """One pass over a text, which grows the tree of its keys."""

    def __init__(self, text: str) -> None:
        self.root = _Node("", 0, 0)
        self.repeated: list[tuple[_Node, int]] = []
        self._text = text
        self._at = 0

    def run(self) -> None:
        """Note every key up to the end of the text, or to where it stops being TOML."""
        table = self.root
        try:
            while self._skip(_BLANK) < len(self._text):
                if self._take("["):
                    table = self._header(is_array=self._take("["))
                elif not self._pair(table):
                    return
        except RecursionError:
            return  # tomllib refuses such nesting too: what was found so far is all there is

    def _header(self, *, is_array: bool) -> _Node:
        node = self.root
        parts = self._key_parts()
        for depth, (part, offset) in enumerate(parts, start=1):
            node = node.child(part, offset)
            if is_array and depth == len(parts):
                node.holds_tables = True
                node = node.child(len(node.children), offset)
            elif node.holds_tables:
                node = node.children[len(node.children) - 1]
            elif depth == len(parts):
                self._define(node, offset)
        self._take("]")
        self._take("]")
        return node

    def _pair(self, table: _Node) -> bool:
        """Scan ``key = value``; false where there is none."""
        node = table
        parts = self._key_parts()
        for part, offset in parts:
            node = node.child(part, offset)
        self._skip(_SPACE)
        if not parts or not self._take("="):
            return False
        self._define(node, parts[-1][1])
        self._skip(_SPACE)
        node.value = self._at
        return self._value(node)

    def _value(self, node: _Node) -> bool:
        """Scan the value of `node`, which begins here; false where there is none."""
        if self._take("["):
            return self._array(node)
        if self._take("{"):
            return self._inline_table(node)
        return bool(self._token(_STRING) or self._token(_SCALAR))

    def _array(self, node: _Node) -> bool:
        while True:
            self._skip(_BLANK)
            if self._take("]"):
                return True
            if not self._value(node.child(len(node.children), self._at)):
                return False
            self._skip(_BLANK)
            self._take(",")

    def _inline_table(self, node: _Node) -> bool:
        while True:
            self._skip(_BLANK)
            if self._take("}"):
                return True
            if not self._pair(node):
                return False
            self._skip(_BLANK)
            self._take(",")

    def _key_parts(self) -> list[tuple[str, int]]:
        """The parts of a dotted key with their offsets."""
        parts: list[tuple[str, int]] = []
        while True:
            self._skip(_SPACE)
            offset = self._at
            token = self._token(_BARE) or self._token(_STRING)
            if not token:
                return parts
            parts.append((_unquoted(token), offset))
            self._skip(_SPACE)
            if not self._take("."):
                return parts

    def _define(self, node: _Node, offset: int) -> None:
        if node.is_defined:
            self.repeated.append((node, offset))
        node.is_defined = True

    def _skip(self, pattern: re.Pattern[str]) -> int:
        self._token(pattern)
        return self._at

    def _take(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        self._at += len(mark) if found else 0
        return found

    def _token(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match.group()


def _unquoted(token: str) -> str:
    if token[0] not in "\"'":
        return token
    if "\\" not in token or token[0] == "'":
        return token[1:-1]
    try:
        return str(tomllib.loads(f"key = {token}")["key"])
    except ValueError:
        return token
