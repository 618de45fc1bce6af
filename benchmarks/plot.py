"""Plots of the scaling laws: one small SVG each, written by hand; both axes are logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.readings import Run

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 40, 44, 56
LAWS = {
    "pending": "tasks pending",
    "history": "runs in the history",
    "jobs": "periodic jobs",
    "workers": "workers",
    "payload": "bytes of argument, and of result",
}
SERIES = {"us_per_run": ("wall time", "#0969da"), "cpu_us_per_run": ("CPU time", "#bf8700")}
# Legible on a light and on a dark page.
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#57606a}.title{font-size:14px;font-weight:600}"
    ".grid{stroke:#8b949e;stroke-opacity:.35}"
    "@media(prefers-color-scheme:dark){text{fill:#9da7b1}}"
)


@dataclass(frozen=True)
class Point:
    """A median with its range."""

    at: float
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Axis:
    """A logarithmic scale from powers of ten to pixels."""

    low: int
    high: int
    begin: float
    end: float

    @classmethod
    def over(cls, values: Iterable[float], begin: float, end: float) -> Axis:
        """The axis that shows all of `values`."""
        logs = [math.log10(value) for value in values]
        low, high = math.floor(min(logs)), math.ceil(max(logs))
        return cls(low, max(high, low + 1), begin, end)

    def place(self, value: float) -> float:
        """The pixel of a value."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.begin + share * (self.end - self.begin), 1)

    def ticks(self) -> list[int]:
        """The powers of ten."""
        return [10**power for power in range(self.low, self.high + 1)]


def plot_laws(run: Run, folder: Path) -> list[Path]:
    """Write a plot for each law that was measured; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for held, title in LAWS.items():
        series = {figure: _points(run, held, figure) for figure in SERIES}
        if len(series["us_per_run"]) < 2:
            continue
        file = folder / f"{held}.svg"
        file.write_text(_svg(title, series))
        files.append(file)
    return files


def _points(run: Run, held: str, figure: str) -> list[Point]:
    points = []
    for reading in run.readings:
        values = reading.values(figure)
        middle = reading.median(figure)
        if reading.case.startswith(f"law-{held}-") and middle is not None:
            points.append(Point(reading.asked[held], min(values), middle, max(values)))
    return sorted(points, key=lambda point: point.at)


def _svg(title: str, series: dict[str, list[Point]]) -> str:
    points = [point for line in series.values() for point in line]
    across = Axis.over((point.at for point in points), LEFT, WIDTH - RIGHT)
    up = Axis.over((v for p in points for v in (p.low, p.high)), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>Cost of a run against {title}</title><style>{STYLE}</style>",
        _text(LEFT, 22, "Microseconds per run", kind="title"),
        *_grid(across, up),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, title, anchor="middle"),
    ]
    for at, (figure, line) in enumerate(series.items()):
        name, colour = SERIES[figure]
        parts += _line(line, across, up, colour)
        right = WIDTH - RIGHT - 90 * (len(series) - 1 - at)
        parts.append(f'<circle cx="{right - 64}" cy="18" r="4" fill="{colour}"/>')
        parts.append(_text(right - 56, 22, name))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _grid(across: Axis, up: Axis) -> Iterable[str]:
    for tick in across.ticks():
        x = across.place(tick)
        yield f'<path class="grid" d="M{x} {TOP}V{HEIGHT - BOTTOM}"/>'
        yield _text(x, HEIGHT - BOTTOM + 18, f"{tick:,}", anchor="middle")
    for tick in up.ticks():
        y = up.place(tick)
        yield f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        yield _text(LEFT - 8, y + 4, f"{tick:,}", anchor="end")


def _line(points: Sequence[Point], across: Axis, up: Axis, colour: str) -> Iterable[str]:
    way = " ".join(f"{across.place(point.at)},{up.place(point.middle)}" for point in points)
    yield f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for point in points:
        x = across.place(point.at)
        low, middle, high = (up.place(v) for v in (point.low, point.middle, point.high))
        yield f'<path d="M{x} {low}V{high}" stroke="{colour}"/>'
        yield f'<circle cx="{x}" cy="{middle}" r="4" fill="{colour}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{kind}>{text}</text>'
