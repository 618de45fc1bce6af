"""Failure: what the tables `retry` and `retention` of a job mean, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from taskd.config.exceptions import word_flaws
from taskd.config.shape import Flaw
from taskd.config.tables import RetentionTable, RetryTable, flaw_of, read_table
from taskd.core.retention import DEFAULT_RETENTION, Retention
from taskd.core.retry import DEFAULT_FAILURE, RetryPolicy
from taskd.errors import InvalidJob

_WORDS: Final = ("retry_on", "give_up_on")


def retry_from_table(
    table: Mapping[str, object], categories: Collection[str]
) -> tuple[RetryPolicy, list[Flaw]]:
    """The policy that a `retry` table says, the default where it cannot be, and every flaw.

    `categories` are the names that retry_on and give_up_on may hold besides those of classes.
    """
    if not table:
        return DEFAULT_FAILURE.retry, []
    shape, flaws = read_table(RetryTable, "retry", table)
    flaws += retry_word_flaws(shape, categories)
    try:
        return RetryPolicy(**dict(shape)), flaws
    except InvalidJob as refusal:
        # What depends on a value that is wrong was judged with its default, and is not told.
        return DEFAULT_FAILURE.retry, flaws or [flaw_of(refusal)]


def retention_from_table(table: Mapping[str, object]) -> tuple[Retention, list[Flaw]]:
    """How long runs are kept as a `retention` table says, and everything wrong with it."""
    if not table:
        return DEFAULT_RETENTION, []
    shape, flaws = read_table(RetentionTable, "retention", table)
    try:
        return Retention(shape.success, shape.failed), flaws
    except InvalidJob as refusal:
        return DEFAULT_RETENTION, [*flaws, flaw_of(refusal)]


def retry_word_flaws(shape: RetryTable, categories: Collection[str]) -> list[Flaw]:
    """What is wrong with the exceptions that a `retry` table names."""
    words = [(key, getattr(shape, key)) for key in _WORDS]
    return [flaw for key, named in words for flaw in word_flaws(("retry", key), named, categories)]
