"""The names and ids that a shell completes: ``taskd __complete VERB KIND...``.

It is asked at each press of Tab, so it loads the client alone, and neither typer nor the verbs. It
never says a word where something is wrong: a shell has no place for it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from taskd.client import Client
from taskd.errors import TaskdError
from taskd.terminal import harmless

PATIENCE_S: Final = 2.0  # for a daemon that does not answer
MOST_RUNS: Final = 20

_LIVE: Final = "PENDING,QUEUED,RUNNING,RETRYING"
# The runs that a verb is for; any other verb takes each of them.
_STATES: Final = {
    "stop": _LIVE,
    "wait": _LIVE,
    "result": "SUCCEEDED",
    "error": "FAILED,DEAD",
    "retry": "FAILED,DEAD,CANCELLED",
    "dismiss": "DEAD",
}


def complete(arguments: Sequence[str]) -> int:
    """Print a line for each candidate: the word and, behind a tab, what it is."""
    verb, *kinds = arguments or [""]
    try:
        for kind in kinds:
            for word, what in _FOUND[kind](Client(), verb):
                sys.stdout.write(f"{harmless(word)}\t{harmless(what)}\n")
    except (TaskdError, KeyError, TypeError, OSError):
        return 1
    return 0


def _jobs(client: Client, verb: str) -> Iterator[tuple[str, str]]:  # noqa: ARG001 - any verb
    for name in client.request("GET", "/v1/names", timeout=PATIENCE_S)["jobs"]:
        yield name, "job"


def _runs(client: Client, verb: str) -> Iterator[tuple[str, str]]:
    query = {"state": _STATES.get(verb), "limit": MOST_RUNS}
    runs: list[Any] = client.request("GET", "/v1/runs", query=query, timeout=PATIENCE_S)
    for run in runs:
        yield run["id"], f"{run['job'] or 'a task'} {run['state']}"


_FOUND: Final = {"jobs": _jobs, "runs": _runs}
