"""Crontab: what a crontab of cron(8) says, as jobs for jobs.toml and notes on what is different.

The rules are those of crontab(5) in Debian, with what cronie adds: CRON_TZ, RANDOM_DELAY and a
``-`` before the minute.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from taskd.config.crontab_names import Names
from taskd.config.entry import InvalidEntry, inherit, job_from_entry
from taskd.core.cron import Cron
from taskd.core.job import Source
from taskd.core.zones import zone
from taskd.errors import InvalidJob

DEFAULTS: Final[Mapping[str, str]] = {"overlap": "allow", "catchup": "skip"}
"""What cron does: it starts a job though its last run goes on, and forgets what it missed."""

_SETTING: Final = re.compile(r"""("[^"]*"|'[^']*'|[^\s=]+)\s*=\s*(.*)""", re.DOTALL)
_PERCENT: Final = re.compile(r"(?<!\\)%")
_MAIL: Final = ("MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING")
_FIELDS: Final = 5
_FORM: Final = "an entry is: minute hour day month weekday command"
_NO_MAIL: Final = "taskd sends no mail"


@dataclass(frozen=True, slots=True)
class Note:
    """What of line `line` is not as it was under cron, and what to do about it.

    With `is_lost` the line became no job.
    """

    line: int
    message: str
    fix: str
    is_lost: bool = False


@dataclass(slots=True)
class Imported:
    """The jobs of a crontab by name, as tables of jobs.toml over `DEFAULTS`, and the notes."""

    jobs: dict[str, dict[str, object]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


def read_crontab(text: str, *, has_users: bool = False) -> Imported:
    """The jobs of the crontab `text`; with `has_users` in its system form, as /etc/crontab.

    Comments right above an entry are its description. Lines are counted from 1.
    """
    return _Reading(has_users).read(text)


def first_words(text: str) -> list[str]:
    """The first word of the command of each entry, which in the system form is a user."""
    found = []
    for line in text.split("\n"):
        if not line.lstrip().startswith("#") and not _SETTING.fullmatch(line.strip()):
            _, command = _split_schedule(line.strip())
            found += command.split(maxsplit=1)[:1]
    return found


class _Reading:
    """One pass over a crontab: settings hold for the entries below them."""

    def __init__(self, has_users: bool) -> None:
        self._has_users = has_users
        self._found = Imported()
        self._names = Names()
        self._settings: dict[str, str] = {}
        self._comments: list[str] = []

    def read(self, text: str) -> Imported:
        for number, raw in enumerate(text.split("\n"), start=1):
            line = raw.strip()
            setting = _SETTING.fullmatch(line)
            if line.startswith("#"):
                self._comment(line)
                continue
            if setting:
                self._set(number, _unquoted(setting[1]), _unquoted(setting[2]))
            elif line:
                self._entry(number, line)
            self._comments = []
        return self._found

    def _comment(self, line: str) -> None:
        words = line.lstrip("#").strip()
        schedule, command = _split_schedule(words)
        # An entry that somebody switched off, or the line that names the columns, is none.
        is_entry = bool(command) and _is_schedule(schedule)
        is_header = {"dom", "dow"} <= set(words.lower().replace("(", " ").split())
        self._comments = [] if is_entry or is_header else [*self._comments, words]

    def _set(self, number: int, name: str, value: str) -> None:
        if name in _MAIL:
            if value:
                fix = "see taskd runs --state FAILED,DEAD, and taskd logs RUN"
                self._note(number, f"{name} is not carried over: {_NO_MAIL}", fix)
            return
        if name == "CRON_TZ" and not _is_zone(value):
            self._note(number, f"{value!r} is no time zone", "write one such as Europe/Berlin")
            return
        if name == "RANDOM_DELAY" and not value.isdecimal():
            self._note(number, f"{value!r} is no number of minutes", 'write jitter = "5m"')
            return
        self._settings[name] = value

    def _entry(self, number: int, line: str) -> None:
        schedule, rest = _split_schedule(line)
        user, command = "", rest
        if self._has_users:
            user, command = [*rest.split(maxsplit=1), "", ""][:2]
        try:
            entry = self._job(schedule, command)
        except InvalidJob as refusal:
            fix = refusal.hint or "write the job by hand"
            self._lose(number, refusal.message, fix)
            return
        name = self._names.of(command, number)
        try:
            _refuse_invalid(name, entry)
        except InvalidEntry as refusal:
            flaw = refusal.problems[0]
            self._lose(number, f"{flaw.key}: {flaw.message}", flaw.hint)
            return
        self._found.jobs[name] = entry
        if _PERCENT.search(command):
            fix = "see that it reads as it should"
            self._note(number, f"{name}: the text after % is given to it by printf", fix)
        if user:
            others = "" if user == "root" else f", or as root: runuser -u {user} -- COMMAND"
            message = f"{name} ran as {user}, and will run as the daemon's user"
            self._note(number, message, f"run the daemon as {user}{others}")

    def _job(self, schedule: str, command: str) -> dict[str, object]:
        """The table of a job. Raises InvalidJob."""
        if schedule.startswith("-"):  # cronie: do not log this one
            schedule = schedule.removeprefix("-")
        if not command:
            raise InvalidJob(
                "command", "there is no command", "minute hour day month weekday command"
            )
        _check(schedule)
        line = _line(command)
        shell = self._settings.get("SHELL") or "/bin/sh"
        entry: dict[str, object] = {}
        if description := " ".join(filter(None, self._comments)):
            entry["description"] = description
        if shell == "/bin/sh":
            entry |= {"command": line, "shell": True}
        else:
            entry["command"] = [shell, "-c", line]
        if schedule.lower() == "@reboot":
            entry["on"] = "boot"
        else:
            entry["cron"] = schedule
        return entry | self._surroundings(is_timed="cron" in entry)

    def _surroundings(self, *, is_timed: bool) -> dict[str, object]:
        """What the settings above give to an entry."""
        found: dict[str, object] = {}
        own = ("SHELL", "CRON_TZ", "RANDOM_DELAY")
        env = {name: value for name, value in self._settings.items() if name not in own}
        if is_timed and "CRON_TZ" in self._settings:
            found["timezone"] = self._settings["CRON_TZ"]
        if is_timed and int(self._settings.get("RANDOM_DELAY", 0)):
            found["jitter"] = f"{int(self._settings['RANDOM_DELAY'])}m"
        if "HOME" in env:
            found["cwd"] = env["HOME"]
        if env:
            found["env"] = env
        return found

    def _lose(self, number: int, message: str, fix: str) -> None:
        self._found.notes.append(Note(number, f"is no job: {message}", fix, is_lost=True))

    def _note(self, number: int, message: str, fix: str) -> None:
        self._found.notes.append(Note(number, message, fix))


def _split_schedule(line: str) -> tuple[str, str]:
    """The schedule and the rest of an entry."""
    count = 1 if line.startswith("@") else _FIELDS
    parts = line.split(maxsplit=count)
    rest = parts[count] if len(parts) > count else ""
    return " ".join(parts[:count]), rest


def _line(command: str) -> str:
    """The command for a shell; what follows its first % is its standard input."""
    line, *inputs = (part.replace("\\%", "%") for part in _PERCENT.split(command))
    if inputs and not inputs[-1]:
        inputs.pop()  # it ends the line before it
    if not inputs:
        return line
    texts = " ".join(map(shlex.quote, inputs))
    # The brace on a line of its own, for the command may end in a comment.
    return f"printf '%s\\n' {texts} | {{ {line.rstrip()}\n}}"


def _refuse_invalid(name: str, entry: Mapping[str, object]) -> None:
    """Refuse what `taskd check` would. Raises InvalidEntry."""
    job_from_entry(name, inherit(DEFAULTS, entry), source=Source.FILE, timezone="UTC")


def _check(schedule: str) -> None:
    """Refuse what taskd cannot read. Raises InvalidJob."""
    if "~" in schedule:
        raise InvalidJob("cron", "~ draws a time at random", "write H, such as H(0-29) for 0~29")
    if schedule.lower() != "@reboot":
        Cron((schedule,), "UTC", "")


def _is_schedule(schedule: str) -> bool:
    try:
        _check(schedule)
    except InvalidJob:
        return False
    return True


def _is_zone(name: str) -> bool:
    try:
        zone(name)
    except InvalidJob:
        return False
    return True


def _unquoted(text: str) -> str:
    text = text.strip()
    is_quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if is_quoted else text
