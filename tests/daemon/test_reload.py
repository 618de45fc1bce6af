"""Reload: all of it or nothing, and never in anybody's way."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from queue import SimpleQueue

import pytest

from taskd import Scheduler
from taskd.config.load import load
from taskd.errors import ApiError, Stopped
from taskd.reloading import Reloader
from taskd.systemd import Notifier
from tests.daemon.live import HOLD, PING, Live

YEARLY = '[jobs.yearly]\ncall = "work:ping"\ncron = "0 0 1 1 *"\n'


def names(live: Live) -> list[str]:
    return [job["name"] for job in live.client.status()["jobs"]]


def test_an_edit_is_taken_by_itself(live: Live) -> None:
    live.start(PING)
    due_at = live.job("ping")["next_due_at"]
    live.write(PING + YEARLY)
    assert "1 added" in live.line_with("has read")
    assert names(live) == ["ping", "yearly"]
    assert live.job("ping")["next_due_at"] == due_at
    live.config.write_text(YEARLY)
    live.until(lambda: names(live) == ["yearly"])


def test_a_symlink_that_is_turned_to_another_file_is_seen(live: Live) -> None:
    (live.folder / "a.toml").write_text(PING)
    (live.folder / "b.toml").write_text(YEARLY)
    live.config.symlink_to("a.toml")
    live.start()
    (live.folder / "next").symlink_to("b.toml")
    (live.folder / "next").replace(live.config)
    live.until(lambda: names(live) == ["yearly"])


def test_a_new_job_fires_at_once_and_a_changed_one_does_not(live: Live) -> None:
    live.start(PING)
    live.until(lambda: live.job("ping")["last_run"])
    live.write(PING.replace("1h", "2h") + PING.replace("ping]", "new]"))
    live.until(lambda: "new" in names(live) and live.job("new")["last_run"])
    assert live.job("ping")["counts"] == {"SUCCEEDED": 1}


def test_a_changed_instant_that_is_past_is_skipped(live: Live) -> None:
    live.start('[jobs.once]\ncall = "work:ping"\nat = 2999-01-01T00:00:00Z\n')
    live.write('[jobs.once]\ncall = "work:ping"\nat = 2001-01-01T00:00:00Z\n')
    assert live.until(lambda: live.job("once")["state"] == "finished")
    assert live.job("once")["last_run"] is None


def test_on_any_problem_the_old_set_runs_on_and_status_says_why_until_it_is_mended(
    live: Live,
) -> None:
    live.start('[jobs.fast]\ncall = "work:ping"\nevery = "100ms"\n')
    live.write('[jobs.fast]\ncall = "work:ping"\nevery = 10\n')
    (problem,) = live.until(lambda: live.client.status()["daemon"]["config_error"])
    assert (problem["line"], problem["key"]) == (3, "jobs.fast.every")
    runs = live.job("fast")["counts"]["SUCCEEDED"]
    live.until(lambda: live.job("fast")["counts"]["SUCCEEDED"] > runs)
    with pytest.raises(ApiError) as caught:
        live.client.reload()
    assert (caught.value.code, caught.value.status) == ("config_invalid", 422)
    assert live.taskd("reload").returncode == 78
    live.write('[jobs.fast]\ncall = "work:ping"\nevery = "1h"\n')
    live.until(lambda: live.client.status()["daemon"]["config_error"] is None)


def test_a_call_that_does_not_import_refuses_the_reload(live: Live) -> None:
    live.start(PING)
    live.write(PING + '[jobs.gone]\ncall = "work:gone"\nevery = "1h"\n')
    (problem,) = live.until(lambda: live.client.status()["daemon"]["config_error"])
    assert problem["key"] == "jobs.gone.call"
    assert names(live) == ["ping"]


def test_a_file_that_lost_all_of_its_jobs_is_taken_only_by_hand(live: Live) -> None:
    live.start(PING)
    live.write("")
    assert live.until(lambda: live.client.status()["daemon"]["config_error"])
    assert names(live) == ["ping"]
    assert live.client.reload()["removed"] == ["ping"]
    assert names(live) == []


def test_a_reload_never_waits_for_a_run_and_the_run_of_a_removed_job_finishes(live: Live) -> None:
    live.start(PING + HOLD)
    live.until((live.folder / "gate.begun").exists)
    live.write(PING)
    live.until(lambda: names(live) == ["ping"])
    (live.folder / "gate.open").touch()
    run = live.until(lambda: live.client.runs(job="hold", state="SUCCEEDED"))[0]
    assert run["result"] == "let go"


def test_a_stopped_or_paused_job_stays_so_when_its_entry_changes(live: Live) -> None:
    live.start(PING + YEARLY)
    live.client.pause("ping")
    live.client.stop_job("yearly")
    live.write(PING.replace("1h", "2h") + YEARLY.replace("0 0 1", "0 0 2"))
    live.until(lambda: live.job("ping")["schedule"] == "every 2h")
    assert (live.job("ping")["state"], live.job("yearly")["state"]) == ("paused", "stopped")


def test_changed_code_is_told_and_refuses_a_reload_that_needs_it(live: Live) -> None:
    live.start(PING)
    live.until(lambda: live.job("ping")["last_run"])
    with (live.folder / "work.py").open("a") as module:
        module.write("\ndef new():\n    return 1\n")
    assert "work.py changed since it was loaded" in live.job("ping")["problem"]
    live.write(PING + '[jobs.new]\ncall = "work:new"\nevery = "1h"\n')
    (problem,) = live.until(lambda: live.client.status()["daemon"]["config_error"])
    assert "work.py changed since it was loaded" in problem["message"]
    live.write(PING + YEARLY.replace("work:ping", "os:getpid"))
    live.until(lambda: names(live) == ["ping", "yearly"])


def test_a_name_that_was_added_is_not_taken_by_the_file(live: Live) -> None:
    live.start(PING)
    live.client.add({"name": "yearly", "call": "work:ping", "every": "1h"})
    live.write(PING + YEARLY)
    (problem,) = live.until(lambda: live.client.status()["daemon"]["config_error"])
    assert "taskd remove yearly" in problem["message"]


def test_sighup_reloads_where_the_file_is_not_watched(live: Live) -> None:
    live.start('[daemon]\nreload = "signal"\n' + PING)
    live.write('[daemon]\nreload = "signal"\n' + PING + YEARLY)
    live.send(signal.SIGHUP)
    live.line_with("has read")
    assert names(live) == ["ping", "yearly"]


def test_where_reload_is_off_sighup_does_nothing_and_a_request_still_does(live: Live) -> None:
    off = '[daemon]\nreload = "off"\n'
    live.start(off + PING)
    live.write(off + PING + YEARLY)
    live.send(signal.SIGHUP)
    assert 'daemon.reload is "off"' in live.line_with("SIGHUP")
    assert names(live) == ["ping"]
    assert live.client.reload()["added"] == ["yearly"]


def test_one_reading_answers_all_who_asked_before_it(live: Live) -> None:
    live.write(PING)
    scheduler = Scheduler()
    said: SimpleQueue[str] = SimpleQueue()
    files = Reloader(
        load(live.config),
        scheduler,
        say=lambda text, _: said.put(text),
        notifier=Notifier({}),
        summary=lambda: "well",
    )
    asked = [files.ask() for _ in range(100)]
    files.start()
    assert {answer.result(20).unchanged for answer in asked} == {("ping",)}
    assert said.qsize() == 1
    files.close()
    scheduler.shutdown()


def test_a_closed_reloader_reads_no_more_and_refuses_all_who_ask(live: Live) -> None:
    live.write(PING)
    scheduler = Scheduler()
    said: SimpleQueue[str] = SimpleQueue()
    files = Reloader(
        load(live.config),
        scheduler,
        say=lambda text, _: said.put(text),
        notifier=Notifier({}),
        summary=lambda: "well",
    )
    files.start()
    assert files.ask().result(20).unchanged == ("ping",)
    live.write(PING + YEARLY)
    files.close()
    for answer in [files.ask() for _ in range(100)]:
        with pytest.raises(Stopped):
            answer.result(20)
    assert [job.job.name for job in scheduler.read(lambda history: history.jobs())] == ["ping"]
    scheduler.shutdown()


def test_the_waiting_runs_of_a_removed_job_are_cancelled_and_its_history_stays(live: Live) -> None:
    one = "[daemon]\nworkers = 1\n"
    live.start(one + HOLD)
    live.until((live.folder / "gate.begun").exists)
    live.write(one + HOLD + PING)
    live.until(lambda: len(names(live)) == 2 and live.client.runs(job="ping", state="QUEUED"))
    live.write(one + HOLD)
    live.until(lambda: names(live) == ["hold"])
    (run,) = live.client.runs(job="ping")
    assert run["state"] == "CANCELLED"
    (live.folder / "gate.open").touch()


def test_a_reload_that_hangs_on_an_import_holds_up_no_shutdown(live: Live) -> None:
    (live.folder / "slow.py").write_text(
        "import time, pathlib\n"
        "pathlib.Path(__file__).with_name('importing').touch()\n"
        "time.sleep(60)\n"
    )
    live.start(PING)
    live.write(PING + '[jobs.slow]\ncall = "slow:f"\nevery = "1h"\n')
    live.until((live.folder / "importing").exists)
    assert live.end() == 0
    assert not any("took more than" in line for line in live.rest())


def test_an_edit_that_is_read_by_hand_and_undone_at_once_does_not_stay(live: Live) -> None:
    live.start(PING)
    live.write(PING + YEARLY)
    assert live.client.reload()["added"] == ["yearly"]
    live.write(PING)
    live.until(lambda: names(live) == ["ping"])


def test_what_changed_while_it_started_is_not_missed(live: Live) -> None:
    live.write(PING)
    first = load(live.config)
    live.write(YEARLY)
    scheduler = Scheduler()
    said: SimpleQueue[str] = SimpleQueue()
    files = Reloader(
        first,
        scheduler,
        say=lambda text, _: said.put(text),
        notifier=Notifier({}),
        summary=lambda: "well",
    )
    files.start()
    assert "1 added, 0 changed, 1 removed" in said.get(timeout=20)
    files.close()
    scheduler.shutdown()
    with pytest.raises(Stopped):
        files.ask().result(20)


def test_what_everybody_may_write_to_refuses_the_file_for_root_and_is_told_to_others(
    live: Live,
) -> None:
    live.start(PING)
    work = live.folder / "work.py"
    work.chmod(0o666)
    if os.geteuid() == 0:
        assert live.taskd("reload").returncode == 78
        (problem,) = live.client.status()["daemon"]["config_error"]
        assert (problem["file"], problem["hint"]) == (str(work), f"chmod o-w {work}")
    else:
        assert live.taskd("reload").returncode == 0
        assert str(work) in live.line_with("warning: ")
    work.chmod(0o644)
    assert live.taskd("reload").returncode == 0
    assert live.client.status()["daemon"]["config_error"] is None


def test_a_job_that_changes_the_working_directory_does_not_move_the_file(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(live.folder)
    live.config, live.socket = Path("jobs.toml"), Path("taskd.sock")
    live.start(PING + '[jobs.wander]\ncall = "os:chdir"\nargs = ["/"]\n')
    assert live.taskd("trigger", "wander", "--wait").returncode == 0
    live.write(PING)
    live.until(lambda: names(live) == ["ping"])
    assert live.client.reload()["unchanged"] == ["ping"]
    assert live.end() == 0
    assert not live.socket.exists()


@pytest.mark.parametrize("pattern", ["conf.d/*.toml", "*/team.toml", "conf.d/**/*.toml"])
def test_a_file_that_a_pattern_includes_may_come_and_go(live: Live, pattern: str) -> None:
    folder = live.folder / "conf.d"
    folder.mkdir()
    live.start(f'daemon.include = ["{pattern}"]\n{PING}')
    live.client.reload()  # behind the look at what changed since the start
    (folder / "team.toml").write_text(YEARLY)
    live.until(lambda: names(live) == ["ping", "yearly"])
    (folder / "team.toml").unlink()
    live.until(lambda: names(live) == ["ping"])


@pytest.mark.parametrize("pattern", ["*/team.toml", "**/team.toml"])
def test_a_directory_that_a_pattern_includes_may_come_later(live: Live, pattern: str) -> None:
    live.start(f'daemon.include = ["{pattern}"]\n{PING}')
    live.client.reload()  # behind the look at what changed since the start
    (live.folder / "new").mkdir()
    (live.folder / "new" / "team.toml").write_text(YEARLY)
    live.until(lambda: names(live) == ["ping", "yearly"])
