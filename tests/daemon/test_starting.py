"""What `taskd init` writes, under a real daemon."""

from __future__ import annotations

from tests.daemon.live import Live


def test_what_init_wrote_runs(live: Live) -> None:
    assert live.taskd("init", str(live.folder)).returncode == 0
    assert "6 jobs" in live.start()
    live.line_with(" hello ")
    greeted = live.taskd("trigger", "launch", "--wait")
    assert greeted.returncode == 0, greeted.stderr
    assert "Hello, new year." in live.taskd("logs", greeted.stdout.strip()).stdout
    for job in ("count", "free-space", "uptime"):
        ended = live.taskd("trigger", job, "--wait")
        assert ended.returncode in (0, 5), ended.stderr  # 5: it runs already
    live.until(lambda: live.job("count")["counts"].get("SUCCEEDED"))
    live.until(lambda: live.job("free-space")["counts"].get("SUCCEEDED"))
    assert (live.folder / "free-space.csv").read_text()
