"""Bodies: the shape of what requests of the API carry, in their bodies and queries."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from taskd.config.values import json_value


class Body(BaseModel):
    """What every body and query shares: a field too many is refused."""

    model_config = ConfigDict(extra="forbid")


class StopBody(Body):
    """Of a stop."""

    reason: Annotated[str, Field(max_length=1000)] = ""


class PauseBody(StopBody):
    """Of a pause."""

    until: str | None = None


class TriggerBody(Body):
    """Of a trigger."""

    args: list[Annotated[Any, AfterValidator(json_value)]] | None = None
    kwargs: dict[str, Annotated[Any, AfterValidator(json_value)]] | None = None


class ShutdownBody(Body):
    """Of a shutdown."""

    now: bool = False


class RunsQuery(Body):
    """Of the history."""

    job: str | None = None
    state: str = ""
    since: str | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 50


class WaitQuery(Body):
    """Of a wait for the end of a run; `timeout` is in seconds."""

    timeout: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 30.0


class WhyQuery(Body):
    """Of an occurrence."""

    at: str | None = None


class NextQuery(Body):
    """Of what comes."""

    job: str | None = None
    n: Annotated[int, Field(ge=1, le=1000)] = 10
