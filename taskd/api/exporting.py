"""The request that gives the jobs as jobs.toml writes them."""

from __future__ import annotations

from taskd.api.asking import Ask, Body, Host, parse, record_of
from taskd.config.export import export as exported
from taskd.core.job import Job
from taskd.stores.history import History


def export(host: Host, ask: Ask) -> object:
    """Return the live jobs as a jobs.toml, or those that are named."""
    names = [name for name in parse(_ExportQuery, ask.query).jobs.split(",") if name]

    def read(history: History) -> list[Job]:
        if names:
            return [record_of(history, name).job for name in names]
        return [record.job for record in history.jobs()]

    found = exported(host.scheduler.read(read), host.categories, host.python_path)
    left_out = [
        {"job": job, "key": refusal.key, "message": refusal.message, "hint": refusal.hint}
        for job, refusal in found.left_out.items()
    ]
    return {
        "daemon": found.daemon,
        "categories": found.categories,
        "calendars": found.calendars,
        "jobs": found.jobs,
        "left_out": left_out,
    }


class _ExportQuery(Body):
    jobs: str = ""
