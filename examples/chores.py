"""The chores of a small server, as plain functions: nothing in here knows of taskd.

A job's callable is any function that can be imported. What it prints is its output, what it
returns is its result (JSON, best), and what it raises is its error. jobs.toml, beside this file,
says when each one runs. Relative paths are below ``.run`` of the checkout.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import shutil
import socket
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

CHECKOUT = Path(__file__).resolve().parent.parent
RUN = CHECKOUT / ".run"
DAY = timedelta(days=1)


def count_up(count: int, step: int = 1) -> int:
    """Returns `count` plus `step`; with ``carry = true`` the next run starts from there."""
    return count + step


def record_disk_usage(path: str, to: str) -> dict[str, object]:
    """Appends time, bytes in all, used and free of the file system of `path` to the CSV `to`."""
    usage = shutil.disk_usage(path)
    table = RUN / to
    table.parent.mkdir(parents=True, exist_ok=True)
    is_new = not table.exists()
    with table.open("a", newline="") as out:
        rows = csv.writer(out)
        if is_new:
            rows.writerow(["time", "total", "used", "free"])
        rows.writerow([datetime.now().astimezone().isoformat(timespec="seconds"), *usage])
    return {"path": path, "used_percent": round(100 * usage.used / usage.total, 1)}


def compare_checksums(directory: str, record: str) -> dict[str, list[str]]:
    """Tells which files of `directory` were added, changed or removed since the last run.

    `directory` is relative to the checkout; `record` is the JSON file that keeps the SHA-256 sums.
    """
    place, memory = CHECKOUT / directory, RUN / record
    before = json.loads(memory.read_text()) if memory.exists() else {}
    files = [file for file in sorted(place.rglob("*")) if file.is_file()]
    now = {
        str(file.relative_to(place)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if "__pycache__" not in file.parts
    }
    _replace(memory, json.dumps(now, indent=1))
    differences = {
        "added": sorted(now.keys() - before.keys()),
        "changed": sorted(name for name in now.keys() & before.keys() if now[name] != before[name]),
        "removed": sorted(before.keys() - now.keys()),
    }
    for kind, names in differences.items():
        for name in names:
            print(f"{kind}: {name}")
    return differences


def prune_logs(directory: str, compress_after_days: int, delete_after_days: int) -> dict[str, int]:
    """Compresses the old ``*.log`` of `directory` and deletes the very old ``*.log.gz``.

    A directory that does not exist is made first, with ten days of sample logs in it.
    """
    logs = RUN / directory
    if not logs.exists():
        _make_sample_logs(logs)
    done = {"compressed": 0, "deleted": 0}
    for log in sorted(logs.glob("*.log")):
        if _age(log) > compress_after_days * DAY:
            _compress(log)
            done["compressed"] += 1
    for packed in sorted(logs.glob("*.log.gz")):
        if _age(packed) > delete_after_days * DAY:
            packed.unlink()
            done["deleted"] += 1
    return done


def probe(url: str, timeout_s: float = 1.0, must_answer: bool = False) -> str:
    """Tells whether ``http://host:port/path`` answers, or ``tcp://host:port`` takes a connection.

    With `must_answer`, silence is an error (OSError) and not just a finding.
    """
    try:
        return _answer(url, timeout_s)
    except OSError as error:
        if must_answer:
            raise
        return f"down: {error}"


def reconcile(booked: int, paid: int) -> None:
    """Raises ValueError unless every booked invoice is paid."""
    print(f"comparing {booked} bookings with {paid} payments")
    if booked != paid:
        raise ValueError(f"{booked - paid} of {booked} invoices are not paid")


def welcome(name: str) -> str:
    """Returns a greeting."""
    return f"Hello, {name}."


def _answer(url: str, timeout_s: float) -> str:
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port or 80
    if parts.scheme == "tcp":
        with socket.create_connection((host, port), timeout_s):
            return "up: it takes connections"
    connection = HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        return f"up: {response.status} {response.reason}"
    finally:
        connection.close()


def _age(file: Path) -> timedelta:
    return datetime.now() - datetime.fromtimestamp(file.stat().st_mtime)


def _compress(log: Path) -> None:
    packed = log.with_name(log.name + ".gz")
    unfinished = log.with_name(packed.name + ".part")
    with log.open("rb") as plain, gzip.open(unfinished, "wb") as out:
        shutil.copyfileobj(plain, out)
    shutil.copystat(log, unfinished)
    # In place before the log goes: a crash in between leaves both, and the next run sees to it.
    unfinished.replace(packed)
    log.unlink()


def _make_sample_logs(logs: Path) -> None:
    making = logs.with_name(logs.name + ".making")
    making.mkdir(parents=True, exist_ok=True)
    for days in range(10):
        written_at = datetime.now() - days * DAY
        log = making / f"{written_at:%Y-%m-%d}.log"
        log.write_text(f"{written_at:%H:%M} all is well\n" * 100)
        os.utime(log, (written_at.timestamp(), written_at.timestamp()))
    making.rename(logs)


def _replace(file: Path, text: str) -> None:
    """Writes `file` in one go: a crash leaves the old text or the new one, never half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(file.name + ".part")
    unfinished.write_text(text)
    unfinished.replace(file)
