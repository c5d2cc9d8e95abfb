import gzip
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamforest.protocols import Reading, Refusal, SourceError
from streamforest.reading.column_layout import Asked
from streamforest.reading.notation import RefusedError, read_time
from streamforest.sources.file import FileSource
from streamforest.terminal.stop import StopFlag

ROWS = [f"2024-05-01 12:{minute:02},{minute}" for minute in range(60)]
TABLE = "\n".join(["timestamp,value", *ROWS, ""]).encode()


@pytest.fixture
def stop():
    flag = StopFlag()
    yield flag
    flag.close()


def read_all(path, stop, most=1000, **asked):
    source = FileSource(path, Asked(**asked))
    try:
        return [item for block in source.read(stop, most) for item in block]
    finally:
        source.close()


def gather(source, stop, items):
    for block in source.read(stop, 10):
        items += block


def written(tmp_path, content):
    path = tmp_path / "input.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lambda text: gzip.compress(text[:500]) + gzip.compress(text[500:])]
)
def test_a_file_is_read_plain_or_compressed_whatever_its_name(tmp_path, stop, pack):
    items = read_all(written(tmp_path, pack(TABLE)), stop)
    assert [f"{item.time},{item.value}" for item in items] == ROWS


def test_blocks_hold_at_most_what_was_asked_for_and_are_never_empty(tmp_path, stop):
    source = FileSource(written(tmp_path, TABLE))
    assert {len(block) for block in source.read(stop, 7)} == {7, 60 % 7}
    source.close()


@pytest.mark.parametrize("content", [b"", b"\n", b"timestamp,value\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_ends_without_a_point(tmp_path, stop, content):
    assert read_all(written(tmp_path, content), stop) == []


def test_a_binary_file_is_refused_line_by_line(tmp_path, stop):
    items = read_all(written(tmp_path, bytes(range(128, 256)) * 100 + b"\n\0\x01\n" + b"\x89PNG\n"), stop)
    assert {type(item) for item in items} == {Refusal}


@pytest.mark.parametrize("kept", [-1, -9, -60])
def test_a_truncated_compressed_file_gives_its_good_rows_and_then_an_error(tmp_path, stop, kept):
    source = FileSource(written(tmp_path, gzip.compress(TABLE, 0)[:kept]))
    items = []
    with pytest.raises(SourceError, match=r"input.csv: the compressed file ends early after \d+ lines"):
        gather(source, stop, items)
    source.close()
    assert len(items) >= 56
    assert [item.value for item in items] == [str(minute) for minute in range(len(items))]


def test_a_damaged_compressed_file_is_an_error(tmp_path, stop):
    content = bytearray(gzip.compress(TABLE))
    content[20:30] = b"\xff" * 10
    with pytest.raises(SourceError, match="the compressed file is damaged after"):
        read_all(written(tmp_path, bytes(content)), stop)


def test_rubbish_after_a_compressed_file_does_not_lose_its_rows(tmp_path, stop):
    items = []
    source = FileSource(written(tmp_path, gzip.compress(TABLE) + b"rubbish"))
    with pytest.raises(SourceError, match="damaged after 61 lines"):
        gather(source, stop, items)
    source.close()
    assert len(items) == 60


def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path):
    with pytest.raises(SourceError, match=r"there is no file .*absent.csv; check"):
        FileSource(tmp_path / "absent.csv")


def test_a_folder_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="is a folder, not a file"):
        FileSource(tmp_path)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
def test_a_name_that_no_file_can_have_is_an_error(path):
    with pytest.raises(SourceError, match="cannot be opened"):
        FileSource(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_without_permission_is_an_error(tmp_path):
    path = written(tmp_path, TABLE)
    path.chmod(0)
    with pytest.raises(SourceError, match="no permission"):
        FileSource(path)


def test_a_column_asked_for_is_read_and_described(tmp_path, stop):
    source = FileSource(written(tmp_path, b"a,b,c\n1,2,3\n"), Asked("b", "a", "c"))
    assert list(source.read(stop, 10)) == [[Reading("2", "1", "3")]]
    assert source.describe() == "column 'b' of a, b, c"
    assert (source.name, source.live) == ("input.csv", False)
    source.close()
    source.close()


def test_a_stop_ends_the_reading_after_the_block_at_hand(tmp_path, stop):
    source = FileSource(written(tmp_path, TABLE))
    blocks = source.read(stop, 10)
    assert len(next(blocks)) == 10
    stop.request()
    assert list(blocks) == []
    source.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_read_as_it_arrives_and_a_stop_ends_the_wait(tmp_path, stop):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    source = FileSource(path)  # does not wait for a writer
    assert source.live
    blocks = source.read(stop, 10)
    writer = os.open(path, os.O_WRONLY)
    for value in ("1", "2"):
        os.write(writer, f"{value}\n".encode())
        assert next(blocks) == [Reading(value)]
    started = time.monotonic()
    threading.Timer(0.05, stop.request).start()
    assert list(blocks) == []
    assert time.monotonic() - started < 1
    os.close(writer)
    source.close()


def test_rows_before_a_damaged_rest_are_read_whatever_most_of_it_is(tmp_path, stop):
    rows = [f"2024-05-01 {k // 60:02}:{k % 60:02},{k}" for k in range(300)]
    items = read_all(written(tmp_path, "\n".join(["time,x", *rows, *["x,y"] * 320, ""]).encode()), stop)
    assert [item.value for item in items if isinstance(item, Reading)][:300] == [str(k) for k in range(300)]
    with pytest.raises(SourceError, match="time column 'time': 'x' is no time that can be read"):
        read_all(written(tmp_path, "\n".join(["time,x", *rows[:9], *["x,y"] * 320, ""]).encode()), stop)


def test_of_an_hour_that_comes_twice_far_behind_the_first_rows_the_zone_is_asked_for(tmp_path, stop):
    start = datetime(2024, 10, 13, tzinfo=UTC)
    rows = [f"{start + timedelta(minutes=5 * k):%Y-%m-%d %H:%M},{k % 7}" for k in range(5000)]
    at = next(k for k, row in enumerate(rows) if row.startswith("2024-10-27 03:00"))
    source = FileSource(written(tmp_path, "\n".join(["time,x", *rows[:at], *rows[at - 12 :], ""]).encode()))
    next(source.read(stop, 10))
    assert "the times go back on 2024-10-27, as where summer time ends" in source.reader.understood()
    source.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_that_nobody_writes_to_can_be_stopped(tmp_path, stop):
    os.mkfifo(tmp_path / "pipe")
    threading.Timer(0.05, stop.request).start()
    assert read_all(tmp_path / "pipe", stop) == []


def moment_of(time):
    """A time, which the form of its column may have made a number of already; None where it is none."""
    with suppress(RefusedError):
        return read_time(time)


@example(128, b"\0\0\0\n", False)
@example(645, b"\0\0\0\n", False)
@given(st.integers(0, len(TABLE)), st.binary(max_size=20), st.booleans())
def test_bytes_damaged_anywhere_lose_no_row_that_is_whole_and_raise_nothing_but_a_source_error(
    tmp_path_factory, start, damage, is_packed
):
    damaged = TABLE[:start] + damage + TABLE[start + len(damage) :]
    path = written(tmp_path_factory.mktemp("damaged"), gzip.compress(damaged, 0) if is_packed else damaged)
    stop = StopFlag()
    try:
        items = read_all(path, stop)
    except SourceError:
        assert start <= len(b"timestamp,value\n") + len(ROWS[0])  # the damage is where the columns are told
        return
    finally:
        stop.close()
    rows = {(moment_of(item.time), str(item.value).strip()) for item in items if isinstance(item, Reading)}
    spared = TABLE[: max(0, start - 30)].count(b"\n")
    expected = [row.split(",") for row in ROWS[: max(0, spared - 1)]]
    assert rows >= {(moment_of(time), value) for time, value in expected}


@pytest.mark.skipif(sys.platform == "win32", reason="resource is not there")
def test_memory_does_not_grow_with_the_file(tmp_path):
    script = (
        "import resource, sys\n"
        "from streamforest.sources.file import FileSource\n"
        "from streamforest.terminal.stop import StopFlag\n"
        "from streamforest.reading.validation import Validator\n"
        "validator, before = Validator(), 0\n"
        "for number, block in enumerate(FileSource(sys.argv[1]).read(StopFlag(), 4096)):\n"
        "    validator.check(block)\n"
        "    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    before = before or (peak if number == 20 else 0)\n"
        "print(before, peak)\n"
    )
    path = tmp_path / "long.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(30):
            file.write(b"timestamp,value\n" + b"2024-05-01 12:00:00,12.5\n" * 10_000)
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script, path], cwd=root, capture_output=True, check=True, text=True)
    before, peak = map(int, done.stdout.split())
    assert peak < 1.05 * before


#: Without the second of its making, so that the same text gives the same bytes.
packed = partial(gzip.compress, mtime=0)
BIG = "\n".join(["timestamp,value", *(f"{1_700_000_000 + n},{n}" for n in range(20_000)), ""]).encode()


def left_after(path, stop, blocks, most=100):
    """The readings of the first blocks, and the state behind them."""
    source = FileSource(path)
    items = [item for _, block in zip(range(blocks), source.read(stop, most), strict=False) for item in block]
    state = source.state()
    source.close()
    return items, state


def resumed(path, stop, state, most=100):
    source = FileSource(path)
    try:
        assert source.restore(state) == ""
        return [item for block in source.read(stop, most) for item in block]
    finally:
        source.close()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("blocks", [0, 1, 3, 77, 200, 300])
def test_a_file_is_read_on_behind_the_last_row(tmp_path, stop, pack, blocks):
    path = written(tmp_path, pack(BIG[:-1]))  # the last line is not ended
    items, state = left_after(path, stop, blocks)
    assert items + resumed(path, stop, state, 33) == read_all(path, stop)


def test_a_file_that_has_grown_is_read_on(tmp_path, stop):
    path = written(tmp_path, TABLE)
    items, state = left_after(path, stop, 1000)
    assert len(items) == 60
    path.write_bytes(TABLE + b"2024-05-01 13:00,7\n")
    assert [item.value for item in resumed(path, stop, state)] == ["7"]


@pytest.mark.parametrize("pack", [bytes, packed])
@pytest.mark.parametrize("change", [lambda text: text[:500], lambda text: text.replace(b",1", b",2"), lambda _: b""])
def test_a_file_in_which_the_text_before_the_place_has_changed_is_refused(tmp_path, stop, pack, change):
    path = written(tmp_path, pack(BIG))
    _, state = left_after(path, stop, 20)
    path.write_bytes(change(pack(BIG)) if pack is packed else pack(change(BIG)))
    if path.read_bytes() == pack(BIG):
        return  # nothing of the kind stands in the compressed bytes
    with pytest.raises(SourceError, match=r"input\.csv has changed since the checkpoint was written: .* begin anew"):
        resumed(path, stop, state)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_cannot_go_back(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    source = FileSource(tmp_path / "pipe")
    assert source.state() == {}
    source.close()
    path = written(tmp_path, TABLE)
    _, state = left_after(path, None, 0)
    source = FileSource(tmp_path / "pipe")
    with pytest.raises(SourceError, match="has changed"):
        source.restore(state)
    source.close()
