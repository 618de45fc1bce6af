"""Exceptions: how classes of them, and the categories of failures, are named in jobs.toml.

A class has the name that failures are matched by (`class_name`): bare where it is built in, else
with its real module. A category is a bare name of the [categories] table.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from taskd.config import values
from taskd.config.shape import Flaw, nearest, shown

BUILT_IN: Final[Mapping[str, type[BaseException]]] = MappingProxyType(
    {
        name: value
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
)
"""The exceptions that have a bare name; some have two, such as OSError and IOError."""
CATEGORY: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_CLASS: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)


def categories_from_table(
    table: Mapping[str, object],
) -> tuple[dict[str, tuple[str, ...]], list[Flaw]]:
    """The categories of a [categories] `table` with the classes of each, and all that is wrong."""
    categories: dict[str, tuple[str, ...]] = dict.fromkeys(table, ())
    by_class: dict[str, str] = {}
    flaws = []
    for category, classes in table.items():
        flaws += _name_flaws(category)
        if not isinstance(classes, list):
            message = f"expected a list, found {shown(classes)}"
            flaws.append(Flaw((category,), message, 'write ["ConnectionError"]'))
            continue
        for index, word in enumerate(classes):
            message, hint = _wrong(word, by_class)
            if message:
                flaws.append(Flaw((category, index), message, hint))
            elif isinstance(word, str):
                by_class[word] = category
                categories[category] += (word,)
    return categories, flaws


def word_flaws(
    path: tuple[str, ...], words: Collection[str], categories: Collection[str]
) -> list[Flaw]:
    """What is wrong with the `words` of a retry_on or give_up_on at `path`."""
    flaws = []
    for index, word in enumerate(words):
        message, hint = ("", "") if word in categories else _wrong_class(word, categories)
        if message:
            flaws.append(Flaw((*path, index), message, hint))
    return flaws


def imported(words: Iterable[str]) -> list[str]:
    """Those of the words that name a class of a module, which only an import can tell of."""
    return [word for word in words if "." in word]


def _name_flaws(category: str) -> list[Flaw]:
    if not CATEGORY.fullmatch(category):
        hint = "letters, digits, '-' and '_', at most 128 of them"
        return [Flaw((category,), f"{shown(category)} is not a name", hint, at_key=True)]
    if category in BUILT_IN:
        message = f"{category} is the name of an exception, too"
        return [Flaw((category,), message, "give the category another name", at_key=True)]
    return []


def _wrong(word: object, taken: Mapping[str, str]) -> tuple[str, str]:
    try:
        name = values.text(word)
    except ValueError as error:
        return str(error), ""
    if name in taken:
        return f"{name} is in the category {taken[name]} already", "a class has one category"
    return _wrong_class(name, ())


def _wrong_class(word: str, categories: Collection[str]) -> tuple[str, str]:
    """What is wrong with a name, as far as it shows without an import: a message and a hint."""
    known = BUILT_IN.get(word)
    if known is not None:
        real = known.__name__
        return ("", "") if real == word else (f"{word} is another name of {real}", f"write {real}")
    if _CLASS.fullmatch(word):
        return "", ""
    what = "neither a category nor a built-in exception" if categories else "no built-in exception"
    hint = nearest(word, [*categories, *BUILT_IN])
    return f"{shown(word)} is {what}", hint or 'write "package.module.Class" for one of a module'
