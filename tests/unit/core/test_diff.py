"""Diff: what a reload adds, changes, removes and leaves alone."""

from hypothesis import given
from hypothesis import strategies as st

from taskd.core.diff import Diff, diff
from taskd.core.job import JobName
from taskd.core.schedule import Every
from tests.unit.core.driver import HOUR, MINUTE, a_job

NAMES = ["a", "b", "c", "d", "e"]
jobs = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([Every(MINUTE), Every(HOUR)])).map(
    lambda schedules: {JobName(name): a_job(name, every) for name, every in schedules.items()}
)


def test_jobs_are_told_apart_by_name_and_definition() -> None:
    old = [a_job("same"), a_job("other", Every(MINUTE)), a_job("gone")]
    new = [a_job("new"), a_job("other", Every(HOUR)), a_job("same")]
    assert diff({job.name: job for job in old}, new) == Diff(
        added=(JobName("new"),),
        changed=(JobName("other"),),
        removed=(JobName("gone"),),
        unchanged=(JobName("same"),),
    )


@given(jobs, jobs)
def test_a_diff_leads_from_the_old_jobs_to_the_new(
    old: dict[JobName, object], new: dict[JobName, object]
) -> None:
    found = diff(old, new.values())  # type: ignore[arg-type]
    kept = {name: job for name, job in old.items() if name not in found.removed}
    put = {name: new[name] for name in (*found.added, *found.changed)}
    assert kept | put == new
    assert all(old[name] == new[name] for name in found.unchanged)
    assert sorted(found.changed + found.unchanged + found.added) == sorted(new)
