"""Readings: what was measured, and where; kept as JSON."""

from __future__ import annotations

import json
import platform
import sqlite3
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contract import Figures
from taskd import __version__


@dataclass
class Reading:
    """The figures of one contestant in one case, one set for each repetition.

    Without any, `reason` says why it did not run. One that `is_quick` is of the quick size.
    """

    case: str
    contestant: str
    asked: dict[str, Any]
    figures: list[Figures] = field(default_factory=list)
    reason: str = ""
    is_quick: bool = False

    def median(self, name: str) -> float | None:
        """The median of a figure, None where there is none."""
        values = self.values(name)
        return statistics.median(values) if values else None

    def values(self, name: str) -> list[float]:
        """A figure of all repetitions."""
        return [figures[name] for figures in self.figures if name in figures]


@dataclass
class Run:
    """All readings of a run of the suite, or of several that went on with it, on one machine."""

    machine: dict[str, str]
    readings: list[Reading] = field(default_factory=list)
    took_s: float = 0.0

    def find(self, case: str, contestant: str) -> Reading | None:
        """One reading, None where there is none."""
        return next(
            (r for r in self.readings if r.case == case and r.contestant == contestant), None
        )

    def median(self, case: str, contestant: str, figure: str) -> float | None:
        """The median of a figure, None where it was not measured."""
        reading = self.find(case, contestant)
        return reading.median(figure) if reading else None

    def take(self, case: str, readings: Iterable[Reading]) -> None:
        """Take the readings of a case, in place of earlier ones."""
        self.readings = [reading for reading in self.readings if reading.case != case]
        self.readings += readings

    def keep(self, path: Path) -> None:
        """Write it to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Run:
        """Read it from a file."""
        document = json.loads(path.read_text())
        document["readings"] = [Reading(**reading) for reading in document["readings"]]
        return cls(**document)


def this_machine() -> dict[str, str]:
    """The kind of machine, without its name."""
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in cpus if line.startswith("model name")]
    return {
        "cores": str(len(models)),
        "processor": models[0] if models else platform.machine(),
        "taskd": __version__,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "Linux": platform.release().partition("-")[0],
    }
