from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from taskd.config.load import load
from taskd.core.cron import Cron
from taskd.core.job import Source
from taskd.errors import ConfigError, Problem

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes jobs.toml, or the file named, and gives its path."""

    def write(content: str | bytes, name: str = "jobs.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as refusal:
        load(path)
    assert all(not problem.code for problem in refusal.value.problems)
    return refusal.value.problems


def places(path: Path) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.key) for problem in problems(path)]


def test_an_empty_file_is_a_configuration_without_jobs(write: Write) -> None:
    path = write("")
    configuration = load(path)
    assert (configuration.jobs, configuration.files) == ((), (path,))
    assert configuration.path == path


def test_jobs_are_sorted_and_come_from_the_file(write: Write) -> None:
    jobs = load(write('jobs.b.call = "x:y"\n[jobs.a]\ncall = "x:y"\n')).jobs
    assert [job.name for job in jobs] == ["a", "b"]
    assert {job.source for job in jobs} == {Source.FILE}


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b"# comment\r\n"])
def test_a_byte_order_mark_and_windows_line_ends_are_accepted(write: Write, prefix: bytes) -> None:
    configuration = load(write(prefix + b'[jobs.a]\r\ncall = "x:y"\r\n'))
    assert configuration.place("a", "call").column == 8


def test_the_zone_of_the_daemon_is_that_of_its_jobs(write: Write) -> None:
    text = '[daemon]\ntimezone = "Asia/Tokyo"\n[jobs.a]\ncall = "x:y"\ncron = "@daily"\n'
    assert load(write(text)).jobs[0].schedule == Cron(("@daily",), "Asia/Tokyo", "a")


def test_without_a_zone_jobs_are_in_that_of_the_system(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    path = write('[jobs.a]\ncall = "x:y"\ncron = "@daily"\n')
    assert load(path).jobs[0].schedule == Cron(("@daily",), "Asia/Kolkata", "a")


def test_defaults_are_inherited_and_a_job_has_the_last_word(write: Write) -> None:
    defaults = '[defaults]\npriority = "high"\n'
    text = defaults + '[jobs.a]\ncall = "x:y"\n[jobs.b]\ncall = "x:y"\npriority = 1'
    assert [job.priority for job in load(write(text)).jobs] == [50, 1]


def test_a_problem_tells_file_line_column_key_and_source(write: Write) -> None:
    path = write('[jobs.nightly]\ncall = "x:y"\ncron = "30 25 * * *"\n')
    (problem,) = problems(path)
    assert (problem.file, problem.line, problem.column) == (str(path), 3, 8)
    assert problem.key == "jobs.nightly.cron"
    assert problem.message == "hour 25 is outside 0-23"
    assert problem.source == 'cron = "30 25 * * *"'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("jobs = 3", (1, 8, "jobs")),
        ("[jobs]\na = 3", (2, 5, "jobs.a")),
        ("[[jobs]]", (1, 3, "jobs")),
        ("daemon = []", (1, 10, "daemon")),
        ("defaults = 1", (1, 12, "defaults")),
        ("[jbos.a]", (1, 2, "jbos")),
        ("[queues.x]", (1, 2, "queues")),
        ("[calendars.x]\n  daets = []", (2, 3, "calendars.x.daets")),
        ("[daemon]\n  workers = 0", (2, 13, "daemon.workers")),
        ("[daemon]\n  wrkers = 0", (2, 3, "daemon.wrkers")),
        ('[defaults]\nevery = "1s"', (2, 1, "defaults.every")),
        ('[defaults]\ncall = "x:y"', (2, 1, "defaults.call")),
        ("[defaults]\npriority = 101", (2, 12, "defaults.priority")),
        ("[defaults]\ntimeout = 1", (2, 11, "defaults.timeout")),
        ("[jobs.a]", (1, 7, "jobs.a.call")),
        ('[jobs."a b"]\ncall = "x:y"', (1, 7, 'jobs."a b".name')),
        ('[jobs.a]\ncall = "x"', (2, 8, "jobs.a.call")),
        ('[jobs.a]\ncall = "x:y"\nevery = 10', (3, 9, "jobs.a.every")),
        ('[jobs.a]\ncall = "x:y"\nargs = [1, nan]', (3, 12, "jobs.a.args[1]")),
        ('[jobs]\na = { call = "x:y", tags = 1 }', (2, 28, "jobs.a.tags")),
        ('jobs.a = {call="x:y", kwargs.k = 1979-05-27}', (1, 34, "jobs.a.kwargs.k")),
        ('[jobs.a]\ncall = "x:y"\nretry.max_attempts = 0', (3, 22, "jobs.a.retry.max_attempts")),
        ('[jobs.a]\ncall = "x:y"\nevery = "1s"\nat = 2026-01-01', (4, 1, "jobs.a.at")),
    ],
)
def test_a_problem_is_placed_at_its_key_or_value(
    write: Write, text: str, place: tuple[int, int, str]
) -> None:
    assert places(write(text))[0] == place


def test_all_problems_are_told_in_one_pass_in_the_order_of_the_lines(write: Write) -> None:
    path = write(
        "[daemon]\nworkers = 0\n[defaults]\nqueue = 'q'\n"
        "[jobs.b]\ncall = 1\nevery = 10\n[jobs.a]\ncrn = 1\n[queues.x]\n"
    )
    assert places(path) == [
        (2, 11, "daemon.workers"),
        (4, 1, "defaults.queue"),
        (6, 8, "jobs.b.call"),
        (7, 9, "jobs.b.every"),
        (8, 7, "jobs.a.call"),
        (9, 1, "jobs.a.crn"),
        (10, 2, "queues"),
    ]


def test_a_wrong_default_is_told_once_and_spares_the_jobs(write: Write) -> None:
    jobs = "".join(f'[jobs.j{number}]\ncall = "x:y"\n' for number in range(5))
    assert places(write("[defaults]\npriority = 101\n" + jobs)) == [(2, 12, "defaults.priority")]


def test_what_a_job_inherits_is_placed_in_the_defaults(write: Write) -> None:
    path = write('[jobs.a]\ncall = "x:y"\n[defaults]\ncarry = true\n')
    assert places(path) == [(4, 9, "jobs.a.carry")]
    path = write('[jobs.a]\ncall = "x:y"\n[defaults]\nargs = [1]\n')
    assert load(path).place("a", "args") == (str(path), 4, 8, "args = [1]")


def test_a_place_is_that_of_the_key_or_of_the_job(write: Write) -> None:
    path = write('[jobs.a]\ncall = "x:y"\n')
    assert load(path).place("a", "call") == (str(path), 2, 8, 'call = "x:y"')
    assert load(path).place("a", "kwargs") == (str(path), 1, 7, "[jobs.a]")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = ", (1, 5, "")),
        ("[jobs.a\ncall = 1", (1, 8, "")),
        ('x = 1\ny = "é', (2, 7, "")),
        ("[jobs.a]\n[jobs.b]\n[jobs.a]", (3, 7, "jobs.a")),
        ("[jobs.a]\ncall = 1\ncall = 2", (3, 1, "jobs.a.call")),
    ],
)
def test_a_syntax_error_has_its_place(write: Write, text: str, place: tuple[int, int, str]) -> None:
    assert places(write(text)) == [place]


def test_a_job_defined_twice_names_both_lines(write: Write) -> None:
    path = write("[jobs.a]\n[jobs.b]\n[jobs.a]")
    assert problems(path)[0].message == f"is defined already, at {path}:1"


def test_a_file_that_is_not_utf_8_is_told_where(write: Write) -> None:
    path = write(b"a = 1\nb = '\xc3\xa9\xff'")
    (problem,) = problems(path)
    assert (problem.line, problem.column) == (2, 7)
    assert problem.message == "the byte 0xff is not UTF-8"


def test_a_missing_file_a_directory_and_a_device_are_refused(tmp_path: Path) -> None:
    (missing,) = problems(tmp_path / "jobs.toml")
    assert (missing.message, missing.line) == ("cannot be read: no such file or directory", 0)
    assert problems(tmp_path)[0].message == "is not a file"
    assert problems(Path("/dev/zero"))[0].message == "is not a file"
    assert "not a directory" in problems(Path("/dev/null/jobs.toml"))[0].message


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "jobs.toml")
    assert problems(tmp_path / "jobs.toml")[0].message == "is not a file"


def test_a_file_over_1_mib_is_refused(write: Write) -> None:
    path = write(b"#" * (1024 * 1024))
    assert load(path).jobs == ()
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    assert problems(path)[0].message == "is larger than 1 MiB; split it: daemon.include"


def test_included_files_are_merged_in_the_order_of_their_names(write: Write) -> None:
    second = write('[jobs.b]\ncall = "x:y"\n', "conf.d/2.toml")
    first = write('[jobs.c]\ncall = "x:y"\n', "conf.d/1.toml")
    write("not toml", "conf.d/.hidden.toml")
    main = write('[daemon]\ninclude = ["conf.d/*.toml"]\n[jobs.a]\ncall = "x:y"\n')
    configuration = load(main)
    assert [job.name for job in configuration.jobs] == ["a", "b", "c"]
    assert configuration.files == (main, first, second)
    assert configuration.include == (str(main.parent / "conf.d/*.toml"),)
    assert configuration.place("c", "call").file == str(first)


def test_an_included_job_inherits_the_defaults_of_the_main_file(write: Write) -> None:
    write('[jobs.a]\ncall = "x:y"\n', "more.toml")
    main = write('[daemon]\ninclude = ["more.toml"]\n[defaults]\npriority = 7\n')
    assert load(main).jobs[0].priority == 7


def test_a_file_that_several_patterns_match_is_read_once(write: Write) -> None:
    write('[jobs.a]\ncall = "x:y"\n', "more.toml")
    main = write('[daemon]\ninclude = ["*.toml", "more.toml", "./more.toml"]\n')
    assert len(load(main).files) == 2


def test_a_pattern_may_match_nothing_but_a_named_file_must_exist(write: Write) -> None:
    assert load(write('[daemon]\ninclude = ["none.d/*.toml"]')).jobs == ()
    path = write('[daemon]\ninclude = ["x.toml",\n  "none.toml"]')
    write("", "x.toml")
    assert places(path) == [(3, 3, "daemon.include[1]")]


@pytest.mark.parametrize("table", ["[daemon]", "[defaults]", "[queues.x]", "[other]", "x = 1"])
def test_an_included_file_holds_nothing_but_jobs(write: Write, table: str) -> None:
    included = write(f"\n{table}\n", "more.toml")
    (problem,) = problems(write('[daemon]\ninclude = ["more.toml"]'))
    assert (problem.file, problem.line) == (str(included), 2)
    assert problem.message == "an included file holds only [jobs.*]"


def test_a_job_defined_in_two_files_names_both_places(write: Write) -> None:
    included = write('\n[jobs.a]\ncall = "x:y"\n', "more.toml")
    main = write('[daemon]\ninclude = ["more.toml"]\n[jobs.a]\ncall = "x:y"\n')
    (problem,) = problems(main)
    assert (problem.file, problem.line, problem.key) == (str(included), 2, "jobs.a")
    assert problem.message == f"is defined already, at {main}:3"


def test_a_syntax_error_in_one_file_does_not_hide_the_problems_of_the_others(
    write: Write,
) -> None:
    write("[jobs.b]\ncall = 1\n", "conf.d/1.toml")
    write("[jobs.c\n", "conf.d/2.toml")
    (write("", "conf.d/3.toml").parent / "4.toml").mkdir()
    main = write('[daemon]\ninclude = ["conf.d/*"]\n[jobs.a]\n')
    assert [(Path(problem.file).name, problem.line) for problem in problems(main)] == [
        ("1.toml", 2),
        ("2.toml", 1),
        ("4.toml", 0),
        ("jobs.toml", 3),
    ]


def test_categories_name_classes_and_are_known_to_the_jobs(write: Write) -> None:
    path = write(
        '[categories]\ntransient = ["ConnectionError", "app.Late"]\nnone = []\n'
        '[jobs.a]\ncall = "x:y"\nretry.retry_on = ["transient", "none", "OSError"]\n'
    )
    configuration = load(path)
    assert configuration.categories == {"transient": ("ConnectionError", "app.Late"), "none": ()}
    assert configuration.jobs[0].failure.retry.retry_on == ("transient", "none", "OSError")


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ("a = [1]", (2, 6, "categories.a[0]")),
        ('a = "OSError"', (2, 5, "categories.a")),
        ('a = ["OSErr"]', (2, 6, "categories.a[0]")),
        ('a = ["OSError"]\nb = ["OSError"]', (3, 6, "categories.b[0]")),
        ('OSError = ["OSError"]', (2, 1, "categories.OSError")),
        ('"a.b" = ["OSError"]', (2, 1, 'categories."a.b"')),
    ],
)
def test_a_category_that_cannot_be_is_refused(
    write: Write, table: str, place: tuple[int, int, str]
) -> None:
    assert places(write(f"[categories]\n{table}\n")) == [place]


def test_what_a_job_inherits_is_placed_where_it_is_written(write: Write) -> None:
    path = write(
        '[defaults]\nretry.initial = "10m"\nretry.max_delay = "20m"\n'
        '[jobs.a]\ncall = "x:y"\nretry.max_delay = "5m"\n'
        '[jobs.b]\ncall = "x:y"\nretry.max_attempts = 2\n'
    )
    assert places(path) == [(2, 17, "jobs.a.retry.initial")]
    path.write_text(path.read_text().replace('"5m"', '"1h"'))
    assert load(path).jobs[1].failure.retry.initial == timedelta(minutes=10)


def test_a_wrong_default_is_told_once(write: Write) -> None:
    jobs = "".join(f'[jobs.j{n}]\ncall = "x:y"\n' for n in range(3))
    path = write(f'[defaults]\nretry.retry_on = ["Nothing"]\nretention.ever = "1d"\n{jobs}')
    assert places(path) == [
        (2, 19, "defaults.retry.retry_on[0]"),
        (3, 11, "defaults.retention.ever"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'jobs.a.call = "os:getpid"\n[jobs.a]\nevery = "1s"\n',
        "jobs.a = {}\n[jobs.a]\n",
        'jobs.a = {}\njobs.a.call = "os:getpid"\n',
    ],
)
def test_a_table_that_is_written_in_two_ways_is_named(write: Write, text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(write(text))
    (problem,) = refusal.value.problems
    assert problem.key == "jobs.a"
    assert "is defined already" in problem.message


@pytest.mark.parametrize(
    "change",
    [
        lambda write: write("[jobs.a]\ncall = 'm:g'\n"),
        lambda write: write("[jobs.b]\ncall = 'm:g'\n", "jobs.d/b.toml"),
        lambda write: write("[jobs.c]\ncall = 'm:f'\n", "jobs.d/c.toml"),
        lambda write: write("", "jobs.d/b.toml").unlink(),
        lambda write: write(b"\xff"),
    ],
)
def test_a_configuration_knows_whether_its_files_still_say_the_same(
    write: Write, change: Callable[[Write], object]
) -> None:
    write("[jobs.b]\ncall = 'm:f'\n", "jobs.d/b.toml")
    path = write("[daemon]\ninclude = ['jobs.d/*.toml']\n[jobs.a]\ncall = 'm:f'\n")
    configuration = load(path)
    assert configuration.is_current()
    change(write)
    assert not configuration.is_current()
