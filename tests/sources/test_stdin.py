import os
import sys
import threading
import time

import pytest

from streamforest.protocols import Reading, SourceError
from streamforest.reading.column_layout import Asked
from streamforest.sources import SourceOptions, open_source
from streamforest.sources.file import FileSource
from streamforest.sources.simulated import SimulatedSource
from streamforest.sources.stdin import StdinSource
from streamforest.terminal.stop import StopFlag


@pytest.fixture
def stop():
    flag = StopFlag()
    yield flag
    flag.close()


@pytest.fixture
def ends():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", 0) as source, os.fdopen(writer, "wb", 0) as target:
        yield source, target


def test_a_line_is_yielded_before_the_next_is_written(ends, stop):
    source, target = ends
    blocks = StdinSource(descriptor=source.fileno()).read(stop, 100)
    target.write(b"time,value\n")
    for number in range(5):
        target.write(b"%d,%d\n" % (number, number))
        assert next(blocks) == [Reading(str(number), str(number))]


def test_half_a_line_waits_for_its_other_half_and_the_last_needs_no_end(ends, stop):
    source, target = ends
    blocks = StdinSource(descriptor=source.fileno()).read(stop, 100)
    target.write(b"1\n2")
    assert next(blocks) == [Reading("1")]
    target.write(b"3\n4")
    assert next(blocks) == [Reading("23")]
    target.close()
    assert list(blocks) == [[Reading("4")]]


def test_what_arrived_together_comes_as_one_block_of_at_most_the_size_asked_for(ends, stop):
    source, target = ends
    target.write(b"1\n2\n3\n4\n5\n")
    target.close()
    blocks = StdinSource(descriptor=source.fileno()).read(stop, 3)
    assert [len(block) for block in blocks] == [3, 2]


def test_a_stop_ends_a_wait_for_input_within_a_second(ends, stop):
    source, target = ends
    target.write(b"1\n2")
    blocks = StdinSource(descriptor=source.fileno()).read(stop, 100)
    assert next(blocks) == [Reading("1")]
    started = time.monotonic()
    threading.Timer(0.05, stop.request).start()
    assert list(blocks) == []
    assert time.monotonic() - started < 1


def test_the_columns_are_described_and_asked_for_as_in_a_file(ends, stop):
    source, target = ends
    target.write(b"a,b,c\n1,2,3\n")
    target.close()
    stdin = StdinSource(Asked("b", "a", "c"), descriptor=source.fileno())
    assert list(stdin.read(stop, 100)) == [[Reading("2", "1", "3")]]
    assert stdin.describe() == "column 'b' of a, b, c"
    stdin.close()
    stdin.close()


def test_a_column_that_is_not_there_is_an_error_that_names_the_source(ends, stop):
    source, target = ends
    target.write(b"a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"^standard input: there is no column 'c'"):
        list(StdinSource(Asked("c"), descriptor=source.fileno()).read(stop, 100))


def test_input_that_cannot_be_read_is_an_error(tmp_path, stop):
    with (tmp_path / "file").open("wb") as write_only:
        blocks = StdinSource(descriptor=write_only.fileno()).read(stop, 100)
        with pytest.raises(SourceError, match="standard input: reading failed: Bad file descriptor"):
            list(blocks)


def test_a_closed_standard_input_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceError, match="standard input is closed"):
        StdinSource()


@pytest.mark.parametrize(("word", "kind"), [("-", StdinSource), ("simulated", SimulatedSource), ("file", FileSource)])
def test_one_word_names_a_source(word, kind, tmp_path, monkeypatch, ends):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", ends[0])
    (tmp_path / "file").write_text("1\n")
    source = open_source(word, SourceOptions(print))
    assert isinstance(source, kind)
    source.close()
