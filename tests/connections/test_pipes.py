import os
import threading
import time

import pytest

from streamforest.connections.pipes import arriving, through_select, through_thread
from streamforest.terminal.stop import StopFlag

WAYS = [through_select, through_thread] if os.name != "nt" else [through_thread]


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    open_ends = {reader, writer}

    def close(end):
        if end in open_ends:
            open_ends.remove(end)
            os.close(end)

    yield reader, writer, close
    close(writer)
    close(reader)


@pytest.fixture
def stop():
    flag = StopFlag()
    yield flag
    flag.request()
    flag.close()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_arrives_before_the_next_is_written_and_the_end_ends_it(way, pipe, stop):
    reader, writer, close = pipe
    chunks = way(reader, stop)
    for text in (b"1\n", b"2"):
        os.write(writer, text)
        assert next(chunks) == text
    close(writer)
    assert list(chunks) == []


@pytest.mark.skipif(not hasattr(os, "sched_yield"), reason="waits awake only where it can give way to others")
def test_what_comes_soon_after_the_last_is_waited_for_awake_and_all_else_asleep(pipe, stop):
    reader, writer, close = pipe

    def write():
        for k in range(300):
            os.write(writer, b"%d\n" % k)
            time.sleep(20e-6)
        time.sleep(0.3)
        close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    found, used = b"", 0.0
    for chunk in arriving(reader, stop):
        found += chunk
        used = time.thread_time()
    thread.join()
    assert found == b"".join(b"%d\n" % k for k in range(300))
    assert time.thread_time() - used < 0.1  # of 0.3 s without a line


@pytest.mark.parametrize("way", WAYS)
def test_a_stop_ends_a_wait_for_bytes_within_a_second(way, pipe, stop):
    reader, _, _ = pipe
    started = time.monotonic()
    threading.Timer(0.05, stop.request).start()
    assert list(way(reader, stop)) == []
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("way", WAYS)
def test_a_descriptor_that_cannot_be_read_is_an_error(way, stop, tmp_path):
    write_only = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="Bad file descriptor"):
        list(way(write_only, stop))
    os.close(write_only)


def test_the_way_is_chosen_by_the_platform(pipe, stop):
    reader, writer, close = pipe
    os.write(writer, b"1\n")
    close(writer)
    assert list(arriving(reader, stop)) == [b"1\n"]


@pytest.mark.parametrize("way", WAYS)
def test_the_first_silence_behind_the_first_bytes_is_told_once_and_what_comes_later_still_arrives(way, pipe, stop):
    reader, writer, close = pipe
    chunks = way(reader, stop, 0.01)
    os.write(writer, b"1\n")
    assert [next(chunks), next(chunks)] == [b"1\n", b""]
    os.write(writer, b"2\n")
    assert next(chunks) == b"2\n"
    close(writer)
    assert list(chunks) == []
