from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from taskd.config.crontab import DEFAULTS, Imported, Note, read_crontab
from taskd.config.load import load

SYSTEM = """\
# /etc/crontab: system-wide crontab
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin

# Example of job definition:
# .---------------- minute (0 - 59)
# |  .------------- hour (0 - 23)
# *  *  *  *  * user-name command to be executed
17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly
25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
"""


def jobs(text: str, *, has_users: bool = False) -> dict[str, dict[str, Any]]:
    found = read_crontab(text, has_users=has_users)
    assert [note for note in found.notes if note.is_lost] == []
    return found.jobs


def one(text: str, *, has_users: bool = False) -> dict[str, Any]:
    (job,) = jobs(text, has_users=has_users).values()
    return job


def notes(text: str, *, has_users: bool = False) -> list[Note]:
    return read_crontab(text, has_users=has_users).notes


def taken(found: Imported, folder: Path) -> None:
    """The loader takes the jobs as they would be printed."""
    path = folder / "jobs.toml"
    path.write_text(tomli_w.dumps({"defaults": dict(DEFAULTS), "jobs": found.jobs}), "utf-8")
    assert {job.name for job in load(path).jobs} == found.jobs.keys()


def test_an_entry_is_a_line_for_the_shell() -> None:
    assert jobs("*/5 * * * * /usr/bin/backup.sh --all > /dev/null 2>&1\n") == {
        "backup": {
            "command": "/usr/bin/backup.sh --all > /dev/null 2>&1",
            "shell": True,
            "cron": "*/5 * * * *",
        }
    }


def test_odd_white_space_is_cron_s_own() -> None:
    job = one("  \t 0\t 3  * *\t mon-fri \t  echo  a   b  \r".replace("\r", ""))
    assert job["cron"] == "0 3 * * mon-fri"
    assert job["command"] == "echo  a   b"


@pytest.mark.parametrize("nickname", ["@hourly", "@daily", "@midnight", "@annually", "@Weekly"])
def test_nicknames_stay(nickname: str) -> None:
    assert one(f"{nickname} a")["cron"] == nickname


def test_reboot_is_the_start_of_the_daemon() -> None:
    assert one("@reboot sleep 60 && a") == {
        "command": "sleep 60 && a",
        "shell": True,
        "on": "boot",
    }


def test_settings_hold_for_the_entries_below_them() -> None:
    found = jobs("0 1 * * * a\nPATH = /opt/bin \nFOO='x  '\n0 2 * * * b\nFOO=\n0 3 * * * c\n")
    assert "env" not in found["a"]
    assert found["b"]["env"] == {"PATH": "/opt/bin", "FOO": "x  "}
    assert found["c"]["env"] == {"PATH": "/opt/bin", "FOO": ""}


def test_another_shell_is_called_with_the_line() -> None:
    assert one("SHELL=/bin/bash\n0 1 * * * a | b") == {
        "command": ["/bin/bash", "-c", "a | b"],
        "cron": "0 1 * * *",
    }


def test_the_home_of_a_setting_is_where_the_command_runs() -> None:
    assert one("HOME=/srv/app\n0 1 * * * a")["cwd"] == "/srv/app"


def test_the_zone_and_the_random_delay_of_cronie_are_kept() -> None:
    job = one("CRON_TZ=America/New_York\nRANDOM_DELAY=5\n30 2 * * * a")
    assert (job["timezone"], job["jitter"]) == ("America/New_York", "5m")
    assert "timezone" not in one("CRON_TZ=UTC\n@reboot a")


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("MAILTO=ops@example.org", "MAILTO"),
        ("CRON_TZ=Mars/Base", "Mars/Base"),
        ("RANDOM_DELAY=soon", "soon"),
    ],
)
def test_a_setting_that_cannot_be_kept_is_told_with_its_line(setting: str, word: str) -> None:
    (note,) = notes(f"\n{setting}\n0 1 * * * a")
    assert (note.line, note.is_lost) == (2, False)
    assert word in note.message
    assert note.fix


def test_no_mail_is_what_taskd_sends() -> None:
    assert notes('MAILTO=""\n0 1 * * * a') == []


def test_the_text_after_a_percent_sign_is_standard_input() -> None:
    text = "0 1 * * * cat -A; exit 3 # now%Hello\\%%it's me"
    command = one(text)["command"]
    ended = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (3, "Hello%$\nit's me$\n")
    assert one(f"{text}%")["command"] == command
    assert [note.line for note in notes(text)] == [1]


def test_a_percent_sign_with_nothing_behind_it_gives_nothing() -> None:
    assert one("0 1 * * * mail -s hi root%")["command"] == "mail -s hi root"


def test_an_escaped_percent_sign_is_one() -> None:
    assert one("0 1 * * * date +\\%F")["command"] == "date +%F"


def test_comments_above_an_entry_describe_it() -> None:
    found = jobs("# A file of ours\n\n# Every night\n# or so\n0 1 * * * a\n0 2 * * * b\n")
    assert found["a"]["description"] == "Every night or so"
    assert "description" not in found["b"]


@pytest.mark.parametrize(
    "comment", ["# 0 5 * * * tar czf /x", "# m h  dom mon dow   command", "#", "#@daily old"]
)
def test_other_comments_describe_nothing(comment: str) -> None:
    assert "description" not in one(f"# Header\n{comment}\n0 1 * * * a".replace("# Header\n", ""))


def test_the_system_form_has_a_user(tmp_path: Path) -> None:
    found = read_crontab(SYSTEM, has_users=True)
    assert list(found.jobs) == ["cron.hourly", "cron.daily"]
    assert found.jobs["cron.hourly"]["command"] == "cd / && run-parts --report /etc/cron.hourly"
    assert [note.line for note in found.notes] == [9, 10]
    assert all("as root" in note.message for note in found.notes)
    taken(found, tmp_path)


def test_another_user_than_root_needs_a_daemon_or_runuser() -> None:
    (note,) = notes("0 1 * * *  www-data\tphp x.php", has_users=True)
    assert note.fix == "run the daemon as www-data, or as root: runuser -u www-data -- COMMAND"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/bin/backup.sh", "backup"),
        ("cd /srv/app && ./manage.py clearsessions", "manage"),
        ("/usr/bin/python3 -u /opt/report.py --mail", "report"),
        ("FOO=bar nice -n 10 rsync -a /x /y", "rsync"),
        ("[ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean", "sessionclean"),
        ("flock -n /run/x.lock /opt/job", "job"),
        ("echo hello", "echo"),
        ("'/opt/my jobs/run me'", "run-me"),
        ("$HOME/bin/x", "line-1"),
        ("..", "line-1"),
    ],
)
def test_a_job_is_named_for_its_program(command: str, name: str) -> None:
    assert list(jobs(f"0 1 * * * {command}")) == [name]


def test_names_are_unique() -> None:
    assert list(jobs("0 1 * * * a\n0 2 * * * a x\n@daily a-2\n@daily a\n")) == [
        *("a", "a-2", "a-2-2", "a-3"),
    ]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("0 25 * * * a", "25"),
        ("0 1 * * *", "command"),
        ("@dayly a", "@dayly"),
        ("hello", "command"),
        ("0~30 1 * * * a", "~"),
        ("0 0 31 2 * a", "50 years"),
        ("0 1 * * * a\0b", ""),
    ],
)
def test_what_is_no_job_is_told_and_the_others_are_kept(line: str, word: str) -> None:
    found = read_crontab(f"0 1 * * * before\n{line}\n0 1 * * * after")
    assert list(found.jobs) == ["before", "after"]
    (note,) = found.notes
    assert (note.line, note.is_lost) == (2, True)
    assert word in note.message


LINES = st.one_of(
    st.text(max_size=30),
    st.tuples(
        st.sampled_from(["*/5 * * * *", "@daily", "@reboot", "0 1 * * 7", "-0 1 * * *", "1 2 3"]),
        st.sampled_from([" ", "\t", "  "]),
        st.text(max_size=20),
    ).map("".join),
    st.tuples(st.sampled_from(["PATH", "SHELL", "HOME", "CRON_TZ", "X"]), st.text(max_size=8)).map(
        "=".join
    ),
)


@given(st.lists(LINES, max_size=8), st.booleans())
@settings(max_examples=200, deadline=None)
def test_whatever_is_read_the_loader_takes(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], has_users: bool
) -> None:
    found = read_crontab("\n".join(lines), has_users=has_users)
    tomllib.loads(tomli_w.dumps({"jobs": found.jobs}))
    taken(found, tmp_path_factory.mktemp("crontab"))
