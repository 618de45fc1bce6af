"""The API: one function for each request, for the socket, the command line and the web alike."""

from taskd.api.asking import Ask, Asked, Host, recognized
from taskd.api.daemon import prune, reload, shutdown
from taskd.api.defining import (
    add,
    pause_all,
    pause_job,
    remove,
    resume_all,
    resume_job,
    stop_job,
)
from taskd.api.exporting import export
from taskd.api.journal import EventsAsked, events_asked, page_of_events
from taskd.api.output import following, follows, logs
from taskd.api.reading import (
    dead,
    job,
    jobs,
    names,
    next_due,
    ping,
    ps,
    run,
    runs,
    status,
    wait_s,
    why,
)
from taskd.api.rerunning import dismiss, retry, stop_run
from taskd.api.top import top
from taskd.api.triggering import ask_for_run, ask_for_runs, trigger, trigger_many

__all__ = [
    "Ask",
    "Asked",
    "EventsAsked",
    "Host",
    "add",
    "ask_for_run",
    "ask_for_runs",
    "dead",
    "dismiss",
    "events_asked",
    "export",
    "following",
    "follows",
    "job",
    "jobs",
    "logs",
    "names",
    "next_due",
    "page_of_events",
    "pause_all",
    "pause_job",
    "ping",
    "prune",
    "ps",
    "recognized",
    "reload",
    "remove",
    "resume_all",
    "resume_job",
    "retry",
    "run",
    "runs",
    "shutdown",
    "status",
    "stop_job",
    "stop_run",
    "top",
    "trigger",
    "trigger_many",
    "wait_s",
    "why",
]
