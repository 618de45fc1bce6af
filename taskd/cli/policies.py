"""Policies: the flags of `taskd add` that are named as the keys of jobs.toml.

``retry.max_attempts`` is ``--retry-max-attempts``: a dash for each dot and each underscore. What
was typed goes to the daemon as it is, and there is judged as if it stood in the file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, cast

import typer

from taskd.cli.values import iso, named_texts, value

Typed: TypeAlias = str | int | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class Policy:
    """A key of jobs.toml, what its value is on the command line, and what the help says of it.

    `flag` is one of its own: shorter, where the key says a word twice, or in the place of the one
    that is named as the key, where that is taken (`is_taken`).
    """

    key: str
    kind: Any
    metavar: str | None
    help: str
    flag: str = ""
    is_taken: bool = False

    @property
    def flags(self) -> list[str]:
        """The flag named as the key, with its contrary where it is yes or no, and its own."""
        words = self.key.replace(".", "-").replace("_", "-")
        named = f"--{words}/--no-{words}" if self.kind is bool else f"--{words}"
        return [*([] if self.is_taken else [named]), *filter(None, [self.flag])]


POLICIES: Final = (
    Policy("align", bool, None, "Run on multiples of --every."),
    Policy("carry", bool, None, "Pass on the last result."),
    Policy("priority", str, "LEVEL", "low, normal, high, critical, or -100..100."),
    Policy("tags", list[str], "TAG", "For people; may repeat.", "--tag"),
    Policy("description", str, "TEXT", "For people."),
    Policy("enabled", bool, None, "No: never due, but can be triggered."),
    Policy("executor", str, "WORD", "thread, process, async, command"),
    Policy("shell", bool, None, "Have a shell run --command."),
    Policy("env", list[str], "K=V", "Set in its environment; may repeat."),
    Policy("cwd", str, "DIR", "The directory that it runs in."),
    Policy("nice", int, "N", "0..19: yield so much to other processes."),
    Policy("timeout", str, "DURATION", "How long an attempt may take.", "--run-timeout", True),
    Policy("kill_grace", str, "DURATION", "How long it has to end when it is asked to."),
    Policy("max_memory", str, "SIZE", "512MiB; its process cannot have more."),
    Policy("max_cpu_time", str, "DURATION", "A process that uses more is killed."),
    Policy("capture_output", bool, None, "Keep what it prints, for taskd logs."),
    Policy("output_limit", str, "SIZE", "How much of that is kept: 1MiB"),
    Policy("timezone", str, "ZONE", "Europe/Berlin"),
    Policy("mode", str, "MODE", "fixed-rate, fixed-delay: --every from due time, or from the end"),
    Policy("on", list[str], "EVENT", "boot: at each start of the daemon"),
    Policy("dst_gap", str, "WORD", "next, skip: times that the clocks skip"),
    Policy("dst_overlap", str, "WORD", "first, last, both: times that they repeat"),
    Policy("day_match", str, "WORD", "or, and: day of month, weekday"),
    Policy("jitter", str, "DURATION", "Start up to so much later."),
    Policy("start_at", str, "TIME", "Never due before then."),
    Policy("end_at", str, "TIME", "Never due then or later."),
    Policy("max_runs", int, "N", "The schedule is finished after so many."),
    Policy("exclude", list[str], "CALENDAR", "Skip the days of that calendar; may repeat."),
    Policy("misfire_grace_time", str, "DURATION", "How late it may still run; or inf"),
    Policy("catchup", str, "WORD", "latest, all, skip: what runs of what was missed"),
    Policy("catchup_limit", int, "N", "How many --catchup all runs at most."),
    Policy(
        "overlap", str, "WORD", "skip, buffer-one, buffer-all, cancel-other, terminate-other, allow"
    ),
    Policy("max_instances", int, "N", "How many run at once."),
    Policy("unique.key", str, "TEXT", "Runs of one key are the same work: {region}."),
    Policy("unique.scope", str, "WORD", "pending, incomplete, period: how long it is the same"),
    Policy("unique.period", str, "DURATION", "How long, with --unique-scope period."),
    Policy("unique.on_conflict", str, "WORD", "skip, replace, error: what becomes of a second"),
    Policy("retry.max_attempts", int, "N", "Attempts in all; 1: no retries."),
    Policy("retry.backoff", str, "WORD", "fixed, linear, exponential: how delays grow"),
    Policy("retry.initial", str, "DURATION", "The first delay."),
    Policy("retry.max_delay", str, "DURATION", "The longest delay."),
    Policy("retry.jitter", str, "WORD", "none, full, equal: how random delays are"),
    Policy("retry.max_elapsed", str, "DURATION", "No attempt starts so long after the first."),
    Policy("retry.retry_on", list[str], "CLASS", "Retry these alone; may repeat.", "--retry-on"),
    Policy(
        "retry.give_up_on", list[str], "CLASS", "Never retry these; may repeat.", "--give-up-on"
    ),
    Policy("on_crash", str, "WORD", "retry, fail: when the process died"),
    Policy("max_crashes", int, "N", "Crashes after which a run is DEAD."),
    Policy("pause_after_failures", int, "N", "Pause after so many bad runs in a row."),
    Policy("retention.success", str, "DURATION", "How long runs that went well are kept."),
    Policy("retention.failed", str, "DURATION", "How long runs that failed are kept."),
)


def with_policies(verb: Callable[..., None]) -> Callable[..., None]:
    """Give `verb` a flag for each policy, in the place of its ``**policies``, named by its key."""
    signature = inspect.signature(verb, eval_str=True)
    *own, rest = signature.parameters.values()
    assert rest.kind is inspect.Parameter.VAR_KEYWORD
    flags = [
        inspect.Parameter(
            policy.key.replace(".", "__"),
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                policy.kind | None,
                typer.Option(*policy.flags, metavar=policy.metavar, help=policy.help),
            ],
        )
        for policy in POLICIES
    ]
    verb.__signature__ = signature.replace(parameters=[*own, *flags])  # type: ignore[attr-defined]
    return verb


def nested(policies: Mapping[str, Typed]) -> dict[str, object]:
    """The policies that were typed, as an entry of jobs.toml holds them."""
    entry: dict[str, Any] = {}
    for name, typed in policies.items():
        if typed is None:
            continue
        if name in ("start_at", "end_at"):
            typed = iso(str(typed), f"--{name.replace('_', '-')}")
        elif name == "priority":
            typed = cast(Typed, value(str(typed)))
        elif name == "cwd":  # the daemon is at home elsewhere
            typed = str(Path(str(typed)).absolute())
        elif name == "env":
            variables = named_texts(cast("list[str]", typed), "--env")
            entry[name] = variables
            continue
        table, _, key = name.partition("__")
        if key:
            entry.setdefault(table, {})[key] = typed
        else:
            entry[table] = typed
    return entry
