"""The jobs of jobs.toml: functions. `taskd logs` shows what they print."""

import random
import shutil
from datetime import datetime
from pathlib import Path


def hello(name: str) -> str:
    """Say hello. What a job returns is kept: `taskd result JOB` shows it."""
    greeting = f"Hello, {name}. It is {datetime.now():%H:%M:%S}."
    print(greeting)
    return greeting


def count(so_far: int) -> int:
    """Count the runs: by `carry`, each is given what the last one returned."""
    return so_far + 1


def flaky() -> str:
    """Fail two times out of three, as the network does."""
    if random.random() < 2 / 3:
        raise ConnectionError("the other side hung up")
    return "it worked"


def free_space(path: str, to: str) -> float:
    """Add the gibibytes that are free to a file beside this one."""
    gibibytes = round(shutil.disk_usage(path).free / 2**30, 2)
    with Path(__file__).with_name(to).open("a") as table:
        table.write(f"{datetime.now():%Y-%m-%d %H:%M},{gibibytes}\n")
    return gibibytes
