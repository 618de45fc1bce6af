"""What attempts print is kept apart, in pieces that can be followed, and never grows."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskd.core.execution import Executor
from taskd.core.run import RunId
from taskd.executors.capture import captured
from taskd.executors.outputs import Outputs
from taskd.executors.segments import Stream
from taskd.ids import new_id
from tests.unit.executors.bench import NOW, Bench

RUN = RunId(new_id(NOW))
GIGABYTE = 2**30


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs(tmp_path / "logs")


def everything(outputs: Outputs, after: int = 0, most: int = 7) -> tuple[str, int]:
    """All that can be read, and how many bytes are left out."""
    text, left_out = "", 0
    while True:
        chunk = outputs.read(RUN, 1, after, most)
        text, left_out, after = text + chunk.text, left_out + chunk.left_out, chunk.after
        if chunk.is_last:
            return text, left_out


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=20))
def test_what_is_within_the_limit_is_read_back_whole(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    outputs = Outputs(tmp_path_factory.mktemp("logs"))
    output = outputs.open(RUN, 1, 1024 * 1024)
    kept = [text.encode("utf-8", "backslashreplace") for text in texts]
    for data in kept:
        output.write(Stream.STDOUT, data)
    outputs.close(RUN, 1, output)
    assert everything(outputs) == (b"".join(kept).decode(), 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 300))
def test_of_more_the_head_and_the_tail_are_kept_and_the_rest_is_counted(
    tmp_path_factory: pytest.TempPathFactory, lines: int, most: int
) -> None:
    outputs = Outputs(tmp_path_factory.mktemp("logs"))
    output = outputs.open(RUN, 1, 1024)
    whole = "".join(f"{number}\n" for number in range(lines))
    for line in whole.splitlines(keepends=True):
        output.write(Stream.STDOUT, line.encode())
    outputs.close(RUN, 1, output)
    text, left_out = everything(outputs, most=most)
    assert len(text) + left_out == len(whole)
    assert len(text) <= 1024
    head = whole[:512]
    assert text.startswith(head)
    assert whole.endswith(text[len(head) :])
    assert left_out == 0 or len(text) >= 1024 - 256
    assert sum(file.stat().st_size for file in outputs.folder.rglob("1.[0-9]*")) <= 1024


def test_a_follower_sees_everything_as_it_comes(outputs: Outputs) -> None:
    output = outputs.open(RUN, 1, 1024)
    seen, after = "", 0
    for number in range(1000):
        line = f"ü{number}\n".encode()
        output.write(Stream.STDOUT, line[:1])  # half of a character
        output.write(Stream.STDOUT, line[1:])
        chunk = outputs.read(RUN, 1, after)
        while chunk.text:
            assert not chunk.left_out
            assert not chunk.is_last
            seen, after = seen + chunk.text, chunk.after
            chunk = outputs.read(RUN, 1, after)
    outputs.close(RUN, 1, output)
    assert seen == "".join(f"ü{number}\n" for number in range(1000))
    assert outputs.read(RUN, 1, after).is_last


def test_nothing_is_made_for_who_prints_nothing_and_nothing_is_read_of_others(
    outputs: Outputs, tmp_path: Path
) -> None:
    outputs.close(RUN, 1, outputs.open(RUN, 1, 1024))
    assert not outputs.folder.exists()
    assert outputs.read(RUN, 1).is_last
    (tmp_path / "1.sizes").write_text("512 256")
    (tmp_path / "1.0").write_text("secret")
    for name in ("..", "../..", str(tmp_path), "", "."):
        assert outputs.read(name, 1).text == ""
        outputs.delete([name])
    assert (tmp_path / "1.0").exists()


def test_what_a_forgotten_run_printed_is_deleted(outputs: Outputs) -> None:
    output = outputs.open(RUN, 1, 1024)
    output.write(Stream.STDOUT, b"x" * 5000)
    outputs.close(RUN, 1, output)
    assert list(outputs.folder.rglob("*"))
    kept = [outputs.folder, *outputs.folder.rglob("*")]
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)
    outputs.delete([RUN, new_id(NOW)])
    assert not list(outputs.folder.rglob("*"))
    output.write(Stream.STDOUT, b"too late")
    assert not list(outputs.folder.rglob("*"))


def test_only_the_outputs_of_known_runs_outlive_a_sweep(outputs: Outputs) -> None:
    runs = [RunId(new_id(NOW)) for _ in range(5)]
    for run in runs:
        outputs.open(run, 1, 1024).write(Stream.STDOUT, b"x")
    (outputs.folder / "groups").mkdir()
    (outputs.folder / "groups" / "123").touch()
    assert outputs.forget_unknown(lambda asked: set(asked) & set(runs[:2])) == 3
    assert [bool(outputs.read(run, 1).text) for run in runs] == [True] * 2 + [False] * 3
    assert (outputs.folder / "groups" / "123").exists()


# -- capturing -----------------------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "state")
    yield bench
    bench.close()


def test_threads_and_coroutines_are_kept_apart_from_each_other_and_from_the_rest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with captured():
        runs = {word: bench.start("speak", 200, word) for word in ("one", "two", "three")}
        print("mine")
        logging.getLogger("work").error("mine too")
        for run in runs.values():
            bench.end(run)
    for word, run in runs.items():
        lines = bench.printed(run).splitlines()
        assert len(lines) == 600
        assert lines[:3] == [f"{word} 0", f"{word} 0", f"WARNING work: {word} 0"]
        assert all(word in line for line in lines)
    assert out.getvalue() == "mine\n"
    assert "one" not in err.getvalue()


def test_a_process_and_a_command_are_kept_with_what_their_children_print(bench: Bench) -> None:
    run = bench.start("speak", 2, "word", executor=Executor.PROCESS)
    bench.end(run)
    lines = sorted(bench.printed(run).splitlines())
    assert lines == [
        "WARNING work: word 0",
        "WARNING work: word 1",
        *["word 0"] * 2,
        *["word 1"] * 2,
    ]
    run = bench.command("echo out; echo err >&2; (echo child)", shell=True)
    bench.end(run)
    assert sorted(bench.printed(run).split()) == ["child", "err", "out"]


def test_nothing_is_kept_of_who_asks_for_that(bench: Bench) -> None:
    run = bench.command("echo", "out", capture_output=False)
    bench.end(run)
    assert bench.printed(run) == ""


def test_output_without_end_blocks_nobody_and_is_capped(bench: Bench) -> None:
    run = bench.command("yes 2>&- | head -c 40000000; echo end", shell=True, output_limit=64 * 1024)
    assert bench.end(run).error is None
    text = bench.printed(run)
    assert text.startswith("y\ny\n")
    assert text.endswith("end\n")
    assert len(text) < 70 * 1024
    run = bench.start("pour", 3_000, executor=Executor.PROCESS, output_limit=64 * 1024)
    assert bench.end(run).error is None
    assert "bytes left out" not in bench.printed(run)
    assert "<" in bench.printed(run)


def test_a_child_that_holds_the_pipe_open_does_not_hold_up_the_end(bench: Bench) -> None:
    run = bench.command("setsid sleep 5 & echo said", shell=True)
    assert bench.end(run).error is None
    assert bench.printed(run) == "said\n"


@pytest.mark.long
def test_a_gigabyte_is_printed_and_forgotten(bench: Bench) -> None:
    run = bench.command(f"yes | head -c {GIGABYTE}", shell=True)
    assert bench.end(run, 100).error is None
    assert len(bench.printed(run)) <= 1024 * 1024 + 20
