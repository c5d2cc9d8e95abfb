import numpy as np
import pytest

from streamforest.protocols import Reading, Refusal
from streamforest.reading.line_reader import LIMIT, RowReader, Seam
from streamforest.reading.row_block import PARSED, ROW_DTYPE, Lines, Position, Rows

TEXT = b'time,value\n1,2\n3,4\n\n5,"6"\n7,x\n9,10\n' + b"11,12\n" * 20


def read(text=TEXT):
    return RowReader("text").feed(text)


def test_a_block_is_the_readings_that_the_line_reader_makes():
    rows = read()
    assert len(rows) == 25
    assert rows == [*rows]
    assert [*rows][:5] == [
        Reading(value, time) for time, value in [("1", "2"), ("3", "4"), ("5", "6"), ("7", "x"), ("9", "10")]
    ]
    assert rows[-1] == Reading("12", "11")
    assert rows != [*rows][1:]
    assert rows != 25


def test_plain_rows_hold_their_numbers_and_the_others_are_told_apart():
    parts = [*read().parts()]
    assert [len(part) for part in parts] == [1, 1, 2, 21]
    assert [part.is_parsed for part in parts] == [False, True, False, True]  # the first row told the columns
    assert parts[1].table[["time", "value"]].tolist() == [(3.0, 4.0)]
    assert [item for part in parts for item in part] == [*read()]


def test_a_slice_is_a_block_with_the_same_rows():
    rows = read()
    for first in range(len(rows)):
        assert rows[first : first + 3] == [*rows][first : first + 3]
        assert rows[2:][first : first + 3] == [*rows][2:][first : first + 3]


def test_it_says_where_the_text_goes_on_behind_its_last_row():
    rows = read()
    assert rows[:2].end == Position(19, 3, rows.end.layout)
    assert rows[:3].end[:2] == (26, 5)
    assert rows.end[:2] == (len(TEXT), TEXT.count(b"\n"))
    assert rows.end.layout.names == ("time", "value")
    assert rows[:0].end is None


def test_within_a_line_that_is_too_long_there_is_no_place_to_go_on():
    reader = RowReader("text")
    reader.feed(b"1\n")
    assert reader.feed(b"2\n" + b"3" * (LIMIT + 1)).end is None
    assert reader.feed(b"3\n4\n").end[:2] == (2 + 2 + LIMIT + 1 + 2 + 2, 4)


def test_places_are_counted_anew_in_another_text():
    reader = RowReader("text")
    reader.feed(b"1\n2\n")
    reader.restart(Seam.WHOLE)
    assert reader.feed(b"3\n").end[:2] == (2, 1)


@pytest.mark.parametrize("size", [1, 7, LIMIT])
def test_places_do_not_depend_on_how_the_bytes_are_cut(size):
    reader = RowReader("text")
    blocks = [reader.feed(TEXT[at : at + size]) for at in range(0, len(TEXT), size)]
    rows = read()
    ends = [block[: k + 1].end for block in blocks for k in range(len(block))]
    assert [end[:2] for end in ends] == [rows[: k + 1].end[:2] for k in range(len(rows))]


def test_a_few_lines_are_looked_at_one_by_one_and_know_their_places_too():
    lines = read(TEXT[:26])
    assert isinstance(lines, Lines)
    assert lines[:1].end[:2] == (15, 2)
    assert [lines[k : k + 1] for k in range(3)] == [[lines[k]] for k in range(3)]
    assert lines.end[:2] == lines[1:].end[:2] == (26, 5)
    assert lines[:0].end is None


def test_items_are_told_by_their_number():
    table = np.zeros(2, ROW_DTYPE)
    table["item"] = 0, PARSED
    rows = Rows(table, [Refusal("line 1", "why")], lambda *place: Reading(str(place)), None)
    assert rows == [Refusal("line 1", "why"), Reading("(0, 0, 0)")]
