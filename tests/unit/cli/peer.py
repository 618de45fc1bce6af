"""A scripted daemon: a real HTTP server on a real Unix socket that says what a test told it to."""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

RUN_ID = "01938c6e-0000-7000-8000-000000000001"
OTHER_RUN_ID = "01938c6e-0000-7000-8000-000000000002"


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    body: Any


@dataclass
class Peer:
    socket: Path
    requests: list[Request] = field(default_factory=list)
    answers: dict[tuple[str, str], deque[tuple[int, bytes]]] = field(
        default_factory=lambda: defaultdict(deque)
    )

    def answers_with(self, method: str, path: str, document: object, status: int = 200) -> None:
        """The next answer to that request; the last one given is repeated."""
        self.answers_raw(method, path, json.dumps(document).encode(), status)

    def answers_raw(self, method: str, path: str, body: bytes, status: int = 200) -> None:
        self.answers[method, path].append((status, body))

    def refuses(self, method: str, path: str, status: int, code: str, **fields: object) -> None:
        problem = {"type": "about:blank", "title": "no", "status": status, "code": code, **fields}
        self.answers_with(method, path, problem, status)

    def answer(self, request: Request) -> tuple[int, bytes]:
        self.requests.append(request)
        script = self.answers.get((request.method, request.target.partition("?")[0]))
        if script is None:
            return 404, b'{"code": "not_found", "detail": "no such path", "status": 404}'
        return script.popleft() if len(script) > 1 else script[0]


@contextmanager
def listening(socket: Path) -> Iterator[Peer]:
    peer = Peer(socket)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, text = peer.answer(Request(self.command, self.path, body))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server asks for

        def log_message(self, format: str, *args: object) -> None:
            """Keep silent."""

        def address_string(self) -> str:
            return "unix"

    with ThreadingUnixStreamServer(str(socket), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield peer
        finally:
            server.shutdown()
            thread.join()


def run_document(**fields: object) -> dict[str, Any]:
    return {
        "id": RUN_ID,
        "job": "report",
        "origin": "schedule",
        "state": "SUCCEEDED",
        "reason": None,
        "scheduled_at": "2026-01-02T03:04:05Z",
        "queued_at": "2026-01-02T03:04:05Z",
        "started_at": "2026-01-02T03:04:05Z",
        "finished_at": "2026-01-02T03:04:06.500000Z",
        "attempt": 1,
        "max_attempts": 1,
        "result": 42,
        "result_repr": False,
        "error": None,
        "node": "here",
        "retry_of": None,
        "attempts": [
            {
                "number": 1,
                "outcome": "SUCCEEDED",
                "started_at": "2026-01-02T03:04:05Z",
                "finished_at": "2026-01-02T03:04:06.500000Z",
                "node": "here",
                "pid": 7,
                "error": None,
            }
        ],
        **fields,
    }


def failed_run(**fields: object) -> dict[str, Any]:
    error = {
        "type": "ValueError",
        "message": "no",
        "traceback": "Traceback (most recent call last):\nValueError: no\n",
        "category": None,
    }
    return run_document(**{"state": "FAILED", "result": None, "error": error, **fields})


def job_document(**fields: object) -> dict[str, Any]:
    return {
        "name": "report",
        "source": "cli",
        "call": "app:build",
        "schedule": "every 10s",
        "timezone": "UTC",
        "state": "active",
        "paused": False,
        "next_due_at": "2099-01-01T00:00:00Z",
        "running": 0,
        "last_run": {
            "id": RUN_ID,
            "state": "FAILED",
            "scheduled_at": "2026-01-02T03:04:05Z",
            "started_at": "2026-01-02T03:04:05Z",
            "finished_at": "2026-01-02T03:04:06Z",
            "duration_s": 1.0,
        },
        "counts": {"SUCCEEDED": 3, "FAILED": 1},
        **fields,
    }


def status_document(*jobs: dict[str, Any], **daemon: object) -> dict[str, Any]:
    return {
        "daemon": {
            "version": "0.1.0",
            "pid": 7,
            "node": "here",
            "started_at": "2026-01-01T00:00:00Z",
            "config": "/etc/taskd/jobs.toml",
            "config_error": None,
            "store": "sqlite:///taskd.db",
            "socket": "/run/taskd/taskd.sock",
            **daemon,
        },
        "jobs": list(jobs),
    }
