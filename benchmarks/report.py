"""The report of a run as Markdown: a table for each group of cases, and the targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.cases import CASES, Case
from benchmarks.contestants import CONTESTANTS
from benchmarks.readings import Reading, Run
from benchmarks.targets import TARGETS

TITLES = {
    "per_s": "tasks/s",
    "one_per_s": "one a call /s",
    "threads_per_s": "64 threads /s",
    "batch_per_s": "100 a call /s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "earliest_ms": "earliest ms",
    "runs_share": "of the runs due",
    "add_s": "added, s",
    "bytes_each": "bytes each",
    "restart_s": "restart, s",
    "next_late_ms": "next is late, ms",
    "load_s": "load, s",
    "wakeups": "wake-ups",
    "cpu_s": "CPU s",
    "ping_p99_ms": "ping p99 ms",
    "ready_s": "ready, s",
    "missing": "not done in the time",
    "after_s": "last done after, s",
}


def report(run: Run) -> str:
    """All of a run, as Markdown."""
    parts = [_heading(run), targets(run)]
    parts += [table(run, case) for case in CASES if case.group != "laws" and _has(run, case)]
    parts += [_durability()]
    return "\n\n".join(part for part in parts if part) + "\n"


def targets(run: Run) -> str:
    """The targets with what was measured."""
    lines = ["| what | target | measured | reached |", "|---|---|---|---|"]
    for target in TARGETS:
        value = target.value(run)
        if value is None:
            measured, reached = "not measured", ""
        else:
            measured, reached = number(value), "yes" if target.holds(value) else "**no**"
        lines.append(f"| {target.what} | {target.bound} | {measured} | {reached} |")
    if any(reading.is_quick for reading in run.readings):
        lines += ["", "The targets are those of the full size; the quick one asks for less."]
    return "\n".join(lines)


def number(value: float) -> str:
    """Three digits, or all of those before the point."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.4f}"


def _heading(run: Run) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    quick = {reading.is_quick for reading in run.readings}
    size = "the full size, the cases marked quick in that" if len(quick) > 1 else "the full size"
    size = "the quick size" if quick == {True} else size
    return f"Measured on: {machine}. Ran {size} in {run.took_s / 60:.0f} minutes."


def _has(run: Run, case: Case) -> bool:
    return any(reading.case == case.name for reading in run.readings)


def table(run: Run, case: Case) -> str:
    """One case: a row for each contestant, a column for each figure."""
    readings = [reading for reading in run.readings if reading.case == case.name]
    names = list(dict.fromkeys(name for r in readings for one in r.figures for name in one))
    repeated = max(len(reading.figures) for reading in readings)
    titles = [TITLES.get(name, name.replace("_", " ")) for name in names]
    times = "once" if repeated == 1 else f"{repeated} times"
    times = f"quick, {times}" if any(reading.is_quick for reading in readings) else times
    lines = [
        f"**{case.title}** ({times}: median, and range)",
        "",
        "| " + " | ".join(["", *titles]) + " |",
        "|" + "---|" * (len(titles) + 1),
        *_rows(readings, names),
    ]
    return "\n".join(lines)


def _rows(readings: Sequence[Reading], names: Sequence[str]) -> Iterator[str]:
    for reading in readings:
        if not reading.figures:
            reason = " ".join(reading.reason.splitlines()[-1:])
            yield f"| {reading.contestant} | did not run: {reason} |" + " |" * (len(names) - 1)
            continue
        cells = [_cell(reading, name) for name in names]
        yield "| " + " | ".join([reading.contestant, *cells]) + " |"


def _cell(reading: Reading, name: str) -> str:
    values, median = reading.values(name), reading.median(name)
    if median is None:
        return "–"
    if len(values) == 1:
        return number(median)
    return f"{number(median)} ({number(min(values))}–{number(max(values))})"


def _durability() -> str:
    lines = ["| contestant | what it keeps |", "|---|---|"]
    lines += [f"| {one.name} | {one.keeps} |" for one in CONTESTANTS]
    return "\n".join(lines)
