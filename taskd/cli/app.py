"""The command line's frame: the application, the flags that many verbs share, and the client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info, get_command_name

from taskd import __version__
from taskd.cli.render import put
from taskd.cli.verbs import SECTIONS, VERBS
from taskd.client import REPLY_TIMEOUT_S, Client, Query, curl


class Command(TyperCommand):
    """A verb, whose usage is written as manual pages write it: ``taskd runs [OPTIONS] [JOB]``."""

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """Return the words of the usage after the verb."""
        arguments = [param for param in self.params if param.param_type_name == "argument"]
        return ["[OPTIONS]", *(argument.display_name_raw for argument in arguments)]  # type: ignore[attr-defined]

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the arguments; what is wrong with one is told without the validator's own words."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the arguments of which there is more to say than the usage does, and the flags."""
        arguments: list[tuple[str, str]] = []
        flags: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            if param.param_type_name == "option":
                flags += filter(None, [param.get_help_record(ctx)])
            elif getattr(param, "help", None):
                arguments.append((param.display_name_raw.strip("[]"), param.help))  # type: ignore[attr-defined]
        for title, rows in (("Arguments", arguments), ("Options", flags)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # noqa: ARG002
        """Write the example in one line, however long, so that it can be pasted."""
        formatter.write(f"\n  {self.epilog}\n")


class Commands(Mapping[str, Any]):
    """The verbs by name, each made when it is read: to import all would outlast most of them."""

    def __getitem__(self, name: str) -> Any:
        import_module(f"taskd.cli.{VERBS[name].module}")  # adds its verbs to `app`
        info = next(info for info in app.registered_commands if _name(info) == name)
        info.cls = Command
        return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class Group(TyperGroup):
    """`taskd` itself, whose help lists the verbs in sections and loads none of them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.commands = Commands()  # type: ignore[assignment]  # nothing adds to it

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """Return the words of the usage after the command."""
        return ["[OPTIONS]", "VERB", "[...]"]

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # noqa: ARG002
        """Write the name of each verb and what it does."""
        width = max(map(len, VERBS))
        for section, verbs in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl(
                    [(f"{name:{width}}", verb.summary) for name, verb in verbs.items()]
                )


def _name(info: Any) -> str:
    return info.name or get_command_name(info.callback.__name__)


app = typer.Typer(
    cls=Group,
    help="A job scheduler that never loses a job.",
    epilog="Begin with: taskd init. Each verb has an example: taskd VERB --help.",
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Both would import rich for every verb, and read what people wrote as its markup.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Curl = Annotated[bool, typer.Option("--curl", help="Print the request for curl; do nothing.")]
Reason = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the history.")
]
Args = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="V", help="A positional argument: JSON, or else text."),
]
Kwargs = Annotated[
    list[str] | None,
    typer.Option("--kwarg", metavar="K=V", help="A keyword argument: JSON, or else text."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the run; exit 1 if it ends badly.")]
DstGapRule = Annotated[
    Literal["next", "skip"] | None,
    typer.Option("--dst-gap", help="A time that the clocks skip: run it after the gap, or not."),
]
DstOverlapRule = Annotated[
    Literal["first", "last", "both"] | None,
    typer.Option("--dst-overlap", help="Which pass of a time that they show twice runs."),
]
DayMatchRule = Annotated[
    Literal["or", "and"] | None,
    typer.Option(
        "--day-match", help="Day of month and weekday both given: one has to match, or both."
    ),
]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", metavar="DURATION", help="Wait no longer, and exit 124."),
]


def client(show_curl: bool = False) -> Client:
    """The daemon's client or, for ``--curl``, one that prints its first request and ends."""
    return _Printer() if show_curl else Client()


def _print_version(wanted: bool) -> None:
    if wanted:
        put(f"taskd {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
]


@app.callback()
def taskd(version: Version = False) -> None:
    """A job scheduler that never loses a job."""


class _Printer(Client):
    def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Query | None = None,
        timeout: float = REPLY_TIMEOUT_S,  # noqa: ARG002 - nothing is sent
        key: str | None = None,  # noqa: ARG002 - the verbs have none
    ) -> NoReturn:
        there = (socket for socket in self.sockets if socket.exists())
        put(curl(next(there, self.sockets[0]), method, path, body=body, query=query))
        raise typer.Exit

    def stream(self, path: str, *, query: Query | None = None) -> NoReturn:
        self.request("GET", path, query=query)
