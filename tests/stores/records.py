"""Jobs, runs and commits to write into a store, by hand and by Hypothesis."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import strategies as st

from taskd.core.bounds import Bounds
from taskd.core.calendars import Calendar, Exclude
from taskd.core.cron import Cron, DayMatch, DstGap, DstOverlap
from taskd.core.job import Call, Job, JobName, Source
from taskd.core.late import Catchup, Late
from taskd.core.record import JobRecord, JobState, Skip, SkipReason
from taskd.core.run import (
    Attempt,
    Origin,
    Outcome,
    Result,
    Run,
    RunError,
    RunId,
    RunState,
    microseconds,
)
from taskd.core.schedule import At, Every, Mode, Schedule
from taskd.core.turn import Changes, JobChange, RunChange
from taskd.ids import new_id

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
_numbers = count()


def a_job(name: str = "job", schedule: Schedule | None = None) -> JobRecord:
    return JobRecord(
        job=Job(name=JobName(name), call=Call("work:f"), schedule=schedule),
        state=JobState.ACTIVE,
        created_at=NOW,
        anchor_at=NOW,
        next_due_at=NOW,
        version=1,
    )


def an_id(at: datetime = NOW) -> RunId:
    """An id made at that time, whatever it is by now: those of `new_id` never go back."""
    milliseconds = microseconds(at) // 1000
    text = f"{milliseconds:012x}7000{0x8000 << 48 | next(_numbers):016x}"
    return RunId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


def a_run(job: str | None = "job", state: RunState = RunState.QUEUED, **more: object) -> Run:
    run = Run(
        id=an_id(),
        job=JobName(job) if job else None,
        origin=Origin.TRIGGER,
        state=state,
        scheduled_at=NOW,
        due_at=NOW,
    )
    return replace(run, **more)  # type: ignore[arg-type]


def written(*changes: RunChange | JobChange) -> Changes:
    written = Changes(NOW)
    for change in changes:
        if isinstance(change, RunChange):
            written.runs[change.after.id] = change
        else:
            named = change.after or change.before
            assert named is not None
            written.jobs[named.job.name] = change
    return written


def new(*items: Run | JobRecord) -> Changes:
    return written(
        *(
            RunChange(None, item, "t") if isinstance(item, Run) else JobChange(None, item, "t")
            for item in items
        )
    )


# -- anything that the types allow ---------------------------------------------------------------

instants = st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))
maybe_instants = st.none() | instants
texts = st.text(max_size=20)  # without surrogates: those are refused, see test_verbs
small = st.integers(0, 2**31)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(
        st.characters(), max_size=9
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
names = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,20}", fullmatch=True).map(JobName)
ids = instants.map(new_id)
errors = st.none() | st.builds(RunError, texts, texts, texts, texts)
calls = st.builds(
    Call,
    st.sampled_from(["a:b", "local:1", "pkg.mod:Class.method"]),
    st.lists(json_values, max_size=3).map(tuple),
    st.dictionaries(texts, json_values, max_size=3),
)
intervals = st.timedeltas(timedelta(seconds=0.1), timedelta(days=36_525))
schedules = st.one_of(
    st.none(),
    st.builds(Every, intervals, st.just(Mode.FIXED_RATE), st.booleans()),
    st.builds(Every, intervals, st.just(Mode.FIXED_DELAY)),
    st.lists(instants, min_size=1, max_size=3).map(lambda many: At(tuple(many))),
    st.builds(
        Cron,
        st.sampled_from([("H 2 * * mon-fri", "@daily"), ("*/5 * * * * *",)]),
        st.just("Europe/Berlin"),
        st.just("job"),
        st.none() | st.sampled_from(DstGap),
        st.none() | st.sampled_from(DstOverlap),
        st.sampled_from(DayMatch),
    ),
)
bounds = st.one_of(
    st.builds(Bounds, maybe_instants, st.none(), st.none() | st.integers(1, 9)),
    st.builds(Bounds, st.none(), instants),
)
lates = st.builds(Late, st.none() | intervals, st.sampled_from(Catchup), st.integers(1, 2**31))
excludes = st.builds(
    Exclude,
    st.lists(
        st.builds(
            Calendar,
            texts,
            st.lists(st.dates(), max_size=3).map(tuple),
            st.lists(st.integers(0, 6), max_size=3).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    st.just("Europe/Berlin"),
)
jobs = st.builds(
    Job,
    name=names,
    call=calls.filter(lambda call: bool(call.args)),
    schedule=schedules,
    source=st.sampled_from(Source),
    description=texts,
    tags=st.lists(texts, max_size=3).map(tuple),
    enabled=st.booleans(),
    priority=st.integers(-100, 100),
    carry=st.booleans(),
    boot=st.booleans(),
    bounds=bounds,
    exclude=st.none() | excludes,
    jitter=intervals | st.just(timedelta()),
    late=lates,
)
records = st.builds(
    JobRecord,
    job=jobs,
    state=st.sampled_from(JobState),
    created_at=instants,
    anchor_at=instants,
    next_due_at=maybe_instants,
    pause_reason=texts,
    paused_until=maybe_instants,
    counts=st.dictionaries(st.sampled_from(RunState).map(str), st.integers(0, 2**62)),
    last_run=st.none() | ids,
    carried=st.none() | texts,
    version=small,
    delay=st.timedeltas(timedelta(0), timedelta(days=9)),
    decided_until=maybe_instants,
    scheduled_runs=small,
)
runs = st.builds(
    Run,
    id=ids,
    job=st.none() | names,
    origin=st.sampled_from(Origin),
    state=st.sampled_from(RunState),
    scheduled_at=instants,
    due_at=instants,
    priority=st.integers(-100, 100),
    call=st.none() | calls,
    queued_at=maybe_instants,
    started_at=maybe_instants,
    finished_at=maybe_instants,
    attempt=small,
    crashes=small,
    stopping=st.booleans(),
    reason=texts,
    result=st.none() | st.builds(Result, texts, st.booleans()),
    error=errors,
    node=texts,
    pid=small,
)
attempts = st.builds(
    Attempt,
    run=ids,
    number=small,
    outcome=st.sampled_from(Outcome),
    started_at=instants,
    finished_at=instants,
    node=texts,
    pid=small,
    error=errors,
)
skips = st.builds(
    Skip,
    job=names,
    first_at=instants,
    last_at=instants,
    count=st.integers(1, 2**62),
    reason=st.sampled_from(SkipReason),
    decided_at=instants,
)
NOBODY = RunId("nobody")
