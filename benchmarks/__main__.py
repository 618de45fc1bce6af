"""The command of the suite: ``make bench``, or ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.plot import plot_laws
from benchmarks.readings import Run, this_machine
from benchmarks.report import report
from benchmarks.runner import ROOT, Runner
from benchmarks.services import serving

KEPT = Path(".run/benchmarks")
PAGE = ROOT / "docs/performance.md"
PLOTS = ROOT / "docs/performance"
BEGIN, END = "<!-- begin: written by make bench-docs -->", "<!-- end -->"


def main() -> int:
    """Run the suite, or write the page of a kept run."""
    wanted = _arguments()
    if wanted.write_docs is not None:
        write_docs(Run.load(wanted.write_docs))
        return 0
    chosen = [case for case in CASES if wanted.case in ("", case.name, case.group)]
    if not chosen:
        names = ", ".join(dict.fromkeys(case.group for case in CASES))
        sys.exit(f"there is no case {wanted.case}; the groups are: {names}")
    # Its servers must not outlive it: `with` ends for an exception, not for a signal's default.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    run = Run.load(wanted.keep) if wanted.keep.exists() else Run(this_machine())
    started = time.monotonic() - run.took_s
    with tempfile.TemporaryDirectory(prefix="bench-") as home, serving(Path(home)) as services:
        runner = Runner(run, services)
        for case in chosen:
            size = case.quick if wanted.quick else case.full
            if not size.repetitions:
                continue
            print(f"{time.monotonic() - started:6.0f} s  {case.title}", file=sys.stderr, flush=True)
            runner.case(case, size)
            run.took_s = time.monotonic() - started
            run.keep(wanted.keep)  # after each, so that a run that is broken off is of use
        print(report(run), flush=True)
        plots = plot_laws(run, wanted.keep.parent / "plots")
        print(f"kept as {wanted.keep}, plots: {len(plots)}", file=sys.stderr, flush=True)
    return 0


def write_docs(run: Run) -> None:
    """Put the tables of a run into the page, and its plots beside it."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{report(run)}\n{END}{after}")
    plot_laws(run, PLOTS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about 10 minutes, not an hour")
    parser.add_argument("--case", default="", help="only this case, or this group of cases")
    now = datetime.now(UTC)
    kept = KEPT / f"{now:%Y-%m-%d-%H%M%S}.json"
    parser.add_argument(
        "--keep",
        type=Path,
        default=kept,
        help="where the readings go; one that is there is gone on with",
    )
    parser.add_argument("--write-docs", type=Path, metavar="FILE", help="of a kept run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
