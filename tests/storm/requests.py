"""Requests: a client's own account of what it asked for and what was acknowledged.

Each is noted twice, on the disk: before it is asked, and once it was answered. Only the second
binds taskd.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.storm.work import microseconds, note


class Requests:
    """Notes requests in the file `path`; many processes may have it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def asked(self, verb: str, *, job: str = "", run: str = "") -> None:
        """A request is about to be sent."""
        self._note(said="asked", verb=verb, job=job, run=run)

    def done(self, verb: str, *, job: str = "", run: str = "") -> None:
        """A request was answered well."""
        self._note(said="done", verb=verb, job=job, run=run)

    def _note(self, **fields: object) -> None:
        note(self.path, json.dumps(fields | {"at": microseconds()}))
