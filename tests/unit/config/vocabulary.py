"""Every key of jobs.toml with values that are right for it, and ways to get one thing wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import strategies as st

Table = dict[str, object]

NOON = datetime(2030, 12, 24, 12, 0, tzinfo=UTC)
JSON = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
DURATIONS = st.sampled_from(["100ms", "1.5s", "30s", "1m30s", "2h", "1d12h", "2w", "90.001s"])
SIZES = st.sampled_from(["4096B", "64KiB", "1 MiB", "3MB", "5GiB", "1TB", "1025B"])
WORDS = st.text(max_size=12)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Tokyo"])
COUNTS = st.integers(1, 50)
MOMENTS = st.sampled_from(
    [
        NOON,
        NOON.astimezone(timezone(timedelta(hours=1))),
        NOON.replace(tzinfo=None),
        NOON.replace(microsecond=250_000),
        "2031-01-01T00:00:00Z",
        "2031-01-01 06:30",
    ]
)
CRON = st.sampled_from(
    ["*/5 * * * *", "30 2 * * mon-fri", "0 0 L * *", "@daily", "5 0 3 * * 1#2", "H H * * *"]
)
CLASSES = st.sampled_from(["ConnectionError", "TimeoutError", "transient"])


def words(*choices: str) -> st.SearchStrategy[object]:
    return st.sampled_from(choices)


def one_or_more(item: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return item | st.lists(item, min_size=1, max_size=3)


RETRY = {
    "max_attempts": COUNTS,
    "backoff": words("fixed", "linear", "exponential"),
    "initial": st.sampled_from(["0s", "1s", "2.5s"]),
    "max_delay": st.sampled_from(["5s", "1h"]),
    "jitter": words("none", "full", "equal"),
    "max_elapsed": st.sampled_from(["1m", "2d"]),
    "retry_on": one_or_more(CLASSES),
    "give_up_on": one_or_more(words("ValueError", "work.Fatal")),
}
RETENTION = {"success": DURATIONS, "failed": DURATIONS}
UNIQUE = {
    "key": words("", "{region}", "{0}-x"),
    "scope": words("pending", "incomplete"),
    "on_conflict": words("skip", "replace", "error"),
}
COMMON: dict[str, st.SearchStrategy[object]] = {
    "description": WORDS,
    "tags": st.lists(WORDS, max_size=3),
    "enabled": st.booleans(),
    "timezone": ZONES,
    "priority": words("low", "normal", "high", "critical") | st.integers(-100, 100),
    "overlap": words(
        "skip", "buffer-one", "buffer-all", "cancel-other", "terminate-other", "allow"
    ),
    "max_instances": COUNTS,
    "unique": st.fixed_dictionaries({}, optional=UNIQUE)
    | st.just({"scope": "period", "period": "1h"}),
    "retry": st.fixed_dictionaries({}, optional=RETRY),
    "on_crash": words("retry", "fail"),
    "max_crashes": COUNTS,
    "pause_after_failures": COUNTS,
    "retention": st.fixed_dictionaries({}, optional=RETENTION),
    "timeout": DURATIONS,
    "kill_grace": DURATIONS,
    "capture_output": st.booleans(),
    "output_limit": SIZES,
}
OF_PROCESSES: dict[str, st.SearchStrategy[object]] = {
    "env": st.dictionaries(st.sampled_from(["A", "PATH", "x_1"]), words("", "b c", "ü")),
    "cwd": words(".", "/tmp", "sub/dir"),
    "nice": st.integers(0, 19),
    "max_memory": SIZES,
    "max_cpu_time": st.sampled_from(["1s", "2.5s", "1h"]),
}
OF_SCHEDULES: dict[str, st.SearchStrategy[object]] = {
    "jitter": st.sampled_from(["0s", "50ms", "1m"]),
    "start_at": st.just(datetime(2029, 1, 1)),
    "end_at": st.just("2040-01-01T00:00:00Z"),
    "max_runs": COUNTS,
    "exclude": words("holidays") | st.just(["holidays", "weekends"]),
    "misfire_grace_time": DURATIONS | st.just("inf"),
    "catchup": words("latest", "all", "skip"),
    "catchup_limit": COUNTS,
}
TRIGGERS: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "every": {
        "every": DURATIONS,
        "mode": words("fixed-rate", "fixed-delay"),
        "align": st.just(False),
    },
    "cron": {
        "cron": one_or_more(CRON) | st.just(["@daily", "@reboot"]),
        "dst_gap": words("next", "skip"),
        "dst_overlap": words("first", "last", "both"),
        "day_match": words("or", "and"),
    },
    "at": {"at": one_or_more(MOMENTS)},
    "on": {"on": words("boot") | st.just(["boot"])},
}
CALLS: tuple[st.SearchStrategy[Table], ...] = (
    st.fixed_dictionaries(
        {"call": words("work:f", "a.b:c.d")},
        optional={"args": st.lists(JSON, max_size=3), "kwargs": st.dictionaries(WORDS, JSON)},
    ),
    st.fixed_dictionaries(
        {"call": words("work:f"), "executor": words("process")},
        optional={**OF_PROCESSES, "kwargs": st.dictionaries(WORDS, JSON, max_size=2)},
    ),
    st.fixed_dictionaries(
        {"call": words("work:f"), "args": st.just([1]), "carry": st.booleans()},
    ),
    st.fixed_dictionaries(
        {"command": words("echo hi", 'a "b c"') | st.just(["ls", "-l", "a b"])},
        optional=OF_PROCESSES,
    ),
    st.fixed_dictionaries({"command": words("a | b > c"), "shell": st.booleans()}),
)
CALENDARS: Table = {
    "holidays": {"dates": [date(2026, 12, 25), "2027-01-01"]},
    "weekends": {"weekdays": ["sat", "Sunday"]},
}
CATEGORIES: Table = {"transient": ["ConnectionError", "TimeoutError"]}
DAEMON: dict[str, st.SearchStrategy[object]] = {
    "store": words("sqlite:///t.db", "sqlite:///var/lib/taskd/taskd.db"),
    "durability": words("full", "normal"),
    "timezone": ZONES,
    "workers": st.integers(1, 1000),
    "python_path": st.lists(words(".", "lib", "/srv/app"), max_size=2),
    "shutdown_grace": DURATIONS,
    "include": st.just(["conf.d/*.toml"]),
    "reload": words("auto", "signal", "off"),
}


@st.composite
def entries(draw: st.DrawFn) -> Table:
    """A table [jobs.NAME] that is right."""
    entry = draw(st.sampled_from(CALLS).flatmap(lambda call: call))
    keys = dict(COMMON)
    trigger = draw(st.sampled_from([None, *TRIGGERS]))
    if trigger is not None:
        keys |= TRIGGERS[trigger]
        entry[trigger] = draw(keys.pop(trigger))
    if trigger in ("every", "cron", "at"):
        keys |= OF_SCHEDULES
    chosen = draw(st.lists(st.sampled_from(sorted(keys)), unique=True, max_size=6))
    entry |= {key: draw(keys[key]) for key in chosen}
    if entry.get("carry") and entry.get("overlap") == "allow":
        del entry["overlap"]
    return entry


@st.composite
def files(draw: st.DrawFn) -> Table:
    """A jobs.toml that is right."""
    return {
        "daemon": draw(st.fixed_dictionaries({}, optional=DAEMON)),
        "defaults": draw(st.fixed_dictionaries({}, optional={"retry": COMMON["retry"]})),
        "calendars": CALENDARS,
        "categories": CATEGORIES,
        "jobs": draw(
            st.dictionaries(st.from_regex(r"[a-z][a-z.-]{1,9}", fullmatch=True), entries())
        ),
    }


def known_keys() -> set[str]:
    """The keys of a job that `entries` makes use of."""
    keys = {*COMMON, *OF_PROCESSES, *OF_SCHEDULES}
    for trigger in TRIGGERS.values():
        keys |= trigger.keys()
    return keys | {"call", "args", "kwargs", "carry", "command", "shell", "executor"}
