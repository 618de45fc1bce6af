"""Timeouts, stops and output under a real daemon: what hangs ends, and where it hung is kept."""

from __future__ import annotations

from functools import partial

from tests.daemon.live import Live

MORE = """

def hang():
    print("about to hang", flush=True)
    while True:
        pass

def stubborn(path):
    import pathlib
    while not pathlib.Path(path).exists():
        try:
            while not pathlib.Path(path).exists():
                pass
        except BaseException:
            pass
"""
JOBS = """
[jobs.thread]
call = "work:hang"
timeout = "300ms"
kill_grace = "300ms"

[jobs.process]
call = "work:hang"
executor = "process"
timeout = "300ms"
kill_grace = "300ms"

[jobs.warm]
call = "work:ping"
executor = "process"

[jobs.command]
command = ["sleep", "600"]
kill_grace = "5m"

[jobs.stubborn]
call = "work:stubborn"
args = ["{ready}"]
timeout = "200ms"
kill_grace = "100ms"
"""


def begin(live: Live, settings: str = "") -> None:
    work = live.folder / "work.py"
    work.write_text(work.read_text() + MORE)
    live.start(settings + JOBS.replace("{ready}", str(live.folder / "let_go")))


def is_running(live: Live, run: str) -> bool:
    return bool(live.client.run(run)["state"] == "RUNNING")


def test_what_hangs_is_ended_and_shows_where_it_hung(live: Live) -> None:
    begin(live)
    live.client.wait(live.client.trigger("warm")["id"], 20)  # a worker that is made takes longer
    for job in ("thread", "process"):
        run = live.client.wait(live.client.trigger(job)["id"], 20)
        assert run["state"] == "FAILED"
        assert run["error"]["type"] == "taskd.errors.TimedOut"
        assert "in hang" in run["error"]["traceback"]
        assert "taskd/executors" not in run["error"]["traceback"]
        assert [attempt["outcome"] for attempt in run["attempts"]] == ["TIMED_OUT"]
        assert live.client.logs(run["id"])["text"] == "about to hang\n"


def test_a_stop_by_force_kills_at_once_and_one_that_asks_may_do_too(live: Live) -> None:
    begin(live)
    for force in (False, True):
        run = live.client.trigger("command")["id"]
        live.until(partial(is_running, live, run))
        live.client.stop_run(run, "enough", force=force)
        ended = live.client.wait(run, 20)
        assert (ended["state"], ended["reason"]) == ("CANCELLED", "enough")


def test_a_thread_that_will_not_end_is_given_up_and_keeps_its_job_from_starting(live: Live) -> None:
    begin(live)
    run = live.client.trigger("stubborn")["id"]
    live.until(lambda: live.client.run(run)["abandoned"])
    assert live.client.run(run)["state"] == "RUNNING"
    live.until(lambda: live.client.status()["daemon"]["leaked"] == 1)
    assert "1 attempt given up and not ended" in live.taskd("status").stderr
    assert "abandoned" in live.taskd("ps").stdout
    assert live.client.wait(live.client.trigger("thread")["id"], 20)["state"] == "FAILED"
    (live.folder / "let_go").touch()
    ended = live.client.wait(run, 20)
    assert ended["state"] == "FAILED"
    assert ended["attempts"][0]["outcome"] == "ABANDONED"
    assert live.client.status()["daemon"]["leaked"] == 0


def test_a_thread_that_was_given_up_holds_up_no_shutdown(live: Live) -> None:
    begin(live, '[daemon]\nshutdown_grace = "1h"\n')
    run = live.client.trigger("stubborn")["id"]
    live.until(lambda: live.client.run(run)["abandoned"])
    assert live.end() == 0
