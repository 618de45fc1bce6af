"""Text that came from somewhere else, made harmless before a terminal sees it."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Final

# C0, DEL and C1 drive the terminal; marks of direction (Unicode TR9) and line separators change
# what a line seems to say; lone surrogates cannot be encoded at all.
_SPECIAL: Final = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
# Controls, format characters, halves of surrogate pairs, separators of lines.
_UNPRINTABLE: Final = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_IN_A_LINE: Final = re.compile(f"[\x00-\x1f{_SPECIAL}]")
_IN_LINES: Final = re.compile(f"[\x00-\x08\x0b-\x1f{_SPECIAL}]")
_IN_JSON: Final = re.compile(f"[{_SPECIAL}]")


def harmless(text: str) -> str:
    """The text on one line, each control character written out, such as ``\\x1b``."""
    return _IN_A_LINE.sub(_spelled, text)


def harmless_lines(text: str) -> str:
    """The text with its line breaks and tabs kept and every other control character written out."""
    return _IN_LINES.sub(_spelled, text)


def masked(text: str) -> str:
    """The text with one U+FFFD for each character that is no mark on paper: columns still count."""
    return "".join("\ufffd" if unicodedata.category(c) in _UNPRINTABLE else c for c in text)


def encoded(document: object, *, indent: int | None = 2) -> str:
    """The document as JSON that any terminal and any encoding of Unicode can take.

    It is indented, or on one line where `indent` is None.
    """
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    return _IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
