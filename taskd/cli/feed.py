"""A feed: a document of the API, fetched again when the journal has grown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

from taskd.client import Client, Document
from taskd.errors import ApiError, NoDaemon

PACE_S: Final = 0.5  # at least between two fetches, however much happens
LOOK_EVERY_S: Final = 1.0  # progress is no event: what runs is looked at, and a lost daemon called


@dataclass(frozen=True, slots=True)
class Fetched:
    """The document as it is now."""

    document: Document


@dataclass(frozen=True, slots=True)
class Lost:
    """The daemon does not answer, for that reason; it is called again and again."""

    reason: str


class Feed:
    """Puts `Fetched` and `Lost` into `news` from threads of its own, which end with the process.

    `fetch` is called once for all that happened since the last time, and every second while
    `is_moving` says of the last document that something in it goes on without events.
    """

    def __init__(
        self,
        client: Client,
        fetch: Callable[[], Document],
        is_moving: Callable[[Document], bool],
        news: SimpleQueue[Any],
    ) -> None:
        self._client = client
        self._fetch = fetch
        self._is_moving = is_moving
        self._news = news
        self._stirred = threading.Event()
        self._never = threading.Event()

    def start(self) -> None:
        """Begin to follow the journal."""
        for work in (self._follow, self._fetch_again):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()

    def stir(self) -> None:
        """Have the document fetched now."""
        self._stirred.set()

    def _follow(self) -> None:
        while True:
            try:
                for _ in self._client.events(limit=1, follow=True):
                    self._stirred.set()
            except (ApiError, NoDaemon) as error:
                self._news.put(Lost(str(error)))
            self._never.wait(LOOK_EVERY_S)

    def _fetch_again(self) -> None:
        wait_s: float | None = None
        while True:
            self._stirred.wait(wait_s)
            self._stirred.clear()
            try:
                document = self._fetch()
            except (ApiError, NoDaemon) as error:
                self._news.put(Lost(str(error)))
                wait_s = None  # until the journal can be followed again
            else:
                self._news.put(Fetched(document))
                wait_s = LOOK_EVERY_S if self._is_moving(document) else None
            self._never.wait(PACE_S)
