"""Failure: the tables `retry` and `retention` of a job, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from taskd.config.exceptions import word_flaws
from taskd.config.keys import nested_key_flaws
from taskd.config.shape import Flaw, choice, parse
from taskd.config.values import duration, one_or_more, text
from taskd.core.retention import DEFAULT_RETENTION, Retention
from taskd.core.retry import DEFAULT_FAILURE, MOST_ATTEMPTS, Backoff, Jitter, RetryPolicy
from taskd.errors import InvalidJob

_RETRY: Final = DEFAULT_FAILURE.retry

Model = TypeVar("Model", bound=BaseModel)
Duration = Annotated[timedelta, PlainValidator(duration)]
Words = Annotated[tuple[str, ...], PlainValidator(one_or_more(text))]


def retry_from_table(
    table: Mapping[str, object], categories: Collection[str]
) -> tuple[RetryPolicy, list[Flaw]]:
    """The policy that a `retry` table says, the default where it cannot be, and every flaw.

    `categories` are the names that retry_on and give_up_on may hold besides those of classes.
    """
    shape, flaws = _parsed(_RetryTable, "retry", table)
    flaws += _word_flaws(shape, categories)
    try:
        return RetryPolicy(**dict(shape)), flaws
    except InvalidJob as refusal:
        # What depends on a value that is wrong was judged with its default, and is not told.
        return _RETRY, flaws or [flaw_of(refusal)]


def retention_from_table(table: Mapping[str, object]) -> tuple[Retention, list[Flaw]]:
    """How long runs are kept as a `retention` table says, and everything wrong with it."""
    shape, flaws = _parsed(_RetentionTable, "retention", table)
    try:
        return Retention(shape.success, shape.failed), flaws
    except InvalidJob as refusal:
        return DEFAULT_RETENTION, [*flaws, flaw_of(refusal)]


def table_flaws(key: str, table: Mapping[str, object], categories: Collection[str]) -> list[Flaw]:
    """What is wrong with a `retry` or `retention` table, whichever job inherits it."""
    if key == "retention":
        return _parsed(_RetentionTable, key, table)[1]
    shape, flaws = _parsed(_RetryTable, key, table)
    return [*flaws, *_word_flaws(shape, categories)]


def flaw_of(refusal: InvalidJob) -> Flaw:
    """A refusal of the core, whose keys are dotted, as a flaw."""
    return Flaw(tuple(refusal.key.split(".")), refusal.message, refusal.hint)


def _parsed(model: type[Model], key: str, table: Mapping[str, object]) -> tuple[Model, list[Flaw]]:
    shape, flaws = parse(model, table)
    below = [Flaw((key, *flaw.path), flaw.message, flaw.hint, flaw.at_key) for flaw in flaws]
    return shape, [*nested_key_flaws(key, table), *below]


def _word_flaws(shape: _RetryTable, categories: Collection[str]) -> list[Flaw]:
    return [
        *word_flaws(("retry", "retry_on"), shape.retry_on, categories),
        *word_flaws(("retry", "give_up_on"), shape.give_up_on, categories),
    ]


class _RetryTable(BaseModel):
    model_config = ConfigDict(strict=True)

    max_attempts: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)] = _RETRY.max_attempts
    backoff: Annotated[Backoff, PlainValidator(lambda value: choice(Backoff, value))] = (
        _RETRY.backoff
    )
    initial: Duration = _RETRY.initial
    max_delay: Duration = _RETRY.max_delay
    jitter: Annotated[Jitter, PlainValidator(lambda value: choice(Jitter, value))] = _RETRY.jitter
    max_elapsed: Annotated[timedelta | None, PlainValidator(duration)] = None
    retry_on: Words = ()
    give_up_on: Words = ()


class _RetentionTable(BaseModel):
    model_config = ConfigDict(strict=True)

    success: Duration = DEFAULT_RETENTION.success
    failed: Duration = DEFAULT_RETENTION.failed
