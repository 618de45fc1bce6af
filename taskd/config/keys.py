"""Keys: which words jobs.toml knows, which of them this version has, and what others may mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from taskd.config.shape import NOT_SUPPORTED, Flaw, nearest

MOST_HINTS: Final = 20  # of a table: to look for the nearest key takes 2 ms

CALL_KEYS: Final = ("call", "args", "kwargs", "carry")
TRIGGERS: Final = ("every", "cron", "at", "on")
SCHEDULES: Final = ("every", "cron", "at")
INTERVAL_KEYS: Final = ("mode", "align")
CRON_KEYS: Final = ("dst_gap", "dst_overlap", "day_match")
SCHEDULE_KEYS: Final = (
    *("jitter", "start_at", "end_at", "max_runs", "exclude"),
    *("misfire_grace_time", "catchup", "catchup_limit"),
)
EXECUTION_KEYS: Final = (
    *("executor", "shell", "env", "cwd", "nice"),
    *("max_memory", "max_cpu_time", "capture_output", "output_limit"),
)

JOB_KEYS: Final = frozenset(
    (
        *CALL_KEYS,
        *("description", "tags", "enabled"),
        *TRIGGERS,
        *INTERVAL_KEYS,
        *CRON_KEYS,
        *SCHEDULE_KEYS,
        *("timezone", "priority", "overlap", "max_instances", "unique"),
        *("retry", "on_crash", "max_crashes", "pause_after_failures", "retention"),
        *("command", *EXECUTION_KEYS, "timeout", "kill_grace"),
    )
)
NESTED_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "retry": frozenset(
        (
            *("max_attempts", "backoff", "initial", "max_delay", "jitter"),
            *("max_elapsed", "retry_on", "give_up_on"),
        )
    ),
    "retention": frozenset(("success", "failed")),
    "unique": frozenset(("key", "scope", "period", "on_conflict")),
}
"""Keys of a job that are tables, and the keys of these; [defaults] is inherited key by key."""
LATER_JOB_KEYS: Final = frozenset(
    (
        *("after", "watch", "when"),
        *("queue",),
    )
)
DAEMON_KEYS: Final = frozenset(
    (
        *("store", "durability", "timezone", "workers", "python_path"),
        *("shutdown_grace", "include", "reload"),
    )
)
TABLES: Final = frozenset(("daemon", "defaults", "jobs", "calendars", "categories"))
LATER_TABLES: Final = frozenset(("queues",))
CALENDAR_KEYS: Final = frozenset(("dates", "weekdays", "ics"))

# What other schedulers (cron, APScheduler, Celery, Sidekiq, Kubernetes) call it.
SYNONYMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("func", "function", "callable", "task", "target", "handler"), "call"),
    **dict.fromkeys(("cmd", "exec", "script"), "command"),
    **dict.fromkeys(("arguments", "params"), "args"),
    **dict.fromkeys(("tz", "time_zone", "timeZone"), "timezone"),
    **dict.fromkeys(("schedule", "crontab", "cron_expression"), "cron"),
    **dict.fromkeys(("interval", "period", "frequency"), "every"),
    **dict.fromkeys(("seconds", "minutes", "hours", "days", "weeks"), "every"),
    **dict.fromkeys(("run_date", "run_at", "eta", "datetime"), "at"),
    **dict.fromkeys(("trigger", "triggers"), "every, cron or at"),
    **dict.fromkeys(("max_retries", "retries", "max_attempts", "attempts"), "retry.max_attempts"),
    **dict.fromkeys(("retry_delay", "backoff", "retry_backoff"), "retry.backoff"),
    **dict.fromkeys(("coalesce", "catch_up"), "catchup"),
    **dict.fromkeys(("misfire_grace", "startingDeadlineSeconds"), "misfire_grace_time"),
    **dict.fromkeys(("concurrency", "concurrencyPolicy", "max_concurrency"), "overlap"),
    **dict.fromkeys(("time_limit", "max_runtime", "ttl"), "timeout"),
    **dict.fromkeys(("depends_on", "dependencies", "requires"), "after"),
    **dict.fromkeys(("disabled", "active", "suspend", "paused"), "enabled"),
    **dict.fromkeys(("environment", "environ"), "env"),
    **dict.fromkeys(("working_dir", "working_directory", "workdir"), "cwd"),
    **dict.fromkeys(("calendar", "calendars", "exclude_dates", "holidays"), "exclude"),
    **dict.fromkeys(("splay", "random_delay", "RandomizedDelaySec"), "jitter"),
    **dict.fromkeys(("max_instances_total", "repeat", "run_times"), "max_runs"),
    "label": "tags",
    "labels": "tags",
    "start_date": "start_at",
    "end_date": "end_at",
}
CALENDAR_SYNONYMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("date", "days", "holidays"), "dates"),
    **dict.fromkeys(("weekday", "days_of_week"), "weekdays"),
    **dict.fromkeys(("file", "ical", "icalendar", "url"), "ics"),
}
NESTED_SYNONYMS: Final[Mapping[str, Mapping[str, str]]] = {
    "retry": {
        **dict.fromkeys(("max_retries", "retries", "attempts", "max"), "max_attempts"),
        **dict.fromkeys(("delay", "interval", "wait", "min_delay"), "initial"),
        **dict.fromkeys(("on", "exceptions", "autoretry_for"), "retry_on"),
        **dict.fromkeys(("except", "dont_autoretry_for", "abort_on"), "give_up_on"),
        **dict.fromkeys(("timeout", "max_time", "deadline"), "max_elapsed"),
    },
    "retention": {
        **dict.fromkeys(("successful", "succeeded", "completed"), "success"),
        **dict.fromkeys(("failure", "error", "dead"), "failed"),
    },
    "unique": {
        **dict.fromkeys(("by", "on", "fields", "id", "fingerprint"), "key"),
        **dict.fromkeys(("states", "while", "until", "lock"), "scope"),
        **dict.fromkeys(("ttl", "window", "lock_ttl", "unique_for", "for"), "period"),
        **dict.fromkeys(("conflict", "onconflict"), "on_conflict"),
    },
}
TABLE_SYNONYMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("job", "tasks", "task", "schedules"), "jobs"),
    **dict.fromkeys(("default",), "defaults"),
    **dict.fromkeys(("calendar", "holidays"), "calendars"),
    **dict.fromkeys(("category", "failures", "exceptions"), "categories"),
    **dict.fromkeys(("taskd", "settings", "scheduler", "server"), "daemon"),
}
DAEMON_SYNONYMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("database", "db", "url", "jobstore"), "store"),
    **dict.fromkeys(("threads", "concurrency", "max_workers"), "workers"),
    **dict.fromkeys(("pythonpath", "path", "sys_path"), "python_path"),
    **dict.fromkeys(("tz", "time_zone"), "timezone"),
    **dict.fromkeys(("grace", "shutdown_timeout"), "shutdown_grace"),
    "includes": "include",
}


def job_key_flaws(entry: Iterable[str]) -> list[Flaw]:
    """What is wrong with the keys of a job entry."""
    return _key_flaws(entry, JOB_KEYS, LATER_JOB_KEYS, SYNONYMS)


def nested_key_flaws(key: str, table: Iterable[str]) -> list[Flaw]:
    """What is wrong with the keys of the table that is the value of `key` of a job."""
    flaws = _key_flaws(table, NESTED_KEYS[key], frozenset(), NESTED_SYNONYMS[key])
    return [replace(flaw, path=(key, *flaw.path)) for flaw in flaws]


def daemon_key_flaws(table: Iterable[str]) -> list[Flaw]:
    """What is wrong with the keys of [daemon]."""
    return _key_flaws(table, DAEMON_KEYS, frozenset(), DAEMON_SYNONYMS)


def calendar_key_flaws(table: Iterable[str]) -> list[Flaw]:
    """What is wrong with the keys of a [calendars.NAME] table."""
    return _key_flaws(table, CALENDAR_KEYS, frozenset(), CALENDAR_SYNONYMS)


def table_flaws(document: Iterable[str]) -> list[Flaw]:
    """What is wrong with the names of the tables of a file."""
    return _key_flaws(document, TABLES, LATER_TABLES, TABLE_SYNONYMS)


def _key_flaws(
    keys: Iterable[str],
    known: frozenset[str],
    later: frozenset[str],
    synonyms: Mapping[str, str],
) -> list[Flaw]:
    flaws = []
    for key in keys:
        if key in later:
            flaws.append(Flaw((key,), NOT_SUPPORTED, at_key=True))
        elif key not in known:
            hint = _meaning(synonyms[key], later) if key in synonyms else ""
            if not hint and len(flaws) < MOST_HINTS:
                hint = nearest(key, known | later)
            flaws.append(Flaw((key,), "there is no such key", hint, at_key=True))
    return flaws


def _meaning(word: str, later: frozenset[str]) -> str:
    is_later = word.partition(".")[0] in later
    return f"the key is {word}" + (f", which is {NOT_SUPPORTED}" if is_later else "")
