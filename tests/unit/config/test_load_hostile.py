"""Whatever the bytes of a file, loading it gives a configuration or its problems."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskd.config.document import LARGEST_FILE
from taskd.config.load import MOST_PROBLEMS, Configuration, load
from taskd.config.report import problem_json, render
from taskd.errors import ConfigError
from tests.unit.config.toml_documents import documents

VALID = b"""\
# \xc3\xa9t\xc3\xa9
[daemon]
workers = 3
timezone = "Europe/Berlin"
shutdown_grace = "5s"
[defaults]
priority = "high"
[jobs.heartbeat]
call  = 'myapp.health:ping'
every = "10s"
mode = "fixed-delay"
[jobs."launch"]
call = "myapp.site:launch"
args = [1, "two", [3.5, true], { x = "\\u00e9" }]
kwargs.region = \"\"\"
eu\"\"\"
at = [2026-12-24T18:00:00+01:00, 2026-12-25 18:00:00]
"""


def answer(path: Path, content: bytes) -> Configuration | None:
    path.write_bytes(content)
    try:
        return load(path)
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.message and problem_json(problem) and render(problem)
        return None


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "jobs.toml"


def test_every_truncation_of_a_valid_file_loads_or_is_refused(path: Path) -> None:
    whole = answer(path, VALID)
    assert whole is not None and len(whole.jobs) == 2
    for end in range(len(VALID)):
        answer(path, VALID[:end])


@settings(max_examples=200)
@given(position=st.integers(0, len(VALID) - 1), bytes_=st.binary(max_size=3))
def test_a_valid_file_with_other_bytes_in_it_loads_or_is_refused(
    path: Path, position: int, bytes_: bytes
) -> None:
    answer(path, VALID[:position] + bytes_ + VALID[position + 1 :])


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_load_or_are_refused(path: Path, content: bytes) -> None:
    answer(path, content)


@given(documents())
def test_any_toml_loads_or_is_refused(path: Path, text: str) -> None:
    answer(path, text.encode())


@given(documents(), st.sampled_from(["[jobs.a]", "[defaults]", "[daemon]"]))
def test_any_toml_as_a_known_table_loads_or_is_refused(path: Path, text: str, table: str) -> None:
    header_free = "\n".join(line for line in text.split("\n") if not line.startswith("["))
    answer(path, f"{table}\n{header_free}".encode())


def as_large_as_may_be(line: str) -> bytes:
    """A file of the largest size, of lines that differ."""
    count = LARGEST_FILE // len(line % 100_000)
    return "".join(line % number for number in range(count)).encode()


@pytest.mark.parametrize(
    "line",
    [
        '[jobs.j%d]\ncal = "x:y"\nevery = 10\n',
        "[t%d]\n",
        "jobs.a.k%d = 1\n",
    ],
)
@pytest.mark.timeout(20)  # 2 s when idle; the square of the number of problems took minutes
def test_a_large_file_that_is_wrong_in_every_line_is_soon_refused_in_few_words(
    path: Path, line: str
) -> None:
    path.write_bytes(as_large_as_may_be(line))
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert len(refused.value.problems) == MOST_PROBLEMS + 1
    assert "more than 1000 problems" in refused.value.problems[0].message


@pytest.mark.parametrize(
    "content",
    [
        b"x = [" + b"," * 100_000 + b"]",
        b"[jobs.a]\nargs = [" + b"1," * 100_000 + b"]",
        b"x = " + b"[" * 100_000,
        b"x = " + b"[" * 100_000 + b"]" * 100_000,
        b"x = " + b"{a=" * 50_000 + b"1" + b"}" * 50_000,
        b"[jobs.a]\ncall = 'x:y'\nargs = " + b"[" * 200 + b"]" * 200,
        b"[" + b"a." * 50_000 + b"a]",
        b"a." * 50_000 + b"a = 1",
        b"x = " + b"9" * 10_000,
        b"[jobs.a]\npriority = 0x" + b"f" * 10_000,
        b"[jobs.a]\nargs = [0x" + b"f" * 10_000 + b"]",
        b"[daemon]\nworkers = 0x" + b"f" * 10_000,
        b"[daemon]\ntimezone = '" + b"z" * 100_000 + b"'",
        b"[jobs.a]\ncron = '" + b"*" * 100_000 + b"'",
        b"[jobs.a]\nevery = '" + b"9" * 100_000 + b"s'",
        b"[jobs." + b"j" * 100_000 + b"]\ncall = 'x:y'",
        b"x = '''" + b"'" * 100_000,
        b'x = "' + b"\\" * 100_001 + b'"',
        b"[jobs.a]\n" + b"".join(b"k%d = 1\n" % number for number in range(2_000)),
        b"\x00" * 1_000,
        b"\xff\xfe[\x00j\x00",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_hostile_file_is_refused(path: Path, content: bytes) -> None:
    assert answer(path, content) is None
