"""Uniqueness: what the table `unique` of a job means."""

from __future__ import annotations

from collections.abc import Mapping

from taskd.config.shape import Flaw
from taskd.config.tables import UniqueTable, flaw_of, read_table
from taskd.core.unique import Unique
from taskd.errors import InvalidJob


def unique_from_table(table: Mapping[str, object] | None) -> tuple[Unique | None, list[Flaw]]:
    """Which runs of a job are the same work, None without a `table`, and all that is wrong."""
    if table is None:
        return None, []
    shape, flaws = read_table(UniqueTable, "unique", table)
    try:
        return Unique(**dict(shape)), flaws
    except InvalidJob as refusal:
        # What depends on a value that is wrong was judged with its default, and is not told.
        return None, flaws or [flaw_of(refusal)]
