"""What runs under a real daemon, and how far it has come, on every executor."""

from __future__ import annotations

from tests.daemon.live import Live

MORE = """
def count(name):
    from taskd import current_run
    for done in range(100_001):
        current_run.progress(done, 400_000, "items")
    return hold(name)

async def acount(name):
    import asyncio
    from taskd import current_run
    current_run.progress(1, 10**9)
    await asyncio.sleep(0.01)
    current_run.progress(2, 10**9)
    while not (HERE / f"{name}.open").exists():
        await asyncio.sleep(0.01)
"""
JOBS = """
[jobs.thread]
call = "work:count"
args = ["thread"]

[jobs.process]
call = "work:count"
args = ["process"]
executor = "process"

[jobs.async]
call = "work:acount"
args = ["async"]

[jobs.command]
command = 'while [ ! -e FOLDER/command.open ]; do sleep 0.01; done'
shell = true
"""


def test_what_runs_is_shown_with_its_progress(live: Live) -> None:
    (live.folder / "work.py").write_text((live.folder / "work.py").read_text() + MORE)
    live.start(JOBS.replace("FOLDER", str(live.folder)))
    assert live.process is not None
    runs = {
        job: live.client.trigger(job)["id"] for job in ("thread", "process", "async", "command")
    }

    def done() -> dict[str, object]:
        told = {one["job"]: one["progress"] for one in live.client.ps()}
        return {job: progress and progress["done"] for job, progress in told.items()}

    wanted = {"thread": 100_000, "process": 100_000, "async": 2, "command": None}
    live.until(lambda: done() == wanted)
    seen = {one["job"]: one for one in live.json("ps")}
    assert {job: one["run"] for job, one in seen.items()} == runs
    assert {job: one["executor"] for job, one in seen.items()} == {job: job for job in runs}
    pids = {job: one["pid"] for job, one in seen.items()}
    assert pids["thread"] == pids["async"] == live.process.pid
    assert len({live.process.pid, pids["process"], pids["command"]}) == 3

    assert seen["async"]["progress"]["eta_s"] > 3600

    run = live.client.run(runs["process"])
    assert (run["progress"]["total"], run["progress"]["note"]) == (400_000, "items")
    assert run["attempts"][-1]["pid"] == pids["process"]
    (listed,) = live.job("thread")["live"]
    assert listed["run"] == runs["thread"]
    assert "25% (100000 of 400000)" in live.taskd("status", "process").stdout
    assert "25% (100000 of 400000)" in live.taskd("status", runs["thread"]).stdout

    for job in runs:
        (live.folder / f"{job}.open").touch()
    live.until(lambda: live.client.ps() == [])
    assert live.client.run(runs["thread"])["progress"] is None
    assert live.taskd("ps").stderr == "nothing runs\n"
