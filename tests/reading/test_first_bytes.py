import io
import os
import threading
from contextlib import suppress

import numpy as np
import pytest

from streamforest.protocols import SourceError
from streamforest.reading import first_bytes
from streamforest.reading.column_layout import Asked
from streamforest.reading.first_bytes import backwards
from streamforest.reading.validation import Validator
from streamforest.sources.file import FileSource
from streamforest.sources.stdin import StdinSource
from streamforest.terminal.stop import StopFlag

DAYS = [f"2024-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 29)]
ROWS = [f"{day},{20 + k % 7}" for k, day in enumerate(DAYS)]


@pytest.fixture
def stop():
    flag = StopFlag()
    yield flag
    flag.close()


def points_of(source, stop):
    validator = Validator()
    try:
        checked = [validator.check(block) for block in source.read(stop, 4096)]
    finally:
        source.close()
    return np.concatenate([points for points, _ in checked]), [
        refusal.reason for _, some in checked for refusal in some
    ]


def through_pipe(text, stop, asked=None):
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as target:

        def write():
            with suppress(BrokenPipeError):  # of a text that is refused before its end
                target.write(text)
                target.close()

        thread = threading.Thread(target=write)
        thread.start()
        source = StdinSource(asked or Asked(), descriptor=reader)
        try:
            return *points_of(source, stop), source.reader.understood()
        finally:
            os.close(reader)
            thread.join()
            with suppress(BrokenPipeError):
                target.close()


WHOLE = {
    "newest first": ["date,v", *ROWS[::-1]],
    "a sum behind the rows": ["date,v", *ROWS, f",{sum(20 + k % 7 for k in range(len(ROWS)))}"],
    "a sum of numbers alone": [*map(str, range(100, 140)), str(sum(range(100, 140)))],
    "days of MATLAB without a header": [f"{738000 + k / 24:.6f},{20 + k % 7}" for k in range(60)],
    "R with names of rows": ['"date" "v"', *(f'"{k}" "{day}" {k % 7}.5' for k, day in enumerate(DAYS))],
    "other lines of cells before the table": ["Name,A B", "No,123", "", "date,v", *ROWS],
    "JSON by columns": [f'{{"t": {[1.7e9 + 60 * k for k in range(60)]}, "v": {[k % 7 for k in range(60)]}}}'],
}


@pytest.mark.parametrize("lines", WHOLE.values(), ids=WHOLE)
def test_a_text_that_is_there_as_a_whole_is_understood_through_a_pipe_as_in_a_file(lines, stop, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\n".join([*lines, ""]))
    in_file, refused_in_file = points_of(FileSource(path), stop)
    piped, refused, understood = through_pipe(path.read_bytes(), stop)
    assert (refused, len(piped) > 30) == (refused_in_file, True)
    assert piped.tobytes() == in_file.tobytes()
    assert ("read backwards" in understood) == (lines[1:] == ROWS[::-1])


@pytest.mark.parametrize("n", [40, 40_000], ids=["whole", "longer than what is looked at"])
def test_several_series_in_one_are_told_through_a_pipe(n, stop):
    rows = [f"{1700000000 + 60 * k},{room},{k % 7}" for k in range(n) for room in ("bath", "hall")]
    with pytest.raises(SourceError, match="several series, by 'room'"):
        through_pipe("\n".join(["time,room,value", *rows, ""]).encode(), stop)


def test_a_stream_that_pauses_is_read_from_as_few_lines_as_are_enough_and_goes_on(stop, monkeypatch):
    monkeypatch.setattr(first_bytes, "SILENCE", 0.01)
    reader, writer = os.pipe()
    source = StdinSource(descriptor=reader)
    blocks = source.read(stop, 100)
    try:
        os.write(writer, b"time,value\n1,5\n2,6\n")
        assert [reading.value for reading in next(blocks)] == ["5", "6"]
        os.write(writer, b"3,7\n")
        assert [reading.value for reading in next(blocks)] == ["7"]
    finally:
        os.close(writer)
        os.close(reader)


def test_what_was_looked_at_is_handed_on_once_however_long_the_text_is(stop):
    values = [k % 1000 for k in range(200_000)]
    points, refused, _ = through_pipe(
        "".join(f"{1700000000 + k},{value}\n" for k, value in enumerate(values)).encode(), stop
    )
    assert (points["value"].tolist(), refused) == (values, [])


@pytest.mark.parametrize("size", [3, 7, 65536])
def test_lines_come_backwards_from_a_place_on_whatever_the_size_of_a_piece(size, monkeypatch):
    monkeypatch.setattr(first_bytes, "CHUNK", size)
    lines = [b"line %d" % k for k in range(30)]
    text = io.BytesIO(b"head\n" + b"\n".join(lines))
    assert b"".join(backwards(text, 5)) == b"".join(line + b"\n" for line in lines[::-1])
