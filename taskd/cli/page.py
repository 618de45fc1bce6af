"""A page over the live view: the output or the traceback of a run, scrolled by lines."""

from __future__ import annotations

from rich.text import Text

from taskd.cli.render import ellipsis
from taskd.cli.table import cut
from taskd.client import Client
from taskd.terminal import harmless, harmless_lines

MOST_LINES = 10_000  # of an output; its end is what people look for


class Page:
    """A title, and text below it of which the end is shown until somebody scrolls back."""

    def __init__(self, title: str, text: str) -> None:
        self._title = harmless(title)
        self._lines = harmless_lines(text).expandtabs().split("\n")[-MOST_LINES:]
        self._back = 0  # lines between the last one that is shown and the end

    def follow(self, text: str) -> None:
        """Take a newer text; who has scrolled back stays there."""
        lines = harmless_lines(text).expandtabs().split("\n")[-MOST_LINES:]
        if self._back:
            self._back += len(lines) - len(self._lines)
        self._lines = lines

    def scroll(self, lines: int) -> None:
        """Go back by some lines, or on where it is less than 0."""
        self._back = max(0, min(self._back + lines, len(self._lines) - 1))

    def drawn(self, width: int, height: int) -> list[Text]:
        """The page as `height` lines of at most `width` cells."""
        room = height - 2
        end = len(self._lines) - min(self._back, max(len(self._lines) - room, 0))
        shown = self._lines[max(end - room, 0) : end]
        lines = [Text(cut(self._title, width, ellipsis()), style="bold")]
        lines += [Text(cut(line, width, ellipsis())) for line in shown]
        lines += [Text("")] * (height - len(lines) - 1)
        return [*lines, Text(cut("↑↓ scroll   q back", width), style="dim")]


def output_of(client: Client, run: str) -> str:
    """What the latest attempt of a run has printed so far."""
    texts, after = [], 0
    while True:
        piece = client.logs(run, after=after)
        if piece["left_out"]:
            texts.append(f"\n... {piece['left_out']} bytes left out ...\n")
        texts.append(piece["text"])
        if piece["is_last"] or not piece["text"]:
            return "".join(texts).rstrip("\n") or "(nothing was printed)"
        after = piece["after"]
