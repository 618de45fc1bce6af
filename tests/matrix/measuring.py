"""How the cells of the table are measured: under a real daemon, as a user would."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from taskd.errors import ApiError
from tests.daemon.live import PATIENCE_S, Live
from tests.matrix import table

ON_TIME_S: Final = 2.0  # for a run of another job, on a machine that does much else


def start(live: Live, **environ: str) -> None:
    """Start a daemon on all the jobs of the table."""
    live.start(table.jobs(), TASKD_MATRIX_ENOUGH=str(live.folder / "enough"), **environ)


def measure(live: Live, name: str) -> dict[str, str]:
    """What one way to misbehave comes to, by executor, none of which ends the daemon."""
    is_fatal = name in table.FATAL
    those = [one for one in table.executors_of(name) if not is_fatal or one not in table.WITHIN]
    runs = {one: live.client.trigger(table.job(name, one))["id"] for one in those}
    ended = {one: _end(live, run) for one, run in runs.items()}
    run_another(live)
    cells = {
        one: table.cell(run, is_output_cut=_is_cut(live, run["id"])) for one, run in ended.items()
    }
    if name == "endless_loop":
        (live.folder / "enough").touch()
        for run in runs.values():
            live.client.wait(run, PATIENCE_S)
    return cells


def measure_fatal(live: Live, name: str, executor: str) -> str:
    """What it comes to, to have the daemon die and be started again."""
    job = table.job(name, executor)
    with suppress(ApiError):  # it may have no time to answer
        live.client.trigger(job)
    assert live.process is not None
    live.process.wait(PATIENCE_S)
    assert live.reader is not None
    live.reader.join(PATIENCE_S)
    start(live)
    (run,) = (one["id"] for one in live.client.runs(job))
    ended = _end(live, run)
    run_another(live)
    return table.cell(ended, is_output_cut=_is_cut(live, run))


def run_another(live: Live) -> None:
    """See that another job runs on time."""
    run = live.client.wait(live.client.trigger("other")["id"], PATIENCE_S)
    assert run["state"] == "SUCCEEDED"
    due, began = (datetime.fromisoformat(run[key]) for key in ("scheduled_at", "started_at"))
    assert (began - due).total_seconds() < ON_TIME_S


def _end(live: Live, run: str) -> dict[str, Any]:
    """The run once it is final, or given up."""

    def is_over() -> bool:
        seen = live.client.run(run)
        return seen["finished_at"] is not None or bool(seen["abandoned"])

    live.until(is_over)
    return live.client.run(run)


def _is_cut(live: Live, run: str) -> bool:
    """Whether the output kept of a run lacks its middle."""
    after = None
    while True:
        piece = live.client.logs(run, after=after)
        if piece["left_out"]:
            return True
        if piece["is_last"] or piece["after"] == after:
            return False
        after = piece["after"]
