"""Each way to misbehave ends on each executor as the page says, and holds up no other job."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.live import Live, live
from tests.matrix import measuring, table
from tests.matrix.badly import BAD

__all__ = ["live"]


@pytest.fixture(scope="module")
def shared() -> Iterator[Live]:
    """One daemon for all that do not end it."""
    daemon = Live(Path(tempfile.mkdtemp(prefix="taskd-")))
    measuring.start(daemon)
    yield daemon
    assert daemon.process is not None
    daemon.process.kill()
    daemon.process.wait()
    assert daemon.reader is not None
    daemon.reader.join()
    shutil.rmtree(daemon.folder)


@pytest.mark.parametrize("name", BAD)
def test_it_ends_as_the_page_says(shared: Live, name: str) -> None:
    row = [cell.strip() for cell in table.documented()[name].split("|")[2:-1]]
    expected = {one: cell for one, cell in zip(table.EXECUTORS, row, strict=True) if cell}
    assert expected.keys() == set(table.executors_of(name))
    measured = measuring.measure(shared, name)
    assert measured == {one: expected[one] for one in measured}


@pytest.mark.parametrize("executor", table.WITHIN)
@pytest.mark.parametrize("name", table.FATAL)
def test_what_ends_the_daemon_ends_as_the_page_says_after_a_restart(
    live: Live, name: str, executor: str
) -> None:
    measuring.start(live)
    column = table.EXECUTORS.index(executor) + 2
    expected = table.documented()[name].split("|")[column].strip()
    assert measuring.measure_fatal(live, name, executor) == expected


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_gigabyte_is_printed_on_each_executor_in_bounded_memory(live: Live) -> None:
    measuring.start(live, TASKD_MATRIX_OUTPUT="1024")
    assert live.process is not None
    for executor in table.EXECUTORS:
        run = live.client.trigger(table.job("much_output", executor))["id"]
        measuring.run_another(live)
        assert live.client.wait(run, 600)["state"] == "SUCCEEDED"
        kept = sum(file.stat().st_size for file in live.folder.rglob(f"*/{run}/*"))
        assert kept < 1.1 * 1024 * 1024
    status = Path(f"/proc/{live.process.pid}/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    assert int(peak) < 200 * 1024


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_result_of_100_megabytes_is_kept_in_part(live: Live) -> None:
    measuring.start(live, TASKD_MATRIX_RESULT="100")
    for executor in table.executors_of("result_too_large"):
        run = live.client.trigger(table.job("result_too_large", executor))["id"]
        ended = live.client.wait(run, 300)
        assert table.cell(ended, is_output_cut=False) == "SUCCEEDED, result cut"


def test_the_page_has_a_row_for_each() -> None:
    assert list(table.documented()) == list(BAD)
