"""The command line's frame: the application, the flags that many verbs share, and the client."""

from __future__ import annotations

from typing import Annotated, Literal, NoReturn

import typer

from taskd import __version__
from taskd.cli.render import put
from taskd.client import REPLY_TIMEOUT_S, Client, Query, curl

app = typer.Typer(
    help="A job scheduler that never loses a job.",
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Both would import rich for every verb, and read what people wrote as its markup.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Curl = Annotated[bool, typer.Option("--curl", help="Print the request for curl; do nothing.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; kept in the history.")]
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
    typer.Option("--dst-gap", help="What the clock skips: once after the gap, or not."),
]
DstOverlapRule = Annotated[
    Literal["first", "last", "both"] | None,
    typer.Option("--dst-overlap", help="At which pass runs what the clock shows twice."),
]
DayMatchRule = Annotated[
    Literal["or", "and"] | None,
    typer.Option("--day-match", help="Must one of two restricted day fields match, or both?"),
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
