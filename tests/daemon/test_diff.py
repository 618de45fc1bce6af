"""`taskd diff`: what a file would change, told before and seen after."""

from tests.daemon.live import Live

CALL = 'call = "work:ping"\n'
OLD = f"""
[jobs.nightly]
{CALL}cron = "30 2 * * *"
timezone = "America/New_York"
[jobs.beat]
{CALL}every = "1h"
[jobs.old]
{CALL}cron = "0 12 * * *"
[jobs.same]
{CALL}cron = "@daily"
"""
NEW = f"""
[jobs.nightly]
{CALL}cron = "0 3 * * *"
timezone = "America/New_York"
retry.max_attempts = 3
[jobs.beat]
{CALL}every = "2h"
[jobs.fresh]
{CALL}every = "6h"
[jobs.same]
{CALL}cron = "@daily"
"""


def test_what_is_told_before_a_reload_is_what_it_does(live: Live) -> None:
    live.start(OLD)
    live.client.pause("beat")
    before = live.client.status()
    draft = live.folder / "new.toml"
    draft.write_text(NEW)

    told = live.json("diff", str(draft))
    assert told["store"] == str(live.folder / "taskd.db")
    added, changed, removed = (told[kind] for kind in ("added", "changed", "removed"))
    assert [job["name"] for job in (*added, *changed, *removed)] == [
        *("fresh", "beat", "nightly", "old")
    ]
    assert told["unchanged"] == ["same"]
    beat, nightly = changed
    assert beat["keys"] == {"schedule": {"before": "every 1h", "after": "every 2h"}}
    assert (beat["state"], beat["runs"]["before"], beat["runs"]["after"]) == ("paused", 0, 0)
    assert nightly["keys"]["retry.max_attempts"] == {"before": "1", "after": "3"}
    assert len(nightly["runs"]["moved"]) >= 6
    assert len(removed[0]["runs"]["gone"]) == 7
    assert live.client.status()["jobs"] == before["jobs"], "a diff changes nothing"

    shown = live.taskd("diff", str(draft), "-n", "1")
    assert "1 added, 2 changed, 1 removed, 1 unchanged; compared with " in shown.stderr
    assert "    it is paused, and stays so" in shown.stdout

    live.write(NEW)
    reloaded = live.client.reload()
    assert [reloaded[kind] for kind in ("added", "changed", "removed", "unchanged")] == [
        *(["fresh"], ["beat", "nightly"], ["old"], ["same"])
    ]
    moves = [pair["after"]["due_at"] for pair in nightly["runs"]["moved"]]
    came = [due["due_at"] for due in live.client.next("nightly", 7)]
    assert set(moves) <= set(came)


def test_the_name_of_an_added_job_is_taken(live: Live) -> None:
    live.start(f"[jobs.one]\n{CALL}")
    assert live.taskd("add", "two", "work:ping", "--every", "1h").returncode == 0
    draft = live.folder / "new.toml"
    draft.write_text(f"[jobs.two]\n{CALL}")
    refused = live.taskd("diff", str(draft))
    assert refused.returncode == 78
    assert "there is a job two already, from taskd add" in refused.stdout
