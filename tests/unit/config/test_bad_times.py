"""Times that cannot be: each is refused where it stands, with its reason and what to write."""

from pathlib import Path

import pytest

from taskd.config.load import load
from taskd.errors import ConfigError

COMMAS = ",".join("1" * 50_001) + "," * 50_000


@pytest.mark.parametrize(
    ("line", "column", "key", "message", "hint"),
    [
        ('cron = "0 25 * * *"', 8, "cron", "hour 25 is outside 0-23", ""),
        ('cron = ["@daily", "0 25 * * *"]', 8, "cron", "hour 25 is outside 0-23", ""),
        (
            'cron = "0 0 30 2 *"',
            8,
            "cron",
            "'0 0 30 2 *' does not fire within the next 50 years",
            "",
        ),
        (
            'cron = "@daily"\ntimezone = "Europe/Berlim"',
            12,
            "timezone",
            "'Europe/Berlim' is not a time zone",
            'did you mean "Europe/Berlin"?',
        ),
        (
            'every = "1h"\nstart_at = 2026-06-02T00:00:00Z\nend_at = 2026-06-01T00:00:00Z',
            10,
            "end_at",
            "is not after start_at",
            "nothing would ever run",
        ),
        (f'cron = "{COMMAS} * * * *"', 8, "cron", "longer than 256 characters", "use a list"),
        ('cron = "R * * * *"', 8, "cron", "minute 'r' is not a number", "R is not supported"),
        ('every = "10"', 9, "every", "'10' has no unit", 'write "10s" for seconds'),
    ],
    ids=["hour", "in a list", "30 February", "zone", "window", "commas", "R", "no unit"],
)
def test_a_time_that_cannot_be_is_refused_where_it_stands(
    line: str, column: int, key: str, message: str, hint: str, tmp_path: Path
) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text(f'[jobs.a]\ncall = "os:getpid"\n{line}\n')
    with pytest.raises(ConfigError) as refused:
        load(file)
    (problem,) = refused.value.problems
    assert (problem.line, problem.column) == (2 + len(line.splitlines()), column)
    assert (problem.key, problem.message) == (f"jobs.a.{key}", message)
    assert problem.hint.startswith(hint)
    assert str(problem).startswith(f"{file}:{problem.line}:{problem.column}: jobs.a.{key}: ")
