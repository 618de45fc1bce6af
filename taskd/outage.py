"""Outage: since when, and why, the store cannot be written; told once, and when it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from taskd.core.messages import StoreHealed
from taskd.errors import StoreError

logger = logging.getLogger("taskd.loop")


class Outage:
    """`error` is what keeps the store from being written, empty while it is well.

    Any thread may read it; the loop's changes it, and tells `on_change` of it, which must return at
    once.
    """

    def __init__(self, on_change: Callable[[str], None]) -> None:
        self.error = ""
        self._since: datetime | None = None
        self._on_change = on_change

    def met(self, error: StoreError, now: datetime) -> None:
        """Note an error of the store; it is logged once while it stays the same."""
        self._since = self._since or now
        if str(error) != self.error:
            self.error = str(error)
            logger.error("nothing can be recorded, so nothing starts: %s", error)
            self._tell()

    def healed(self) -> StoreHealed | None:
        """Return what is to be written to see if it is over; None where there is no outage."""
        return None if self._since is None else StoreHealed(self.error, self._since)

    def over(self) -> None:
        """Note that something was written."""
        if self._since is None:
            return
        self.error, self._since = "", None
        logger.warning("the store can be written again")
        self._tell()

    def _tell(self) -> None:
        try:
            self._on_change(self.error)
        # A listener's fault is no second outage.
        except Exception:
            logger.exception("a listener failed")
