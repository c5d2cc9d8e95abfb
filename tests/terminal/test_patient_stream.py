import io
import os
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.terminal.patient_stream import MOST, PIECE, PatientStream
from streamforest.terminal.stop import StopFlag


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    yield reader, stream
    os.close(reader)
    stream.close()


def read_all(reader, size):
    text = b""
    while len(text) < size:
        text += os.read(reader, 65536)
    return text.decode()


def test_what_is_flushed_is_written_and_all_else_is_the_streams_own(pipe):
    reader, stream = pipe
    patient = PatientStream(stream, "a pipe")
    patient.write("one\ntwo\n")
    patient.flush()
    assert os.read(reader, 100) == b"one\ntwo\n"
    assert (patient.fileno(), patient.encoding, patient.isatty(), patient.unread) == (
        *(stream.fileno(), stream.encoding),
        *(False, 0),
    )


def test_a_short_text_is_in_a_pipe_that_has_room_at_once_and_nothing_overtakes_what_waits(pipe):
    reader, stream = pipe
    patient = PatientStream(stream, "a pipe", 0.2)
    patient.write("one\n")
    assert os.read(reader, 100) == b"one\n", "without a flush"
    long = "x" * 100_000 + "\n"
    patient.write(long)  # more than the pipe takes
    patient.write("two\n")
    text = "µ\n"
    patient.write(text)
    assert read_all(reader, len(long) + 4 + len(text.encode())) == f"{long}two\n{text}"
    patient.flush()
    assert (patient.unread, patient.left_out) == (0, 0)


def test_a_stream_that_is_no_file_is_written_too():
    stream = io.StringIO()
    patient = PatientStream(stream, "a text")
    patient.write("one\n")
    patient.flush()
    assert stream.getvalue() == "one\n"


@pytest.mark.parametrize("text", ["one\n", "x" * 100_000 + "\n"])
def test_where_no_thread_can_be_started_it_is_written_all_the_same(tmp_path, monkeypatch, text):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with (tmp_path / "file").open("w") as stream:
        patient = PatientStream(stream, "a file")
        patient.write(text)
        patient.flush()
    assert (tmp_path / "file").read_text() == text


def test_a_reader_who_is_slow_gets_all(pipe):
    reader, stream = pipe
    patient = PatientStream(stream, "a pipe", 0.5)
    text = "".join(f"{number}\n" for number in range(60_000))
    found = []
    slow = threading.Thread(target=lambda: found.append(read_all(reader, len(text))))
    threading.Timer(0.2, slow.start).start()
    patient.write(text)
    patient.flush()
    time.sleep(0.01)
    slow.join(10)
    assert found == [text]
    assert patient.left_out == 0


def test_a_reader_who_stands_still_is_waited_for_once_and_gets_whole_lines_later(pipe):
    reader, stream = pipe
    patient = PatientStream(stream, "a pipe", 0.2)
    text = "".join(f"{number:09}\n" for number in range(20_000))
    began = time.monotonic()
    for _ in range(50):
        patient.write(text)
        patient.flush()
    assert time.monotonic() - began < 3
    assert patient.left_out > 0, f"no more than {MOST} characters wait"
    kept = 50 * 20_000 - patient.left_out
    lines = read_all(reader, 10 * kept).splitlines()
    assert len(lines) == kept
    assert {len(line) for line in lines} == {9}
    patient.patience = 5.0
    patient.write("the end\n")
    patient.flush()
    assert os.read(reader, 100) == b"the end\n"


def test_lines_that_are_left_out_are_told_at_the_first_and_at_each_ten_times_as_many(pipe):
    _, stream = pipe
    patient = PatientStream(stream, "a pipe", 0.0)
    said = []
    patient.notify = said.append
    patient.write("x" * PIECE * 20 + "\n")
    for _ in range(30):
        patient.write("y" * (MOST // 2) + "\n")
        patient.flush()
    assert 1 < len(said) < 4
    assert said[0].startswith("a pipe: lines cannot be written; ")


def test_the_end_of_the_run_ends_the_wait_for_ever(pipe):
    _, stream = pipe
    patient, stop = PatientStream(stream, "a pipe"), StopFlag()
    patient.stop = stop
    threading.Timer(0.1, stop.request).start()
    patient.write("x" * 100_000 + "\n")
    began = time.monotonic()
    patient.flush()
    assert 0.9 < time.monotonic() - began < 5
    assert patient.unread == 1
    stop.close()


@pytest.mark.parametrize("text", ["one\n", "x" * 100_000 + "\n"], ids=["at once", "by the thread"])
def test_a_reader_who_is_gone_is_an_error(text):
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        patient = PatientStream(stream, "a pipe")
        os.close(reader)
        patient.write(text)
        with pytest.raises(BrokenPipeError):
            patient.flush()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("ab", max_size=30).map(lambda word: word + "\n"), min_size=1, max_size=8), st.data())
def test_a_disk_that_is_full_now_and_then_leaves_whole_lines_only(texts, data):
    with pytest.MonkeyPatch.context() as patch:
        reader, writer = os.pipe()
        written = bytearray()

        def write(_descriptor, content):
            size = data.draw(st.integers(0, len(content)))
            if not size:
                raise OSError(28, "No space left on device")
            written.extend(content[:size])
            return size

        with os.fdopen(writer, "w") as stream:
            patient = PatientStream(stream, "a disk")
            patch.setattr("streamforest.terminal.patient_stream.os.write", write)
            for text in texts:  # in this thread, so that the draws come in order
                try:
                    patient._given += 1
                    patient._put(text)
                except OSError:
                    pass
        os.close(reader)
    lines = written.decode().splitlines(keepends=True)
    rest = iter(texts)
    assert all(line in rest for line in lines[:-1])
    assert sum(line.endswith("\n") for line in lines) == len(texts) - patient.left_out - patient.unread
