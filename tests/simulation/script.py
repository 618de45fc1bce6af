"""What happens in a simulated year: a set of jobs, and somebody who meddles with it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final

from taskd.core.bounds import UNBOUNDED, Bounds
from taskd.core.calendars import Calendar, Exclude
from taskd.core.cron import Cron
from taskd.core.job import Call, Job, JobName, Source
from taskd.core.late import FORGIVING, Catchup, Late
from taskd.core.messages import (
    Added,
    AnyRequest,
    Dismissed,
    JobRemoved,
    JobStopped,
    Key,
    Paused,
    Resumed,
    Retried,
    RunStopped,
    Task,
    Triggered,
)
from taskd.core.retention import Retention
from taskd.core.retry import Backoff, FailurePolicy, Jitter, OnCrash, RetryPolicy
from taskd.core.run import RunId
from taskd.core.schedule import At, Every, Mode, Schedule
from tests.simulation.store import Failure
from tests.simulation.witness import SAME_FILE
from tests.simulation.world import World

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
CALL: Final = Call("anything:at_all")
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


def every(hours: float, mode: Mode = Mode.FIXED_RATE, *, align: bool = False) -> Every:
    return Every(timedelta(hours=hours), mode, align)


def cron(expression: str, timezone: str) -> Cron:
    return Cron((expression,), timezone, "seed")


SCHEDULES: Final[tuple[Schedule | None, ...]] = (
    every(3),
    every(7.5),
    every(12, align=True),
    every(5, Mode.FIXED_DELAY),
    every(26, Mode.FIXED_DELAY),
    cron("30 2 * * *", "Europe/Berlin"),  # in its gap and in its overlap
    cron("0 0 * * *", "America/Havana"),  # in its gap
    cron("45 1 * * *", "America/New_York"),
    cron("15 2 * * *", "Australia/Lord_Howe"),  # half an hour
    cron("0 */6 * * *", "Europe/Berlin"),
    cron("59 23 * * *", "Asia/Kathmandu"),
    At((START + HOUR,)),
    At(tuple(START + n * 9 * DAY for n in range(40))),
    None,
)
RECURRING: Final = tuple(s for s in SCHEDULES if isinstance(s, Every | Cron))


WEEKENDS: Final = Calendar("weekends", weekdays=(5, 6))
HOLIDAYS: Final = Calendar("holidays", dates=(date(2026, 1, 6), date(2026, 5, 1)))
CLOSED: Final = Exclude((HOLIDAYS, WEEKENDS), "Europe/Berlin")


def timed(
    schedule: Schedule,
    late: Late = FORGIVING,
    bounds: Bounds = UNBOUNDED,
    exclude: Exclude | None = None,
    jitter: timedelta = timedelta(),
    timeout: timedelta | None = None,
) -> Job:
    return Job(
        name=JobName("any"),
        call=CALL,
        schedule=schedule,
        late=late,
        bounds=bounds,
        exclude=exclude,
        jitter=jitter,
        timeout=timeout,
    )


TIMED: Final = (
    timed(every(5), Late(catchup=Catchup.ALL), timeout=HOUR),
    timed(every(3.5), Late(HOUR * 8, Catchup.ALL, limit=3), exclude=CLOSED),
    timed(every(4, align=True), Late(catchup=Catchup.SKIP), jitter=HOUR),
    timed(every(6, Mode.FIXED_DELAY), Late(HOUR), exclude=CLOSED),
    timed(cron("30 2 * * *", "Europe/Berlin"), Late(DAY, Catchup.ALL, limit=2), exclude=CLOSED),
    timed(cron("0 */3 * * *", "Europe/Berlin"), Late(HOUR / 2), jitter=2 * HOUR, exclude=CLOSED),
    timed(every(5), bounds=Bounds(START + 3 * DAY, START + 300 * DAY)),
    timed(cron("0 4 * * *", "Asia/Kathmandu"), bounds=Bounds(max_runs=100)),
    timed(every(7, Mode.FIXED_DELAY), bounds=Bounds(START + DAY, max_runs=50), jitter=9 * HOUR),
    timed(every(3), Late(catchup=Catchup.ALL), Bounds(max_runs=700), CLOSED, 5 * HOUR),
    timed(At(tuple(START + n * 7 * DAY for n in range(50))), Late(DAY), exclude=CLOSED),
)


def policies(unit: timedelta) -> tuple[FailurePolicy, ...]:
    """Every backoff and jitter, and each limit on retries; `unit` is about a first delay."""
    retries = (
        RetryPolicy(),
        RetryPolicy(max_attempts=4, initial=unit, max_delay=3 * unit, jitter=Jitter.NONE),
        RetryPolicy(max_attempts=3, backoff=Backoff.LINEAR, initial=unit, max_delay=9 * unit),
        RetryPolicy(max_attempts=3, backoff=Backoff.FIXED, initial=unit, max_delay=unit),
        RetryPolicy(
            max_attempts=9,
            backoff=Backoff.LINEAR,
            initial=unit,
            max_delay=2.5 * unit,
            jitter=Jitter.EQUAL,
            max_elapsed=8 * unit,
        ),
        RetryPolicy(max_attempts=3, initial=unit, max_delay=9 * unit, retry_on=("OSError",)),
        RetryPolicy(
            max_attempts=5,
            initial=unit,
            max_delay=9 * unit,
            jitter=Jitter.EQUAL,
            give_up_on=("ValueError",),
        ),
        RetryPolicy(max_attempts=2, initial=0 * unit, max_delay=unit, jitter=Jitter.NONE),
    )
    on_crash = (OnCrash.RETRY, OnCrash.FAIL)
    return tuple(
        FailurePolicy(retry=retry, on_crash=on_crash[n % 3 == 1], max_crashes=1 + n % 3)
        for n, retry in enumerate(retries)
    )


def job(
    name: str,
    schedule: Schedule | None,
    *,
    source: Source = Source.FILE,
    unit: timedelta = HOUR,
) -> Job:
    """A job with a schedule, and nothing said about time but that."""
    plain = Job(name=JobName(name), call=CALL, schedule=schedule, source=source)
    return named(plain, name, unit=unit)


def named(one: Job, name: str, *, unit: timedelta = HOUR) -> Job:
    """The job under a name, with the failure policy that goes with that for as long as it lives."""
    known = policies(unit)
    number = sum(name.encode())
    return replace(
        one,
        name=JobName(name),
        priority={"0": -50, "1": 100}.get(name[-1], 0),
        failure=known[number % len(known)],
        pause_after_failures=(None, None, 2, 5)[number % 4],
        retention=Retention(success=3 * DAY, failed=5 * DAY),
    )


FAILURES: Final = policies(HOUR)


def mixed_jobs() -> list[Job]:
    """A job of every kind, in a file."""
    plain = [job(f"job-{n}", schedule) for n, schedule in enumerate(SCHEDULES)]
    return plain + [named(one, f"late-{n}") for n, one in enumerate(TIMED)]


class Meddler:
    """Does something to a world every few hours, as its seed has it."""

    def __init__(self, world: World, pause: timedelta) -> None:
        self._world = world
        self._random = world.random
        self._pause = pause
        self._added = 0
        self._aim: JobName | None = None
        self._keyed: list[AnyRequest] = []
        self._deeds = (
            (self.trigger, 6),
            (self.stop_run, 3),
            (self.stop_job, 2),
            (self.hold, 5),
            (self.resume, 7),
            (self.add, 2),
            (self.remove, 2),
            (self.add_task, 6),
            (self.retry, 6),
            (self.dismiss, 2),
            (self.ask_again, 6),
            (self.check_store, 1),
            (self.edit, 3),
            (self.drop_and_bring_back, 1),
            (self.load_again, 2),
            (self.crash, 8),
            (self.fail, 3),
            (self.set_clock, 2),
            (self.come_close, 12),
            (self.set_clock_while_down, 1),
            (self.shut_down, 2),
        )

    def begin(self) -> None:
        """Meddle from now on."""
        self._world.after(self._pause * self._random.random() * 2, self._meddle)

    def _meddle(self) -> None:
        deeds, weights = zip(*self._deeds, strict=True)
        self._random.choices(deeds, weights)[0]()
        self.begin()

    def trigger(self) -> None:
        self._ask(Triggered(job=self._job()))

    def stop_job(self) -> None:
        self._ask(JobStopped(job=self._job()))

    def stop_run(self) -> None:
        self._ask(RunStopped(run=RunId(f"run-{self._random.randint(1, 99_999):08}")))
        live = self._world.witness.live
        if live:
            self._ask(RunStopped(run=self._random.choice(live)))

    def hold(self) -> None:
        until = self._world.clock.now() + self._random.choice((-HOUR, HOUR, 3 * DAY))
        self._ask(Paused(jobs=(self._job(),), until=self._random.choice((None, until))))

    def resume(self) -> None:
        self._ask(Resumed(jobs=self._random.choice((None, (self._job(),)))))

    def add(self) -> None:
        self._added += 1
        name = f"added-{self._added % 3}"
        self._ask(Added(jobs=(job(name, self._schedule(), source=Source.CLI),)))

    def remove(self) -> None:
        self._ask(JobRemoved(job=JobName(f"added-{self._random.randrange(3)}")))

    def add_task(self) -> None:
        tasks = []
        for _ in range(self._random.choice((1, 1, 20))):
            self._added += 1
            due_at = self._world.clock.now() + self._random.choice((-HOUR, HOUR, 3 * DAY))
            failure = self._random.choice((None, *FAILURES))
            tasks.append(Task(RunId(f"task-{self._added:08}"), CALL, due_at, failure=failure))
        self._ask(Added(tasks=tuple(tasks)))

    def retry(self) -> None:
        """Do dead letters again, and now and then what never ran, or runs still."""
        dead, live = self._world.witness.dead, self._world.witness.live
        if dead:
            runs = tuple(self._random.sample(dead, min(len(dead), 3)))
            self._ask(Retried(runs=runs, dead_only=self._random.random() < 0.8))
        if live:
            self._ask(Retried(runs=(self._random.choice(live),)))

    def dismiss(self) -> None:
        for run in self._world.witness.dead[-3:]:
            self._ask(Dismissed(runs=(run,)))

    def ask_again(self) -> None:
        """Ask with a key: for something new, for the same again, or for something else."""
        known = self._random.choice(self._keyed) if self._keyed else None
        key = known.key if known else None
        if known is None or key is None or self._random.random() < 0.5:
            text = f"key-{len(self._keyed)}"
            known = Triggered(job=self._job(), key=Key(text, "1"), actor=text)
            self._keyed.append(known)
        elif self._random.random() < 0.3:
            known = Triggered(job=self._job(), key=Key(key.text, "2"), actor=key.text)
        self._ask(known)

    def check_store(self) -> None:
        self._world.verify()

    def edit(self) -> None:
        """Change the schedule of a job, or disable it, or say something else about it."""
        names = sorted(self._world.file)
        name = self._aim if self._aim in names else self._random.choice(names)
        known = self._world.file[name]
        match self._random.randrange(5):
            case 0:
                edited = replace(known, description=f"edited {self._world.clock.passed}")
            case 1:
                edited = replace(known, enabled=not known.enabled)
            case _:
                edited = replace(known, schedule=self._schedule(), enabled=True)
        self._world.file[name] = edited
        self._world.load_file()

    def drop_and_bring_back(self) -> None:
        """Take a job out of the file, and soon put it in again."""
        name = self._random.choice(sorted(self._world.file))
        dropped = self._world.file.pop(name)
        if isinstance(dropped.schedule, At):
            dropped = replace(dropped, schedule=every(3))  # what ran would be due again
        self._world.load_file()

        def bring_back() -> None:
            self._world.file[name] = dropped
            self._world.load_file()

        self._world.after(self._random.random() * HOUR, bring_back)

    def load_again(self) -> None:
        loading = self._world.loading
        if loading.done() and loading.exception() is None:  # else it is not the same to taskd
            self._world.load_file(SAME_FILE)

    def crash(self) -> None:
        """Die soon, and perhaps again as soon as there is something to do."""
        for again in range(self._random.choice((1, 1, 1, 4))):
            crash = partial(self._world.crash_soon, self._random.randrange(40))
            self._world.after(again * timedelta(minutes=1), crash)

    def fail(self) -> None:
        self._world.prune_failure = self._random.choice((None, *Failure))
        self._world.fail_commits(self._random.choices(list(Failure), k=self._random.choice((1, 3))))
        self.trigger()  # somebody asks just then

    def come_close(self) -> None:
        """Do something about what is ahead, once it is, and before its instant has come."""
        until, now = self._world.sleeps_until, self._world.clock.now()
        if until is not None and until > now:
            past = timedelta(milliseconds=self._random.randrange(1, 19))
            self._world.after(until - now + past, self._interfere)

    def _interfere(self) -> None:
        ahead = self._world.witness.ahead
        if not ahead:
            return
        run = self._random.choice(ahead)
        self._aim = run.job
        deeds = (
            *(self.trigger, self.stop_job, self.hold, self.resume, self.add_task, self.edit),
            *(self.load_again, self.set_clock, self.shut_down, self.fail, self.suspend),
            partial(self._world.crash_soon, self._random.randrange(6)),
            lambda: self._ask(RunStopped(run=run.id)),
        )
        self._random.choice(deeds)()
        self._aim = None

    def suspend(self) -> None:
        """Let the machine sleep: time passes, and nobody wakes for what is due."""
        self._world.clock.passed += self._random.choice((HOUR / 60, HOUR))

    def set_clock(self) -> None:
        self._world.set_clock(self._random.choice((-DAY, -HOUR, HOUR, DAY)))

    def set_clock_while_down(self) -> None:
        """Set the clock, and die before that is written: the next process cannot know."""
        self._world.crash_soon(0)
        self.set_clock()

    def shut_down(self) -> None:
        self._world.shut_down(self._random.choice((timedelta(0), HOUR)))
        self.trigger()  # too late

    def _ask(self, request: AnyRequest) -> None:
        self._world.ask(request)

    def _job(self) -> JobName:
        return self._aim or self._random.choice(sorted(self._world.witness.jobs))

    def _schedule(self) -> Schedule:
        """A schedule as somebody would write it now: an `at` is not past."""
        chosen = self._random.choice(RECURRING)
        at = self._world.clock.now() + timedelta(hours=self._random.randint(1, 99))
        return self._random.choice((chosen, chosen, At((at, at + DAY, at + 2 * DAY))))
