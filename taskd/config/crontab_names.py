"""Names for the entries of a crontab, which have none: the program that each is about."""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = re.compile(r"""&&|\|\||[;|{}()]|(?:"[^"]*"|'[^']*'|[^\s;|{}()&"']|&(?!&))+""")
_JOINS: Final = frozenset(("&&", "||", ";", "|", "{", "}", "(", ")"))
_TESTS: Final = frozenset(("test", "[", "[[", "command", "which", "cd", "export", "printf", "echo"))
"""What comes before the program that an entry is about, with its own arguments."""
_WRAPPERS: Final = frozenset(
    (
        *("nice", "ionice", "chronic", "env", "exec", "time", "timeout", "nohup", "setsid"),
        *("sudo", "run-parts", "sh", "bash", "dash", "perl", "php", "ruby", "node"),
    )
)
"""What comes right before it, and runs it."""
_INTERPRETER: Final = re.compile(r"python[0-9.]*|pypy[0-9.]*")
_SUFFIX: Final = re.compile(r"\.(sh|bash|py|pl|php|rb|js)$")
_LONGEST: Final = 100  # characters: room for a number behind it


class Names:
    """Gives each entry a name of its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, command: str, line: int) -> str:
        """A name for the `command` at `line`."""
        wanted = _program(command) or f"line-{line}"
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}-{count}"
        self._taken.add(name)
        return name


def _program(command: str) -> str:
    """The name of the program that a line for the shell is about; empty where none shows."""
    is_skipping, is_lock = False, False
    fallback = ""
    for raw in _WORDS.findall(command):
        word = raw.strip("\"'")
        base = word.rstrip("/").rpartition("/")[2]
        if word in _JOINS:
            is_skipping = False
        elif is_skipping or word.startswith(("-", ">", "<", "$", "`", "!")) or "=" in word:
            continue
        elif base in _TESTS:
            is_skipping, fallback = True, fallback or base
        elif base == "flock":
            is_lock = True
        elif is_lock:
            is_lock = False
        elif base in _WRAPPERS or _INTERPRETER.fullmatch(base):
            fallback = fallback or base
        elif name := _clean(base):
            return name
    return _clean(fallback)


def _clean(word: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", _SUFFIX.sub("", word)).strip("-.")
    return "" if name.isdecimal() else name[:_LONGEST]
