"""The requests about the daemon itself."""

from __future__ import annotations

from pydantic import StrictBool

from taskd.api.asking import Ask, Body, Host, parse
from taskd.core.ports import Pruned
from taskd.views import diff_view


def reload(host: Host, ask: Ask) -> object:  # noqa: ARG001 (all requests have one shape)
    """Read jobs.toml again, all of it or nothing."""
    return diff_view(host.reload().result())


def shutdown(host: Host, ask: Ask) -> object:
    """Begin to shut down."""
    body = parse(_ShutdownBody, ask.body)
    host.shut_down(now=body.now)
    return {"stopping": True}


def prune(host: Host, ask: Ask) -> object:  # noqa: ARG001
    """Forget now what has been kept long enough."""
    pruned = host.scheduler.inbox.sweep().result()
    assert isinstance(pruned, Pruned)
    return {"runs": pruned.runs, "events": pruned.events}


class _ShutdownBody(Body):
    now: StrictBool = False
