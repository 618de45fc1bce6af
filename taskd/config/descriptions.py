"""Descriptions: what each key of jobs.toml does, in a sentence for editors; taskd.toml(5) has it
in full."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DAEMON: Final[Mapping[str, str]] = MappingProxyType(
    {
        "store": "Where decisions are kept: sqlite:///path. A bare name, or a path that begins with"
        " a dot, is relative to this file. Default: taskd.db in the state directory.",
        "durability": "full: what was acknowledged survives a power loss. normal: it survives a"
        " crash of the process.",
        "timezone": "The zone of jobs that name none. Default: the system's.",
        "workers": "Runs at a time.",
        "python_path": "Directories put first on the import path, relative to this file.",
        "shutdown_grace": "How long a shutdown waits for running jobs.",
        "include": "Patterns of further files, which hold only [jobs.NAME].",
        "reload": "auto: read this file again when it changes, and on SIGHUP. signal: on SIGHUP and"
        " taskd reload alone. off: by taskd reload alone.",
    }
)
JOB: Final[Mapping[str, str]] = MappingProxyType(
    {
        "call": "The callable, package.module:attr.path; a function or an async def.",
        "command": "A program: a list, or a text that is split as a shell would split it.",
        "shell": "Whether the command is a line for /bin/sh.",
        "args": "Positional arguments of the callable.",
        "kwargs": "Keyword arguments of the callable.",
        "env": "Variables added to the environment; for commands and processes.",
        "cwd": "The working directory, relative to this file; for commands and processes.",
        "description": "For people.",
        "tags": "For people.",
        "enabled": "Whether the schedule is on.",
        "every": "An interval; at least 100ms. The first run is at once.",
        "mode": "fixed-rate keeps to a grid; fixed-delay counts from the end of each run.",
        "align": "The grid is the multiples of the interval, not counted from the first run.",
        "cron": "A cron expression, or a list: five fields, six with seconds first, or @daily.",
        "at": "An instant, or a list; one without an offset is in the job's zone.",
        "on": "boot: one run at each start of the daemon.",
        "timezone": "The zone of cron expressions, local instants and excluded days.",
        "dst_gap": "What becomes of local times that the clocks skip. Default: as Debian's cron.",
        "dst_overlap": "At which pass runs what the clocks show twice. Default: as Debian's cron.",
        "day_match": "Where day of month and weekday are both restricted: must one match, or both?",
        "jitter": "Each run is queued up to so much later, but before the next occurrence.",
        "start_at": "No occurrence before it.",
        "end_at": "No occurrence at it or later.",
        "max_runs": "The schedule is finished after so many runs of its own.",
        "exclude": "Names of [calendars]: occurrences on their days are skipped.",
        "misfire_grace_time": "How late an occurrence may still run.",
        "catchup": "Of what was missed: latest runs the latest, all runs each, skip none.",
        "catchup_limit": "How many runs catchup = all makes at a time.",
        "overlap": "What becomes of a run that is due while the job still runs.",
        "max_instances": "How many runs of the job execute at once; 1 unless overlap = allow.",
        "priority": "Who goes first when all slots are taken; higher first.",
        "carry": "The last succeeded result replaces the first positional argument.",
        "executor": "What executes attempts. Default: what fits the callable, in a thread.",
        "timeout": "How long an attempt may take. Default: without end.",
        "kill_grace": "How long an attempt that was asked to end is waited for.",
        "nice": "Added to the niceness of the daemon; for commands and processes.",
        "max_memory": "The address space an attempt may have; for commands and processes.",
        "max_cpu_time": "The CPU time an attempt may use; for commands and processes.",
        "capture_output": "Whether what an attempt prints and logs is kept, for taskd logs.",
        "output_limit": "How much of it is kept: the first part and the last.",
        "retry": "What follows an attempt that fails.",
        "on_crash": "What follows an attempt whose process died: retry (at least once), fail.",
        "max_crashes": "A run whose attempts were lost with their process so often is DEAD.",
        "pause_after_failures": "Pause the job after so many bad runs in a row. Default: never.",
        "retention": "How long finished runs are kept.",
        "unique": "Which runs of the job are the same piece of work, of which there is one.",
    }
)
NESTED: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "retry": {
            "max_attempts": "How many attempts may end by failing, the first counted.",
            "backoff": "How the delay between attempts grows.",
            "initial": "The first delay.",
            "max_delay": "The longest delay.",
            "jitter": "How much of a delay is left to chance; equal: its upper half.",
            "max_elapsed": "No attempt starts later than this after the first. Default: none.",
            "retry_on": "Exception classes or categories: only these are retried.",
            "give_up_on": "Exception classes or categories that are never retried.",
        },
        "retention": {
            "success": "How long runs that succeeded are kept.",
            "failed": "How long runs that failed are kept.",
        },
        "unique": {
            "key": "A text with arguments in braces, such as {region} or {0}; empty: all of them.",
            "scope": "How long a run stands for its work.",
            "period": "How long, with scope = period.",
            "on_conflict": "What becomes of the second run.",
        },
    }
)
CALENDAR: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dates": "Local dates.",
        "weekdays": "Weekdays, mon to sun.",
        "ics": "An iCalendar file, relative to this one: the days that its events touch.",
    }
)
TABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "daemon": "The daemon's own settings.",
        "defaults": "Any key of a job but its call and its trigger; every job inherits it.",
        "jobs": "The jobs by name: letters, digits, -, _ and ., at most 128 of them.",
        "calendars": "Days on which jobs with the calendar in exclude do not run.",
        "categories": "Names for kinds of failures, each a list of exception classes.",
    }
)
