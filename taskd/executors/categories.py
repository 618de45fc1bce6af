"""Categories: failures that people tell apart, each by the classes of exceptions that are of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from taskd.errors import InvalidJob
from taskd.executors.call import class_name

Categories: TypeAlias = Mapping[str, Iterable[str | type[BaseException]]]


def by_class(categories: Categories) -> dict[str, str]:
    """Return the category of each class, by the name that failures are matched by.

    A class is given itself or by its name, bare where it is built in, else
    ``package.module.Class``. Subclasses count where they have no category of their own.

    Raises:
        InvalidJob: A class is in two categories.
    """
    found: dict[str, str] = {}
    for category, classes in categories.items():
        for one in classes:
            name = one if isinstance(one, str) else class_name(one)
            if found.setdefault(name, category) != category:
                message = f"{name} is in {found[name]} and in {category}"
                raise InvalidJob("categories", message, "a class has one category")
    return found
