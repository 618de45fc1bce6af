"""The requests for runs now: one, or many in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, cast

from pydantic import AfterValidator, Field

from taskd.api.asking import Ask, Asked, Body, Host, parse
from taskd.config.values import json_value
from taskd.core.job import JobName
from taskd.core.messages import Triggered
from taskd.core.run import Run
from taskd.errors import TaskdError
from taskd.views import run_view

MOST_TRIGGERED: Final = 1000
"""Runs that one request asks for: a commit of more would hold up those that are due."""


def trigger(host: Host, ask: Ask) -> object:
    """Run a job once, now."""
    return ask_for_run(host, ask).answer(host)


def ask_for_run(host: Host, ask: Ask) -> Asked:
    """Ask for what `trigger` does, and wait for nothing."""
    body = parse(_TriggerBody, ask.body)
    request = Triggered(JobName(ask.name), *_arguments(body), actor=ask.actor, key=ask.key)
    return Asked(host.scheduler.inbox.ask_all([request]), _one)


def trigger_many(host: Host, ask: Ask) -> object:
    """Run jobs once, now, in one commit: each is taken or refused by itself, in its own place."""
    return ask_for_runs(host, ask).answer(host)


def ask_for_runs(host: Host, ask: Ask) -> Asked:
    """Ask for what `trigger_many` does, and wait for nothing."""
    body = parse(_TriggersBody, ask.body)
    requests = [
        Triggered(
            JobName(one.job),
            *_arguments(one),
            actor=ask.actor,
            key=ask.key and ask.key.part(number),
        )
        for number, one in enumerate(body.runs)
    ]
    return Asked(host.scheduler.inbox.ask_all(requests), _many)


def _one(outcomes: Sequence[object]) -> object:
    (outcome,) = outcomes
    if isinstance(outcome, TaskdError):
        raise outcome
    return {"run": run_view(cast("Run", outcome))}


def _many(outcomes: Sequence[object]) -> object:
    return {
        "runs": [
            outcome if isinstance(outcome, TaskdError) else run_view(cast("Run", outcome))
            for outcome in outcomes
        ]
    }


def _arguments(body: _TriggerBody) -> tuple[tuple[object, ...] | None, dict[str, object] | None]:
    return None if body.args is None else tuple(body.args), body.kwargs


class _TriggerBody(Body):
    args: list[Annotated[Any, AfterValidator(json_value)]] | None = None
    kwargs: dict[str, Annotated[Any, AfterValidator(json_value)]] | None = None


class _NamedTriggerBody(_TriggerBody):
    job: str


class _TriggersBody(Body):
    runs: Annotated[list[_NamedTriggerBody], Field(min_length=1, max_length=MOST_TRIGGERED)]
