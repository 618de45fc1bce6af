"""Measure the table and write it into docs/executors.md: ``make matrix``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.daemon.live import Live
from tests.matrix import measuring, table
from tests.matrix.badly import BAD


def main() -> None:
    daemon = Live(Path(tempfile.mkdtemp(prefix="taskd-")))
    measuring.start(daemon)
    rows = []
    for name in BAD:
        cells = measuring.measure(daemon, name)
        if name in table.FATAL:
            cells |= {one: measuring.measure_fatal(daemon, name, one) for one in table.WITHIN}
        rows.append(table.row(name, cells))
        print(rows[-1], end="", flush=True)
    assert daemon.process is not None
    daemon.process.kill()
    daemon.process.wait()
    shutil.rmtree(daemon.folder)
    table.write(rows)


if __name__ == "__main__":
    main()
