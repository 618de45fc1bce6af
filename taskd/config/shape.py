"""Shape: what pydantic says about a table, as flaws in the words of jobs.toml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from taskd.config.positions import KeyPath, dotted
from taskd.errors import InvalidJob

NOT_SUPPORTED: Final = "not supported by this version"

Model = TypeVar("Model", bound=BaseModel)
Word = TypeVar("Word", bound=StrEnum)

_EXPECTED: Final[Mapping[str, str]] = {
    "string_type": "text",
    "string_unicode": "text in Unicode",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "a table",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
}
_SHOWN_CHARACTERS: Final = 60  # of a value in a message: enough to know it again


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with a table. `path` leads from the table to the key at fault.

    With `at_key` it is the key that is wrong rather than its value.
    """

    path: KeyPath
    message: str
    hint: str = ""
    at_key: bool = False

    @property
    def key(self) -> str:
        """The path as text, such as ``kwargs.region`` or ``args[1]``."""
        return dotted(self.path)


def parse(model: type[Model], table: Mapping[str, object]) -> tuple[Model, list[Flaw]]:
    """What is right of `table` as a `model`, and everything that is wrong with the rest.

    A key whose value is wrong has its default in the model, so that what depends on the other keys
    can be judged in the same pass. Every field of `model` has a default; keys that are no field
    are passed over.
    """
    try:
        return model.model_validate(dict(table)), []
    except ValidationError as error:
        flaws = [_flaw(detail) for detail in error.errors(include_url=False)]
    wrong = {flaw.path[0] for flaw in flaws}
    return model.model_validate({key: table[key] for key in table.keys() - wrong}), flaws


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint with the one of `words` that `word` may have been meant for, or an empty text."""
    found = get_close_matches(word, list(words), n=1)
    return f"did you mean {found[0]}?" if found else ""


def choices(words: Iterable[str]) -> str:
    """`words` as a choice: ``"full" or "normal"``."""
    *others, last = [f'"{word}"' for word in words]
    return f"{', '.join(others)} or {last}" if others else last


def choice(words: type[Word], value: object) -> Word:
    """`value` as one of `words`. Raises ValueError."""
    if isinstance(value, str) and value in list(words):
        return words(value)
    raise ValueError(f"expected {choices(words)}, found {shown(value)}")


def shown(value: object) -> str:
    """`value` as TOML would write it, cut short; never fails, however huge it is."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 64:
            return "a huge number"
        case str():
            text = f'"{value}"' if len(value) <= _SHOWN_CHARACTERS else f'"{value}'
        case int() | float():
            text = str(value)
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a table"
        case None:
            return "null"
        case _:
            text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS + 2 else f"{text[:_SHOWN_CHARACTERS]}..."


def _flaw(detail: ErrorDetails) -> Flaw:
    context = detail.get("ctx", {})
    path = tuple(detail["loc"])
    match context.get("error"):
        case InvalidJob() as refusal:
            return Flaw(path, refusal.message, refusal.hint)
        case ValueError() as refusal:
            return Flaw(path, str(refusal))
        case _:
            expected = _EXPECTED.get(detail["type"], "a value of another kind").format(**context)
            return Flaw(path, f"expected {expected}, found {shown(detail['input'])}")
