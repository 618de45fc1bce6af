"""stdout, stderr and what is logged are kept apart, and in the order in which they came."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskd.core.execution import Executor
from taskd.core.run import RunId
from taskd.executors.capture import captured
from taskd.executors.outputs import LONGEST_LINE, Output, Outputs
from taskd.executors.records import HEADER, MOST, Pen, Records
from taskd.executors.segments import STREAMS, Chunk, Piece, Stream
from taskd.ids import new_id
from tests.unit.executors.bench import NOW, Bench

RUN = RunId(new_id(NOW))
printed = st.lists(st.tuples(st.sampled_from(STREAMS), st.text(min_size=1, max_size=30)))


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs(tmp_path / "logs")


@pytest.fixture
def output(outputs: Outputs) -> Output:
    return outputs.open(RUN, 1, 1024)


def chunks(outputs: Outputs, most: int, after: int = 0) -> Iterator[Chunk]:
    while True:
        chunk = outputs.read(RUN, 1, after, most)
        yield chunk
        if chunk.is_last:
            return
        after = chunk.after


def joined(pieces: list[Piece]) -> list[tuple[Stream, str]]:
    """Pieces, those of one stream that follow each other taken together."""
    found: list[tuple[Stream, str]] = []
    for piece in pieces:
        if found and found[-1][0] is piece.stream:
            found[-1] = (piece.stream, found[-1][1] + piece.text)
        else:
            found.append((piece.stream, piece.text))
    return found


def safe(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@settings(max_examples=60, deadline=None)
@given(printed, st.integers(4, 50))
def test_what_is_printed_is_read_back_by_stream_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[Stream, str]], most: int
) -> None:
    outputs = Outputs(tmp_path_factory.mktemp("logs"))
    output = outputs.open(RUN, 1, 1024 * 1024)
    for stream, text in told:
        output.write(stream, safe(text).encode())
    outputs.close(RUN, 1, output)
    read = [piece for chunk in chunks(outputs, most) for piece in chunk.pieces]
    assert joined(read) == joined([Piece(stream, safe(text)) for stream, text in told])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.integers(4, 300))
def test_of_the_tail_too_the_stream_of_each_line_is_known(
    tmp_path_factory: pytest.TempPathFactory, count: int, most: int
) -> None:
    outputs = Outputs(tmp_path_factory.mktemp("logs"))
    output = outputs.open(RUN, 1, 1024)
    for number in range(count):
        output.write(STREAMS[number % 3], f"{number}{'abc'[number % 3]}\n".encode())
    outputs.close(RUN, 1, output)
    for chunk in chunks(outputs, most):
        for piece in chunk.pieces:
            wrong = set("abc") - {"abc"[STREAMS.index(piece.stream)]}
            assert not wrong & set(piece.text)
    files = [file for file in outputs.folder.rglob("1.*") if file.suffix != ".sizes"]
    assert sum(file.stat().st_size for file in files if file.suffix != ".streams") <= 1024
    assert len(files) <= 6


def test_who_prints_to_stdout_alone_has_no_list_of_streams(
    outputs: Outputs, output: Output
) -> None:
    output.write(Stream.STDOUT, b"x" * 3000)
    outputs.close(RUN, 1, output)
    assert not list(outputs.folder.rglob("*.streams"))


def test_a_line_is_not_cut_into_by_another(outputs: Outputs, output: Output) -> None:
    output.print(Stream.STDOUT, b"half a ")
    output.print(Stream.STDERR, b"whole\nand ")
    output.write(Stream.LOG, b"logged\n")
    output.print(Stream.STDOUT, b"line\n")
    assert outputs.read(RUN, 1).text == "whole\nlogged\nhalf a line\n"
    outputs.close(RUN, 1, output)
    assert outputs.read(RUN, 1).pieces[-1] == Piece(Stream.STDERR, "and ")


def test_what_has_no_end_is_not_held_back_for_ever(outputs: Outputs, output: Output) -> None:
    output.print(Stream.STDOUT, b".")
    assert outputs.read(RUN, 1).text == ""
    output.flush(Stream.STDOUT)
    assert outputs.read(RUN, 1).text == "."
    output.print(Stream.STDOUT, b"x" * LONGEST_LINE)
    output.print(Stream.STDOUT, b"x")
    assert outputs.more_than(RUN, 1, LONGEST_LINE + 1).done()
    assert not outputs.more_than(RUN, 1, LONGEST_LINE + 2).done()


def test_a_reader_is_told_of_more_and_of_the_end(outputs: Outputs, output: Output) -> None:
    news = outputs.more_than(RUN, 1, 0)
    given_up = outputs.more_than(RUN, 1, 0)
    given_up.cancel()
    assert not news.done()
    output.print(Stream.STDERR, b"half")
    assert not news.done()
    output.print(Stream.STDERR, b"\n")
    assert news.done()
    assert outputs.more_than(RUN, 1, 4).done()
    last = outputs.more_than(RUN, 1, 5)
    assert not last.done()
    outputs.close(RUN, 1, output)
    assert last.done()
    assert outputs.more_than(RUN, 1, 5).done()
    assert outputs.more_than(RUN, 2, 0).done()


# -- records -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STREAMS), st.binary(max_size=9000)), max_size=5))
def test_records_come_out_as_they_went_in(told: list[tuple[Stream, bytes]]) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        pen, records = Pen(writing), Records()
        found: dict[Stream, bytes] = dict.fromkeys(STREAMS, b"")
        for stream, data in told:
            pen.write(stream, data)
            for _ in range(-(-len(data) // 100)):
                for taken, part in records.take(pipe.read(100)):
                    assert len(part) <= MOST
                    found[taken] += part
        os.close(writing)
        for taken, part in records.take(pipe.read()):
            found[taken] += part
    for stream in STREAMS:
        assert found[stream] == b"".join(data for one, data in told if one is stream)


@given(st.lists(st.binary(max_size=50)))
def test_garbage_is_some_record(pieces: list[bytes]) -> None:
    records = Records()
    found = [record for piece in pieces for record in records.take(piece)]
    size = sum(len(data) + HEADER.size for _, data in found)
    assert size <= sum(map(len, pieces))


# -- on the executors ----------------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "state")
    yield bench
    bench.close()


@pytest.mark.parametrize("executor", [Executor.THREAD, Executor.PROCESS, Executor.ASYNC])
def test_what_a_callable_prints_and_logs_is_kept_apart_and_in_order(
    bench: Bench, executor: Executor
) -> None:
    with captured():
        runs = {
            word: bench.start(
                "aspeak" if executor is Executor.ASYNC else "speak", 50, word, executor=executor
            )
            for word in ("one", "two")
        }
        for run in runs.values():
            assert bench.end(run).error is None
    assert bench.executors.outputs is not None
    for word, run in runs.items():
        pieces = joined(list(bench.executors.outputs.read(run, 1).pieces))
        assert pieces == [
            piece
            for number in range(50)
            for piece in (
                (Stream.STDOUT, f"{word} {number}\n"),
                (Stream.STDERR, f"{word} {number}\n"),
                (Stream.LOG, f"WARNING work: {word} {number}\n"),
            )
        ]


def test_what_a_command_prints_is_kept_apart(bench: Bench) -> None:
    run = bench.command("echo out; sleep 0.2; echo err >&2; sleep 0.2; printf end", shell=True)
    bench.end(run)
    assert bench.executors.outputs is not None
    assert bench.executors.outputs.read(run, 1).pieces == (
        Piece(Stream.STDOUT, "out\n"),
        Piece(Stream.STDERR, "err\n"),
        Piece(Stream.STDOUT, "end"),
    )


def test_children_of_a_worker_are_kept_by_their_descriptors(bench: Bench) -> None:
    run = bench.start("shout", executor=Executor.PROCESS)
    assert bench.end(run).error is None
    assert bench.executors.outputs is not None
    told = dict(joined(sorted(bench.executors.outputs.read(run, 1).pieces, key=str)))
    assert told == {Stream.STDOUT: "child out\n", Stream.STDERR: "child err\n"}


def test_a_worker_prints_again_after_an_attempt_that_closed_its_streams(bench: Bench) -> None:
    for name in ("wreck", "speak"):
        run = bench.start(name, *([1, "word"] * (name == "speak")), executor=Executor.PROCESS)
        assert bench.end(run).error is None
    assert bench.printed(run) == "word 0\nword 0\nWARNING work: word 0\n"


def test_sys_stdout_is_a_text_file_as_any(bench: Bench) -> None:
    run = bench.start("reconfigure", executor=Executor.PROCESS)
    assert bench.end(run).error is None
    assert bench.printed(run) == "?\n\\xff\\xfe\n"
