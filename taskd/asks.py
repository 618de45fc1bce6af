"""Asks: requests of HTTP as the API takes them: JSON that means one thing, and who asks."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from taskd import api
from taskd.answers import Refused
from taskd.core.messages import Key
from taskd.incoming import Request

LONGEST_KEY: Final = 255  # characters of an Idempotency-Key

V = TypeVar("V")


def ask_of(request: Request, name: str, uid: int) -> api.Ask:
    """Return what a user asks, with the name in its path. Raises `Refused`."""
    body: object = _json(request.body) if request.body else {}
    if not isinstance(body, dict):
        raise _malformed("the body must be a JSON object")
    return api.Ask(
        name=name, query=_query(request), body=body, actor=f"uid:{uid}", key=_key(request, body)
    )


def _json(text: bytes) -> object:
    try:
        decoded = text.decode()
        body = _DECODER.decode(decoded)
        if "\\u" in decoded:
            # It can spell half of a surrogate pair, which is no text and can be stored nowhere.
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _malformed(f"not JSON: {error}") from None
    return body


def _query(request: Request) -> dict[str, str]:
    if not request.query:
        return {}
    try:
        return _without_repeats(parse_qsl(request.query, keep_blank_values=True))
    except ValueError as error:
        raise _malformed(f"the query: {error}") from None


def _key(request: Request, body: object) -> Key | None:
    """Return the Idempotency-Key of a request, with what tells this request from any other."""
    text = request.key
    if text is None or request.method == "GET":
        return None
    if not (1 <= len(text) <= LONGEST_KEY and text.isascii() and text.isprintable()):
        words = f"an Idempotency-Key is 1 to {LONGEST_KEY} printable ASCII characters"
        raise _malformed(words)
    canonical = json.dumps([request.method, request.path, body], sort_keys=True)
    return Key(text, hashlib.sha256(canonical.encode()).hexdigest())


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _without_repeats(pairs: list[tuple[str, V]]) -> dict[str, V]:
    """Return an object; of a key that is there twice nobody knows which is meant (RFC 8259)."""
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"{key!r} is there twice")
            seen.add(key)
    return members


def _malformed(words: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "malformed", words)


_DECODER: Final = json.JSONDecoder(
    parse_constant=_refuse_constant, object_pairs_hook=_without_repeats
)
