"""Load: jobs.toml and the files it includes, to a Configuration, or to all of their problems."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from taskd.config.calendars import Calendars, calendars_from_tables
from taskd.config.document import Document, read_document, read_text
from taskd.config.entry import InvalidEntry, default_flaws, inherit, job_from_entry
from taskd.config.exceptions import categories_from_table
from taskd.config.exposure import exposed_files, module_files, shared_places
from taskd.config.keys import table_flaws
from taskd.config.positions import KeyPath, Spot
from taskd.config.settings import Settings, settings_from_table
from taskd.config.shape import Flaw, shown
from taskd.config.system_zone import system_zone
from taskd.config.timing import local_time_flaws
from taskd.core.calendars import Calendar
from taskd.core.job import Job, Source
from taskd.errors import ConfigError, Problem

MOST_PROBLEMS: Final = 1000  # of a reading: nobody mends more at a time, and a log has to hold them


class Place(NamedTuple):
    """Where something of a job is written; `source` is the text of the line."""

    file: str
    line: int
    column: int
    source: str


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What jobs.toml at `path` says, with the files that it includes.

    `jobs` are sorted by name. `categories` hold the exception classes of each. `files` are those
    that were read, `path` first and those of calendars last; `include` are the patterns, made
    absolute, that a new file may match. `warnings` refuse nothing.
    """

    path: Path
    settings: Settings
    jobs: tuple[Job, ...]
    categories: Mapping[str, tuple[str, ...]]
    files: tuple[Path, ...]
    include: tuple[str, ...]
    warnings: tuple[Problem, ...] = field(default=(), compare=False)
    calendars: Mapping[str, Calendar]
    _origins: Mapping[str, _Entry] = field(repr=False, compare=False)
    _documents: tuple[Document, ...] = field(repr=False, compare=False)

    def place(self, job: str, key: str) -> Place:
        """Where the value of `key` of `job` is written, be it in [defaults]; else the job itself.

        Raises:
            KeyError: there is no such job in the file.
        """
        document, spot = self._origins[job].origin(tuple(key.split(".")))
        return Place(str(document.path), *spot, document.line(spot.line))

    def is_current(self) -> bool:
        """Whether the same files still say the same, letter by letter.

        It is false, too, where only another reading can tell: with files of calendars, or where one
        cannot be read.
        """
        names = {name for pattern in self.include for name in glob.glob(pattern, recursive=True)}  # noqa: PTH207
        documents = {os.path.realpath(document.path): document for document in self._documents}
        if len(self.files) != len(documents):
            return False
        if {os.path.realpath(self.path), *map(os.path.realpath, names)} != documents.keys():
            return False
        try:
            return all(read_text(one.path) == one.text for one in documents.values())
        except ConfigError:
            return False

    def place_of_category(self, category: str) -> Place:
        """Where the classes of a category are written."""
        main = self._documents[0]
        spot = main.spot(("categories", category)) or Spot(1, 1)
        return Place(str(main.path), *spot, main.line(spot.line))


def load(path: Path) -> Configuration:
    """Read jobs.toml at `path` and what it includes; imports none of the callables.

    Raises:
        ConfigError: with every problem of every file, in the order of the lines, up to
            MOST_PROBLEMS of them; that others may write to a file is one when root reads it.
    """
    configuration, problems = survey(path)
    if problems:
        raise ConfigError(problems)
    return configuration


def survey(path: Path) -> tuple[Configuration, list[Problem]]:
    """What is sound of jobs.toml at `path` and what it includes, and every problem of the rest.

    Raises:
        ConfigError: the file itself cannot be read or parsed.
    """
    main = read_document(path)
    settings, patterns, problems = _daemon(main)
    included = _included(main, patterns, problems)
    problems += [main.problem((), flaw) for flaw in table_flaws(main.data)]
    for document in included:
        problems += [document.problem((), flaw) for flaw in _foreign_tables(document)]
    categories = _categories(main, problems)
    defaults = _defaults(main, categories, problems)
    entries = _entries([main, *included], main, defaults, problems)
    timezone = settings.timezone or system_zone()
    calendars = _calendars(main, timezone, problems)
    jobs = _jobs(entries, timezone, calendars.by_name, categories, problems)
    odd = _odd_local_times(entries, jobs, timezone)
    files = (*(document.path for document in (main, *included)), *calendars.files)
    exposed = _exposed(files, settings.python_path, jobs)
    is_root = os.geteuid() == 0
    folder = Path(glob.escape(str(path.parent.absolute())))
    configuration = Configuration(
        path=path,
        settings=settings,
        jobs=jobs,
        categories=categories,
        files=files,
        calendars=calendars.by_name,
        include=tuple(str(folder / pattern) for pattern in patterns),
        warnings=(*([] if is_root else exposed), *_shared(settings.python_path), *odd),
        _origins=entries,
        _documents=(main, *included),
    )
    problems += exposed if is_root else []
    return configuration, _first(path, sorted(problems, key=in_order))


def in_order(problem: Problem) -> tuple[str, int, int]:
    """The key that sorts problems by file, line and column."""
    return problem.file, problem.line, problem.column


@dataclass(frozen=True, slots=True)
class _Entry:
    """One table [jobs.NAME], where it stands, and what it inherits from `main`."""

    name: str
    table: dict[str, object]
    document: Document
    defaults: dict[str, object]
    main: Document

    def origin(self, path: KeyPath, *, at_key: bool = False) -> tuple[Document, Spot]:
        """The file and the place in it of `path`, which begins with a key of the entry."""
        inherited = _is_inherited(path, self.table, self.defaults)
        document = self.main if inherited else self.document
        above: KeyPath = ("defaults",) if inherited else ("jobs", self.name)
        return document, document.spot((*above, *path), at_key=at_key) or Spot(1, 1)

    def problem(self, flaw: Flaw) -> Problem:
        document, spot = self.origin(flaw.path, at_key=flaw.at_key)
        return document.problem(("jobs", self.name), flaw, spot=spot)


def _is_inherited(path: KeyPath, own: object, defaults: object) -> bool:
    """Whether what is at `path` comes from the defaults, which are inherited key by key."""
    if not isinstance(defaults, dict) or not path or path[0] not in defaults:
        return False
    if not isinstance(own, dict) or path[0] not in own:
        return True
    return _is_inherited(path[1:], own[path[0]], defaults[path[0]])


def _daemon(main: Document) -> tuple[Settings, tuple[str, ...], list[Problem]]:
    problems: list[Problem] = []
    table = _table(main, ("daemon",), main.data.get("daemon", {}), problems)
    settings, patterns, flaws = settings_from_table(table, main.path.parent)
    problems += [main.problem(("daemon",), flaw) for flaw in flaws]
    return settings, patterns, problems


def _included(main: Document, patterns: Sequence[str], problems: list[Problem]) -> list[Document]:
    directory = main.path.parent
    paths: dict[str, Path] = {}
    for index, pattern in enumerate(patterns):
        # Path.glob refuses absolute patterns and shows hidden files, such as an editor's.
        names = glob.glob(pattern, root_dir=directory, recursive=True)  # noqa: PTH207
        if not names and pattern == glob.escape(pattern):
            flaw = Flaw(("include", index), f"there is no file {shown(pattern)}")
            problems.append(main.problem(("daemon",), flaw))
        paths |= {os.path.realpath(directory / name): directory / name for name in names}
    paths.pop(os.path.realpath(main.path), None)
    documents = []
    for path in sorted(paths.values()):
        try:
            documents.append(read_document(path))
        except ConfigError as error:
            problems += error.problems
    return documents


def _foreign_tables(document: Document) -> Iterator[Flaw]:
    hint = "move it to the file that includes this one"
    for key in document.data.keys() - {"jobs"}:
        yield Flaw((key,), "an included file holds only [jobs.*]", hint, at_key=True)


def _categories(main: Document, problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    table = _table(main, ("categories",), main.data.get("categories", {}), problems)
    categories, flaws = categories_from_table(table)
    problems += [main.problem(("categories",), flaw) for flaw in flaws]
    return categories


def _defaults(
    main: Document, categories: Collection[str], problems: list[Problem]
) -> dict[str, object]:
    """[defaults] without what is wrong in it, which is reported here once and for all jobs."""
    table = _table(main, ("defaults",), main.data.get("defaults", {}), problems)
    flaws = default_flaws(table, categories)
    problems += [main.problem(("defaults",), flaw) for flaw in flaws]
    wrong = {flaw.path[0] for flaw in flaws}
    return {key: value for key, value in table.items() if key not in wrong}


def _entries(
    documents: Sequence[Document],
    main: Document,
    defaults: dict[str, object],
    problems: list[Problem],
) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for document in documents:
        for name, value in _table(
            document, ("jobs",), document.data.get("jobs", {}), problems
        ).items():
            if name in entries:
                problems.append(_twice(name, entries[name].document, document))
                continue
            table = _table(document, ("jobs", name), value, problems)
            if isinstance(value, dict):
                entries[name] = _Entry(name, table, document, defaults, main)
    return entries


def _calendars(main: Document, timezone: str, problems: list[Problem]) -> Calendars:
    tables = _table(main, ("calendars",), main.data.get("calendars", {}), problems)
    found = calendars_from_tables(tables, main.path.parent, timezone)
    problems += [main.problem(("calendars",), flaw) for flaw in found.flaws]
    return found


def _jobs(
    entries: Mapping[str, _Entry],
    timezone: str,
    calendars: Mapping[str, Calendar],
    categories: Collection[str],
    problems: list[Problem],
) -> tuple[Job, ...]:
    jobs = []
    for name, entry in sorted(entries.items()):
        if len(problems) > MOST_PROBLEMS:
            break  # `_first` drops what would follow
        whole = inherit(entry.defaults, entry.table)
        if isinstance(cwd := whole.get("cwd"), str):
            whole["cwd"] = str(entry.document.path.parent.absolute() / cwd)
        try:
            job = job_from_entry(
                name,
                whole,
                source=Source.FILE,
                timezone=timezone,
                calendars=calendars,
                categories=categories,
            )
        except InvalidEntry as error:
            problems += [entry.problem(flaw) for flaw in error.problems]
        else:
            jobs.append(job)
    return tuple(jobs)


def _odd_local_times(
    entries: Mapping[str, _Entry], jobs: Sequence[Job], timezone: str
) -> list[Problem]:
    """Local times of sound jobs that do not exist, or exist twice."""
    flaws = (
        (entry, flaw)
        for job in jobs
        if (entry := entries[job.name]).table.keys() & {"at", "start_at", "end_at"}
        for flaw in local_time_flaws(inherit(entry.defaults, entry.table), timezone)
    )
    return [entry.problem(flaw) for entry, flaw in flaws]


def _exposed(
    files: Sequence[Path], python_path: Sequence[Path], jobs: Sequence[Job]
) -> list[Problem]:
    """What anybody could have taskd do by writing to its files."""
    places = [*python_path, *module_files(jobs, python_path)]
    use = dict.fromkeys(exposed_files(places), "the modules of jobs")
    use |= dict.fromkeys(exposed_files(files), "the jobs")
    return [
        Problem(
            *(str(place), 0, 0, ""),
            f"every user may write to it, and so change {what}",
            f"chmod o-w {shlex.quote(str(place))}",
        )
        for place, what in use.items()
    ]


def _shared(python_path: Sequence[Path]) -> list[Problem]:
    message = "every user may put modules here, for it is in daemon.python_path"
    hint = "keep the modules of jobs in a directory of their own"
    return [Problem(str(place), 0, 0, "", message, hint) for place in shared_places(python_path)]


def _first(path: Path, problems: list[Problem]) -> list[Problem]:
    if len(problems) <= MOST_PROBLEMS:
        return problems
    message = f"has more than {MOST_PROBLEMS} problems; these are the first"
    return [Problem(str(path), 0, 0, "", message), *problems[:MOST_PROBLEMS]]


def _table(
    document: Document, path: KeyPath, value: object, problems: list[Problem]
) -> dict[str, object]:
    """`value` if it is a table; else it is a problem, and an empty table stands for it."""
    if isinstance(value, dict):
        return value
    flaw = Flaw(path, f"expected a table, found {shown(value)}")
    problems.append(document.problem((), flaw))
    return {}


def _twice(name: str, first: Document, second: Document) -> Problem:
    path = ("jobs", name)
    spot = first.spot(path) or Spot(1, 1)
    message = f"is defined already, at {first.path}:{spot.line}"
    return second.problem((), Flaw(path, message, "give one of them another name", at_key=True))
