"""Rules of the benchmark suite, so that it does not rot between the runs that people look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import cases, contestants, plot, report, targets
from benchmarks.cases import CASES, Case, Size
from benchmarks.contract import Figures, Measures, lateness_of, percentile
from benchmarks.readings import Reading, Run, this_machine
from benchmarks.runner import Runner
from benchmarks.services import NoService

SMALL: dict[str, dict[str, Any]] = {
    "throughput": {"count": 200, "workers": 8},
    "enqueue": {"count": 20},
    "lateness": {"count": 20, "over_s": 0.2},
    "pending": {"count": 1000},
    "law": {"count": 100, "history": 100},
}


def made(case: str, measure: str, contestant: str, *figures: Figures, reason: str = "") -> Run:
    reading = Reading(case, contestant, {measure: 1}, list(figures), reason)
    return Run(this_machine(), readings=[reading])


@pytest.mark.parametrize("measure", SMALL)
def test_each_measure_answers_with_figures(measure: str) -> None:
    run = Run(this_machine())
    case = Case(
        "tiny", "tiny", "Tiny", measure, ("taskd, durable", "the machine"), Size(1), Size(1)
    )
    Runner(run, {}).case(case, Size(1, SMALL[measure]))
    ours, limit = run.readings
    assert ours.figures, ours.reason
    assert all(value >= 0 for value in ours.figures[0].values())
    assert limit.figures or limit.reason.startswith(("has no", "is not asked"))
    assert "| taskd, durable | " in report.table(run, case)


def test_a_crash_is_recovered_from() -> None:
    run = Run(this_machine())
    case = Case("crash", "crash", "Crash", "begin", ("taskd, durable",), Size(1), Size(1), "crash")
    Runner(run, {}).case(case, Size(1, {"count": 40, "patience_s": 30.0}))
    (reading,) = run.readings
    assert reading.figures, reading.reason
    assert reading.figures[0]["missing"] == 0


def test_what_did_not_run_says_why_and_has_no_number() -> None:
    run = Run(this_machine())
    names = ("Celery, Redis", "the machine")
    case = Case("drift", "drift", "Drift", "drift", names, Size(1), Size(1))
    asked = {"jobs": 1, "interval_s": 0.1, "for_s": 0.1}
    Runner(run, {"redis": NoService("no redis-server here")}).case(case, Size(1, asked))
    table = report.table(run, case)
    assert "| Celery, Redis | did not run: no redis-server here |" in table
    assert "| the machine | did not run: has no periodic jobs that often |" in table


def test_every_case_names_known_contestants_and_an_existing_measure() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        assert set(case.contestants) <= set(contestants.BY_NAME)
        assert callable(getattr(Measures, case.measure))


def test_every_target_reads_a_figure_of_a_case() -> None:
    run = Run(this_machine())
    for case in CASES:
        for name in case.contestants:
            figures = dict.fromkeys([*report.TITLES, *LAW_FIGURES, *COMMAND_FIGURES], 1.0)
            run.readings.append(Reading(case.name, name, case.full.asked, [figures]))
    assert [target.value(run) for target in targets.TARGETS] == [1.0] * len(targets.TARGETS)


LAW_FIGURES = ("us_per_run", "cpu_us_per_run")
COMMAND_FIGURES = (
    "status_ratio",
    "ping_ratio",
    "help_ratio",
    "status_1000_to_10",
    "completion_ms",
)


def test_a_target_is_reached_at_its_limit_and_not_beyond_it() -> None:
    least = targets.Target("a", 6, lambda _: None, at_least=True)
    most = targets.Target("b", 6, lambda _: None)
    assert (least.holds(6), least.holds(5.9), most.holds(6), most.holds(6.1)) == (
        True,
        False,
        True,
        False,
    )
    assert "| not measured |" in report.targets(Run({}))


def test_a_run_is_kept_and_read_again(tmp_path: Path) -> None:
    run = made("burst", "count", "the machine", {"p99_ms": 3.0}, {"p99_ms": 1.0})
    run.keep(tmp_path / "new" / "run.json")
    again = Run.load(tmp_path / "new" / "run.json")
    assert again == run
    assert again.median("burst", "the machine", "p99_ms") == 2.0
    later = replace(run.readings[0], figures=[{"p99_ms": 5.0}], is_quick=True)
    again.take("burst", [later])
    assert again.readings == [later]
    assert "Ran the quick size" in report.report(again)
    assert "(quick, once:" in report.report(again)


def test_laws_are_plotted_on_logarithmic_axes(tmp_path: Path) -> None:
    run = Run({})
    for jobs, cost in ((1, 100.0), (100, 110.0), (10_000, 1000.0)):
        figures = [{"us_per_run": cost * k, "cpu_us_per_run": cost / 2} for k in (0.9, 1.0, 1.2)]
        run.readings.append(Reading(f"law-jobs-{jobs}", "taskd, durable", {"jobs": jobs}, figures))
    (file,) = plot.plot_laws(run, tmp_path)
    picture = ElementTree.parse(file).getroot()
    line = next(element for element in picture.iter() if element.tag.endswith("polyline"))
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert [x for x, _ in points] == [
        plot.LEFT,
        (plot.LEFT + plot.WIDTH - plot.RIGHT) / 2,
        plot.WIDTH - plot.RIGHT,
    ]
    assert points[0][1] > points[1][1] > points[2][1]


def test_a_percentile_is_a_value_that_was_there() -> None:
    late = [n / 1000 for n in range(100)]
    assert (percentile(late, 0.5), percentile(late, 0.99), percentile([7.0], 0.99)) == (
        0.049,
        0.098,
        7.0,
    )
    assert lateness_of(late)["p99_ms"] == pytest.approx(98.0)


def test_the_quick_size_asks_what_the_full_size_does() -> None:
    for case in cases.CASES:
        if case.quick.repetitions:
            assert case.quick.asked.keys() == case.full.asked.keys()
