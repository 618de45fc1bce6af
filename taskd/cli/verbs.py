"""The verbs in the sections of `taskd --help`, each with the module that is loaded for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Verb(NamedTuple):
    """The module of `taskd.cli` that has a verb, and the first sentence of its help."""

    module: str
    summary: str


SECTIONS: Final[Mapping[str, Mapping[str, Verb]]] = {
    "Look": {
        "status": Verb("history", "Show the daemon and its jobs, one job, or one run in full."),
        "top": Verb("top", "Show what runs, what is due next and what failed, live."),
        "next": Verb("history", "List what is due next."),
        "ps": Verb("running", "List what runs now, and how far it has come."),
        "runs": Verb("history", "List the history, newest first."),
        "result": Verb("history", "Print what a run returned."),
        "error": Verb("history", "Print the traceback of a run that failed."),
        "logs": Verb("output", "Print what a run printed and logged."),
        "why": Verb("history", "Say what was decided for an occurrence, and why."),
        "events": Verb("journal", "Show the journal: who did what, and what became of it."),
    },
    "Jobs": {
        "add": Verb("adding", "Keep a job in the store, across restarts."),
        "remove": Verb("jobs", "Forget an added job; its history stays."),
        "trigger": Verb("jobs", "Run a job once, now."),
        "pause": Verb("jobs", "Hold a job, or all, across restarts and reloads."),
        "resume": Verb("jobs", "Release a paused job, or all; revive a stopped one."),
        "stop": Verb("jobs", "End a job's schedule and its runs, or one run."),
    },
    "Runs": {
        "wait": Verb("history", "Wait for runs to end."),
        "retry": Verb("reruns", "Do final runs again, each as a new run that names the old one."),
        "dead": Verb("reruns", "List the dead-letter queue: runs whose retries are used up."),
        "dismiss": Verb("reruns", "Let dead runs leave the dead-letter queue."),
    },
    "Daemon": {
        "run": Verb("daemon", "Run the daemon in the foreground."),
        "reload": Verb("daemon", "Read jobs.toml again, all of it or, on any problem, nothing."),
        "shutdown": Verb("daemon", "End the daemon; what is unfinished is handed back."),
        "export": Verb("exporting", "Print the live jobs as a jobs.toml, added ones too."),
        "ping": Verb("daemon", "Ask whether a daemon answers."),
    },
    "Without a daemon": {
        "init": Verb("starting", "Write a jobs.toml to begin with, and jobs that run at once."),
        "check": Verb("offline", "Report every problem of a jobs.toml."),
        "diff": Verb("diffing", "Tell what loading a jobs.toml would change, before it does."),
        "explain": Verb("offline", "Say in words when a cron expression is due."),
        "doctor": Verb("doctor", "Look at the installation, and tell the fix for what is wrong."),
        "import": Verb("importing", "Print a jobs.toml made of a crontab."),
        "schema": Verb("starting", "Print the JSON Schema of jobs.toml, for editors."),
        "completion": Verb(
            "completion", "Print the script that completes verbs, flags, jobs and runs."
        ),
    },
    "The store": {
        "verify": Verb("journal", "Check that the journal is whole and agrees with the tables."),
        "backup": Verb("journal", "Copy the store as it is at one commit."),
        "prune": Verb("journal", "Forget now what has been kept long enough."),
    },
}
VERBS: Final = {name: verb for verbs in SECTIONS.values() for name, verb in verbs.items()}
