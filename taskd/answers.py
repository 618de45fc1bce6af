"""Answers: JSON documents, and for every refusal a problem document with a stable code."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from taskd.config.entry import InvalidEntry
from taskd.config.report import problem_json
from taskd.errors import (
    ConfigError,
    Conflict,
    InvalidJob,
    KeyReused,
    Stopped,
    StoreUnavailable,
    TaskdError,
    UnknownTask,
)
from taskd.views import Document

logger = logging.getLogger("taskd.server")


class Refused(TaskdError):
    """A request that never reached the API; `fields` are more of the head of its answer."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        fields: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.status = status
        self.code = code
        self.fields = fields
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whole; `fields` are more of its head, by name."""

    status: HTTPStatus
    body: bytes
    kind: str = "application/json"
    fields: Mapping[str, str] = field(default_factory=dict)

    def written(self, *, is_last: bool, has_body: bool = True) -> bytes:
        """Return it as HTTP/1.1 writes it; the connection is closed after the last one."""
        fields = {"Content-Type": self.kind, "Content-Length": str(len(self.body)), **self.fields}
        begun = head(self.status, fields, is_last=is_last)
        return begun + self.body if has_body else begun


def head(status: HTTPStatus, fields: Mapping[str, str], *, is_last: bool) -> bytes:
    """Return the head of an answer as HTTP/1.1 writes it."""
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    if is_last:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "\r\n"]).encode("ascii")


def encoded(document: object) -> bytes:
    """Return a document as JSON; an error in it is told as its problem document."""
    return _JSON.encode(document).encode("utf-8", "backslashreplace")


def respond(document: object, status: HTTPStatus) -> Answer:
    """Return the answer with a document."""
    return Answer(status, encoded(document))


def refusal(error: TaskdError) -> Answer:
    """Return the answer to a request that ended in an error."""
    answer = problem(*_meaning(error))
    return replace(answer, fields=error.fields) if isinstance(error, Refused) else answer


def _problem_of(error: object) -> Document:
    if not isinstance(error, TaskdError):
        raise TypeError(f"{type(error).__name__} is not JSON")
    return _problem_document(*_meaning(error))


def _meaning(error: TaskdError) -> tuple[HTTPStatus, str, str, Document]:
    """Return status, code, detail and more of an error; one without a code of its own is logged."""
    more: Document = {}
    match error:
        case Refused():
            status, code = error.status, error.code
        case UnknownTask():
            status, code = HTTPStatus.NOT_FOUND, f"unknown_{error.kind}"
            if error.nearest:
                more["hint"] = error.nearest
        case Conflict():
            status, code = HTTPStatus.CONFLICT, "conflict"
            if error.run:
                more["run"] = error.run
        case KeyReused():
            status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency_key_reused"
        case InvalidEntry():
            status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid"
            more["problems"] = [
                {"key": flaw.key, "message": flaw.message, "hint": flaw.hint}
                for flaw in error.problems
            ]
        case InvalidJob():
            status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid"
            told = {"key": error.key, "message": error.message, "hint": error.hint}
            more["problems"] = [told]
        case ConfigError():
            status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "config_invalid"
            more["problems"] = [problem_json(found) for found in error.problems]
        case Stopped():
            status, code = HTTPStatus.SERVICE_UNAVAILABLE, "stopping"
        case StoreUnavailable():
            status, code = HTTPStatus.SERVICE_UNAVAILABLE, "store_unavailable"
        case _:
            logger.error("an error without a code of its own", exc_info=error)
            status, code = HTTPStatus.INTERNAL_SERVER_ERROR, "internal"
    return status, code, str(error), more


def problem(status: HTTPStatus, code: str, detail: str, more: Document | None = None) -> Answer:
    """Return an answer with a problem document."""
    body = encoded(_problem_document(status, code, detail, more or {}))
    return Answer(status, body, kind="application/problem+json")


def _problem_document(status: HTTPStatus, code: str, detail: str, more: Document) -> Document:
    """Return a problem document (RFC 9457) with a stable `code`."""
    document: Document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
    }
    return document | more


_JSON: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=_problem_of, check_circular=False
)
