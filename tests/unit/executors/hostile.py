"""Callables that behave as badly as Python lets them."""

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from taskd import Cancel


class Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit("not even its text")

    __repr__ = __str__


class Notes(Exception):
    __notes__: Any = 5


class Foreign(Exception):
    __module__ = None  # type: ignore[assignment]


class Dict(dict[str, object]):
    def items(self) -> NoReturn:
        raise KeyboardInterrupt


class Unspeakable:
    def __repr__(self) -> NoReturn:
        raise SystemExit


class Hook(type):
    def __call__(cls, *args: object) -> NoReturn:
        raise GeneratorExit


class Metaclassed(metaclass=Hook):
    pass


def raises(error: BaseException) -> Callable[[], NoReturn]:
    def job() -> NoReturn:
        raise error

    return job


def recurse() -> None:
    recurse()


def chained() -> None:
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError("the effect") from error


def circular() -> object:
    knot: list[object] = []
    knot.append(knot)
    return knot


def nested(depth: int) -> Callable[[], object]:
    def job() -> object:
        value: object = "core"
        for _ in range(depth):
            value = [value]
        return value

    return job


BAD_ENDS: dict[str, Callable[[], object]] = {
    "SystemExit": raises(SystemExit(3)),
    "KeyboardInterrupt": raises(KeyboardInterrupt()),
    "GeneratorExit": raises(GeneratorExit()),
    "BaseException": raises(BaseException("base")),
    "MemoryError": raises(MemoryError()),
    "ExceptionGroup": raises(ExceptionGroup("many", [ValueError(n) for n in range(3)])),
    "a text that raises": raises(Mute()),
    "notes that are none": raises(Notes()),
    "no module": raises(Foreign()),
    "half a surrogate": raises(ValueError("\ud800")),
    "a huge message": raises(ValueError("x" * 5_000_000)),
    "a huge number": raises(ValueError(10**5000)),
    "recursion": recurse,
    "a metaclass": Metaclassed,
    "wrong arguments": lambda: len(),  # type: ignore[call-arg]
}

ODD_RESULTS: dict[str, Callable[[], object]] = {
    "NaN": lambda: float("nan"),
    "infinity": lambda: [1, float("-inf")],
    "circular": circular,
    "nested too deep": nested(100_000),
    "a set": lambda: {1},
    "bytes": lambda: b"\xff\x00",
    "an object whose repr raises": Unspeakable,
    "a dict whose items raise": lambda: Dict(a=1),
    "more digits than Python writes": lambda: 10**5000,
    "half a surrogate in a repr": lambda: ("\ud800", object()),
    "17 million characters": lambda: "x" * 17_000_000,
    "a coroutine function": lambda: raises,
}
if sys.version_info < (3, 12):  # from there on json does not count against the recursion limit
    ODD_RESULTS["nested just too deep to be read back"] = nested(900)

JSON_RESULTS: dict[str, object] = {
    "nothing": None,
    "text": "Ünïcode \x00 \U0001f600",
    "half a surrogate": "\ud800",
    "a big number": 10**4000,
    "nesting": {"a": [{"b": [1, 2.5, True, None]}]},
    "empty": {},
    "a brace in a text": "[" * 1000,
}


def cancel_with(reason: object) -> Callable[[], NoReturn]:
    return raises(Cancel(reason))  # type: ignore[arg-type]
