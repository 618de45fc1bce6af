"""Tables: those that the entry of a job holds, `retry`, `retention` and `unique`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from taskd.config.keys import nested_key_flaws
from taskd.config.kinds import DURATION, TEXT, TEXTS, word
from taskd.config.shape import Flaw, parse
from taskd.core.retention import DEFAULT_RETENTION
from taskd.core.retry import DEFAULT_FAILURE, MOST_ATTEMPTS, Backoff, Jitter
from taskd.core.unique import OnConflict, Scope
from taskd.errors import InvalidJob

_RETRY: Final = DEFAULT_FAILURE.retry

Model = TypeVar("Model", bound=BaseModel)


class RetryTable(BaseModel):
    """The values of the table `retry`."""

    model_config = ConfigDict(strict=True)

    max_attempts: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)] = _RETRY.max_attempts
    backoff: Annotated[Backoff, word(Backoff)] = _RETRY.backoff
    initial: Annotated[timedelta, DURATION] = _RETRY.initial
    max_delay: Annotated[timedelta, DURATION] = _RETRY.max_delay
    jitter: Annotated[Jitter, word(Jitter)] = _RETRY.jitter
    max_elapsed: Annotated[timedelta | None, DURATION] = None
    retry_on: Annotated[tuple[str, ...], TEXTS] = ()
    give_up_on: Annotated[tuple[str, ...], TEXTS] = ()


class RetentionTable(BaseModel):
    """The values of the table `retention`."""

    model_config = ConfigDict(strict=True)

    success: Annotated[timedelta, DURATION] = DEFAULT_RETENTION.success
    failed: Annotated[timedelta, DURATION] = DEFAULT_RETENTION.failed


class UniqueTable(BaseModel):
    """The values of the table `unique`."""

    model_config = ConfigDict(strict=True)

    key: Annotated[str, TEXT] = ""
    scope: Annotated[Scope, word(Scope)] = Scope.INCOMPLETE
    period: Annotated[timedelta | None, DURATION] = None
    on_conflict: Annotated[OnConflict, word(OnConflict)] = OnConflict.SKIP


NESTED_TABLES: Final[Mapping[str, type[BaseModel]]] = MappingProxyType(
    {"retry": RetryTable, "retention": RetentionTable, "unique": UniqueTable}
)
"""The tables by the key of a job that they are the value of."""


def read_table(
    model: type[Model], key: str, table: Mapping[str, object]
) -> tuple[Model, list[Flaw]]:
    """The values of the `table` that is the value of `key` of a job, and all that is wrong."""
    shape, flaws = parse(model, table)
    below = [Flaw((key, *flaw.path), flaw.message, flaw.hint, flaw.at_key) for flaw in flaws]
    return shape, [*nested_key_flaws(key, table), *below]


def flaw_of(refusal: InvalidJob) -> Flaw:
    """A refusal of the core, whose keys are dotted, as a flaw."""
    return Flaw(tuple(refusal.key.split(".")), refusal.message, refusal.hint)
