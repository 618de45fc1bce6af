"""taskd as a daemon, asked through its socket by one client. The setting is its durability."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

from benchmarks.commands import MINIMAL, TABLE, Watched, side_by_side
from benchmarks.contract import Figures, Unable, lateness_of, percentile
from benchmarks.crash import Crashable
from taskd import current_run
from taskd.client import Client

ROOT = Path(__file__).parents[2]
TASKD = [sys.executable, "-m", "taskd"]
YEARLY = "0 0 1 1 *"
BATCH = 100
LEAD_S = 5.0
LOADED_PER_S = 300  # jobs of a file, at worst
JOBS = (10, 1000)


def nothing() -> None:
    """Do nothing."""


def own_lateness() -> float:
    """Return how late this call is, in seconds of the wall clock."""
    due_at = current_run.scheduled_at
    assert due_at is not None
    return time.time() - due_at.timestamp()


class Contestant(Crashable):
    """A daemon of its own for each measure."""

    def __init__(self, home: Path, setting: str) -> None:
        super().__init__(home)
        self._home, self._durability = home, setting
        self._daemon: subprocess.Popen[str] | None = None

    def throughput(self, count: int, workers: int) -> Figures:
        with self._serving(_job("nothing", overlap="allow"), workers) as client:
            started = time.perf_counter()
            asked = 0
            while asked < count:
                runs = client.trigger_many([{"job": "nothing"}] * BATCH)
                asked += len(runs)
            while client.job("nothing")["counts"].get("SUCCEEDED", 0) < asked:
                client.wait(runs[-1]["id"])
            return {"per_s": asked / (time.perf_counter() - started)}

    def enqueue(self, count: int) -> Figures:
        # As with the others nothing is taken out meanwhile: the only worker is held.
        hold = '[jobs.hold]\ncall = "time:sleep"\nargs = [3600]\nevery = "1d"\n'
        with self._serving(hold + _job("nothing", overlap="allow"), workers=1) as client:
            client.trigger("nothing")
            started = time.perf_counter()
            for _ in range(count):
                client.trigger("nothing")
            one_s = time.perf_counter() - started
            started = time.perf_counter()
            batches = max(1, 5 * count // BATCH)
            for _ in range(batches):
                client.trigger_many([{"job": "nothing"}] * BATCH)
            batch_s = time.perf_counter() - started
        return {"one_per_s": count / one_s, "batch_per_s": batches * BATCH / batch_s}

    def lateness(self, count: int, over_s: float) -> Figures:
        start = _start_of(count)
        with self._serving(_due(count, over_s, start)) as client:
            return _lateness(client, count, start, over_s)

    def jobs(self, count: int) -> Figures:
        started = time.perf_counter()
        with self._serving(_yearly(count)):
            return {"load_s": time.perf_counter() - started}

    def contended(self, burners: int, count: int, over_s: float) -> Figures:
        burn = _job("burn", call="benchmarks.work:burn", overlap="allow")
        start = _start_of(count)
        with self._serving(burn + _due(count, over_s, start), 2 * burners) as client:
            for_s = (start - datetime.now(UTC)).total_seconds() + over_s
            client.trigger_many([{"job": "burn", "args": [for_s]}] * burners)
            pings_s, over = list[float](), Event()
            pinging = Thread(target=_ping, args=(client, pings_s, over))
            pinging.start()
            try:
                figures = _lateness(client, count, start, over_s)
            finally:
                over.set()
                pinging.join()
            return figures | {"ping_p99_ms": percentile(pings_s, 0.99) * 1e3}

    def idle(self, jobs: int) -> Figures:
        self._start(_yearly(jobs))
        assert self._daemon is not None
        return {"pid": self._daemon.pid}

    def commands(self) -> Figures:
        """Each verb in turn with a minimal typer command, on a terminal of 80 columns."""
        few, many = JOBS
        environ = {"TASKD_SOCKET": str(self._home / "s")}
        status = Watched([*TASKD, "status"], against=TABLE)
        watched = {
            "status": status,
            "ping": Watched([*TASKD, "ping"], against=MINIMAL),
            "help": Watched([*TASKD, "--help"], against=[*MINIMAL, "--help"]),
            "completion": Watched([*TASKD, "__complete", "status", "jobs"]),
        }
        with self._serving(_yearly(few)):
            figures = side_by_side(watched, environ)
        (self._home / "taskd.db").unlink()
        with self._serving(_yearly(many)):
            more = side_by_side({"status": status}, environ)
        figures["status_1000_to_10"] = more["status_ratio"] / figures["status_ratio"]
        return figures

    # -- the crash -------------------------------------------------------------------------------

    def enlist(self, count: int) -> None:
        folder = json.dumps(str(self.marks.folder))
        job = _job("mark", call="benchmarks.work:mark", overlap="allow")
        client = self._start(job)
        runs = [{"job": "mark", "args": [json.loads(folder), n]} for n in range(count)]
        for begin in range(0, count, BATCH):
            client.trigger_many(runs[begin : begin + BATCH])

    def resume(self) -> None:
        self._start((self._home / "etc" / "jobs.toml").read_text(), again=True)

    # -- its life --------------------------------------------------------------------------------

    @contextmanager
    def _serving(self, jobs: str, workers: int = 8) -> Iterator[Client]:
        client = self._start(jobs, workers)
        assert self._daemon is not None
        try:
            with client:
                yield client
        finally:
            self._daemon.kill()  # it may hold work that nobody waits for
            self._daemon.wait()

    def _start(self, jobs: str, workers: int = 8, *, again: bool = False) -> Client:
        # Apart from the store, as by default: the watch on its directory hears of each commit else.
        config, socket = self._home / "etc" / "jobs.toml", self._home / "s"
        config.parent.mkdir(exist_ok=True)
        head = f'[daemon]\nworkers = {workers}\npython_path = ["{ROOT}"]\n'
        head += f'durability = "{self._durability}"\n'
        config.write_text(jobs if again else head + jobs)
        store = f"sqlite:///{self._home}/taskd.db"
        command = [*TASKD, "run", str(config), "--socket", str(socket), "--store", store]
        with (self._home / "daemon.log").open("w") as log:
            self._daemon = subprocess.Popen(command, stderr=log, text=True, cwd=ROOT)
        client = Client(socket)
        _await_answer(client, self._daemon)
        return client


def _job(name: str, *, call: str = "benchmarks.adapters.taskd_daemon:nothing", **keys: str) -> str:
    more = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
    return f'[jobs.{name}]\ncall = "{call}"\ncron = "{YEARLY}"\n{more}'


def _yearly(jobs: int) -> str:
    return "".join(_job(f"job-{n:04}") for n in range(jobs))


def _start_of(count: int) -> datetime:
    """When the first of so many jobs may be due, so that the daemon is up before."""
    return datetime.now(UTC) + timedelta(seconds=LEAD_S + count / LOADED_PER_S)


def _due(count: int, over_s: float, start: datetime) -> str:
    """A job for each of `count` instants, due evenly over `over_s` seconds."""
    at = [(start + timedelta(seconds=n * over_s / count)).isoformat() for n in range(count)]
    call = '"benchmarks.adapters.taskd_daemon:own_lateness"'
    return "".join(
        f"[jobs.due-{n:04}]\ncall = {call}\nat = {instant}\n" for n, instant in enumerate(at)
    )


def _lateness(client: Client, count: int, start: datetime, over_s: float) -> Figures:
    """Wait for the runs of `_due`, and read what they measured."""
    if datetime.now(UTC) > start:
        raise Unable("was not up before the first was due: the machine is busy")
    # To list a thousand runs would hold up those that are due meanwhile.
    time.sleep((start - datetime.now(UTC)).total_seconds() + over_s)
    runs = client.runs(state="SUCCEEDED", limit=1000)
    while sum(run["job"].startswith("due-") for run in runs) < count:
        time.sleep(0.5)
        runs = client.runs(state="SUCCEEDED", limit=1000)
    return lateness_of([run["result"] for run in runs if run["job"].startswith("due-")])


def _ping(client: Client, into: list[float], over: Event) -> None:
    while not over.wait(0.1):
        started = time.perf_counter()
        client.ping()
        into.append(time.perf_counter() - started)


def _await_answer(client: Client, daemon: subprocess.Popen[str]) -> None:
    while daemon.poll() is None:
        try:
            client.ping()
        except Exception:  # noqa: BLE001 - it is not there yet
            time.sleep(0.005)
        else:
            return
    raise RuntimeError(f"the daemon ended with {daemon.returncode}")
