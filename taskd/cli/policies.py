"""The flags of `add` for a job's policies, named as the keys of jobs.toml."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Final, Literal

import typer

from taskd.cli.app import DayMatchRule, DstGapRule, DstOverlapRule
from taskd.cli.values import iso

FLAGS: Final[dict[str, Any]] = {
    "mode": Annotated[str | None, typer.Option(metavar="MODE", help="fixed-rate, fixed-delay")],
    "on": Annotated[list[str] | None, typer.Option(metavar="EVENT", help="boot")],
    "dst_gap": DstGapRule,
    "dst_overlap": DstOverlapRule,
    "day_match": DayMatchRule,
    "jitter": Annotated[
        str | None, typer.Option(metavar="DURATION", help="Start up to so much later.")
    ],
    "start_at": Annotated[str | None, typer.Option(metavar="TIME", help="Not due before it.")],
    "end_at": Annotated[str | None, typer.Option(metavar="TIME", help="Not due from it on.")],
    "max_runs": Annotated[int | None, typer.Option(metavar="N", help="Finished after so many.")],
    "exclude": Annotated[
        list[str] | None, typer.Option(metavar="CALENDAR", help="Skip the days of it.")
    ],
    "misfire_grace_time": Annotated[
        str | None, typer.Option(metavar="DURATION", help="How late it may run; or inf.")
    ],
    "catchup": Annotated[
        Literal["latest", "all", "skip"] | None, typer.Option(help="What runs of what was missed.")
    ],
    "catchup_limit": Annotated[
        int | None, typer.Option(metavar="N", help="At most so many of all.")
    ],
    "overlap": Annotated[
        Literal["skip", "buffer-one", "buffer-all", "cancel-other", "terminate-other", "allow"]
        | None,
        typer.Option(help="What becomes of a run that meets another."),
    ],
    "max_instances": Annotated[int | None, typer.Option(metavar="N", help="How many run at once.")],
}


def policy_flags(verb: Callable[..., None]) -> Callable[..., None]:
    """Give `verb` these flags; it gets them as `policies`, those that were typed alone."""

    @wraps(verb)
    def with_flags(**given: Any) -> None:
        typed = {key: value for key in FLAGS if (value := given.pop(key)) is not None}
        for key in ("start_at", "end_at"):
            if key in typed:
                typed[key] = iso(typed[key], f"--{key.replace('_', '-')}")
        verb(**given, policies=typed)

    signature = inspect.signature(verb, eval_str=True)
    own = [each for each in signature.parameters.values() if each.name != "policies"]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    more = [inspect.Parameter(key, kind, default=None, annotation=FLAGS[key]) for key in FLAGS]
    with_flags.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
    with_flags.__annotations__ = {each.name: each.annotation for each in [*own, *more]}
    return with_flags
