"""Finding: what one check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether jobs run as they should: they do, they may not one day, or they do not."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What the check called `check` found, in a line, and the line that mends it."""

    check: str
    verdict: Verdict
    message: str
    fix: str = ""


def ok(check: str, message: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Verdict.OK, message)


def warning(check: str, message: str, fix: str) -> Finding:
    """It works, and may not for ever."""
    return Finding(check, Verdict.WARNING, message, fix)


def problem(check: str, message: str, fix: str) -> Finding:
    """It does not work."""
    return Finding(check, Verdict.PROBLEM, message, fix)
