import csv
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamforest.protocols import Reading, Refusal, SourceError
from streamforest.reading.column_layout import Asked
from streamforest.reading.line_reader import LIMIT, RowReader
from streamforest.terminal.stop import StopFlag

HEADER = b"timestamp,value\n2024-05-01,1.5\n"
FIRST = Reading("1.5", "2024-05-01")


def read_all(text, size=LIMIT, **asked):
    reader = RowReader("input", Asked(**asked))
    body = text if isinstance(text, bytes) else text.encode()
    items = [item for start in range(0, len(body), size) for item in reader.feed(body[start : start + size])]
    return [*items, *reader.finish()]


def test_rows_become_readings_with_time_and_label():
    assert read_all("time,value,label\n1,2,0\n3,4,1\n") == [Reading("2", "1", "0"), Reading("4", "3", "1")]


def test_one_number_a_line_needs_no_header():
    assert read_all("1\n2.5\n\nnan\n") == [Reading("1"), Reading("2.5"), Reading("nan")]


def test_the_last_line_needs_no_end():
    assert read_all("1\n2") == [Reading("1"), Reading("2")]
    assert read_all("2") == [Reading("2")]


@pytest.mark.parametrize("text", ["", "\n\n", "timestamp,value", "timestamp,value\n", "\ufefftimestamp,value\r\n\r\n"])
def test_no_rows_give_no_readings(text):
    assert read_all(text) == []


def test_a_byte_order_mark_and_windows_line_ends_leave_no_trace():
    assert read_all("\ufefftimestamp,value\r\n1,2\r\n\r\n3,4\r\n") == [Reading("2", "1"), Reading("4", "3")]


def test_a_semicolon_between_cells_makes_a_comma_decimal():
    assert read_all("t;x\n2024-05-01;3,5\n") == [Reading("3,5", "2024-05-01", None, True)]


def test_blank_lines_are_skipped_but_count_for_the_place_of_a_refusal():
    items = read_all("ts,value\n1,2\n\n   \nonly\n3,4\n")
    assert items == [Reading("2", "1"), Refusal("line 5", "'only' has too few cells: 1 of 2"), Reading("4", "3")]


def test_a_header_in_the_middle_is_refused_and_the_rows_after_it_are_read():
    items = read_all(b"ts,value\n1,2\nts,value\n3,4\n")
    assert items == [Reading("2", "1"), Refusal("line 3", "the header again"), Reading("4", "3")]


@pytest.mark.parametrize("header", ["time,value", "2024-01-01,5", "n/a,nan", '"time","value"'])
def test_the_header_again_is_refused_whatever_it_looks_like(header):
    time_column, column = header.replace('"', "").split(",")
    rows = [f"2024-05-{day:02},{day}" for day in range(1, 21)]
    found = read_all("\n".join([header, *rows, header, *rows]) + "\n", column=column, time_column=time_column)
    assert [item.reason for item in found if isinstance(item, Refusal)] == ["the header again"]
    assert sum(isinstance(item, Reading) for item in found) == 40


def test_a_row_with_more_cells_than_columns_is_refused_and_a_label_may_be_missing():
    items = read_all("ts,value,label\n1,2,0\n3,4\n5,6,1,x,y\n7,8,0,, \n")
    refusal = Refusal("line 4", "'5,6,1,x,y' has 5 cells, more than the 3 columns")
    assert items == [Reading("2", "1", "0"), Reading("4", "3"), refusal, Reading("8", "7", "0")]


def test_rows_with_mixed_separators_are_read():
    items = read_all("ts,value\n1,2\n3;4\n5\t6\n7|8\n9 10\n")
    assert [item[:2] for item in items] == [("2", "1"), ("4", "3"), ("6", "5"), ("8", "7"), ("10", "9")]


def test_a_quoted_cell_is_read_beside_plain_rows():
    items = read_all('note,value\n"a,b",1\nc,2\n"open,3\n')
    assert items[:2] == [Reading("1"), Reading("2")]
    assert isinstance(items[2], Refusal)
    assert read_all('"1"\n"2"\n3\n') == [Reading("1"), Reading("2"), Reading("3")]


def test_a_nul_byte_spoils_only_its_own_row():
    items = read_all("ts,value\n1,2\n3,4\0\n\0\0\n5,6\n")
    assert items[:2] == [Reading("2", "1"), Reading("4\0", "3")]
    assert isinstance(items[2], Refusal)
    assert items[3:] == [Reading("6", "5")]


def test_bytes_that_are_no_utf8_spoil_only_their_own_line():
    items = read_all(HEADER + b"\xff,5\n\r\n2024-05-02,\r6\n")
    assert items[:2] == [FIRST, Refusal("line 3", "bytes that are no UTF-8")]
    assert items[2] == Reading("\r6", "2024-05-02")


def test_rubbish_before_the_header_is_refused_and_the_rows_are_read():
    items = read_all(b"\0\0\x01\n\xff\xfe\n====\ntimestamp,value\n2024-05-01,1.5\n")
    assert [item.where for item in items[:-1]] == ["line 1", "line 2", "line 3"]
    assert items[-1] == FIRST


def test_a_title_above_the_header_is_skipped():
    assert read_all("made by hand\ntimestamp,temp\n2024-05-01,1.5\n") == [FIRST]


@pytest.mark.parametrize("size", [1000, LIMIT])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_over_the_limit_is_refused_and_the_next_is_read(size, end):
    longest = b"2024-05-02," + b"1" * (LIMIT - 11)
    text = HEADER + longest + b"\n" + longest + b"1\n" + b"2024-05-03,7\n" + b"x" * 3 * LIMIT + end
    items = read_all(text, size)
    assert items[0] == FIRST
    assert len(items[1].value) == LIMIT - 11
    assert items[2] == Refusal("line 4", f"a line of more than {LIMIT} bytes")
    assert items[3] == Reading("7", "2024-05-03")
    assert [item.where for item in items[4:]] == ["line 6"]


def test_a_line_of_ten_megabytes_takes_no_more_memory_than_a_chunk_or_two():
    reader = RowReader("input")
    tracemalloc.start()
    refusals = [item for _ in range(160) for item in reader.feed(b"1" * LIMIT)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(refusals) == 1
    assert peak < 6 * LIMIT
    assert reader.feed(b"\n5\n") == [Reading("5")]


@pytest.mark.parametrize("text", ["a,b\n1,2\n".encode("utf-16"), b"\x1f\x8b\x08\0\n"])
def test_an_input_in_another_coding_is_an_error_that_says_what_to_do(text):
    with pytest.raises(SourceError, match=r"input: the (text is UTF-16; save|input is compressed; unpack)"):
        read_all(text)


def test_a_column_that_is_not_there_is_an_error_with_the_name_of_the_source():
    with pytest.raises(SourceError, match=r"^input: there is no column 'x'; the columns are: timestamp, value$"):
        read_all(HEADER, column="x")


def test_the_columns_are_described_once_they_are_known():
    reader = RowReader("input")
    assert reader.describe() == "no columns found so far"
    reader.feed(HEADER)
    assert reader.describe() == "column 'value' of timestamp, value"


def test_a_live_stream_waits_for_no_more_than_a_header_and_one_row():
    reader = RowReader("input")
    assert reader.feed(b"timestamp,temp\n") == []
    assert reader.feed(b"2024-05-01,5\n") == [Reading("5", "2024-05-01")]
    assert RowReader("input").feed(b"5\n") == [Reading("5")]


def test_json_objects_and_bare_numbers_become_readings():
    lines = [
        '{"ts": 5, "value": 1.5, "label": true}',
        '{"value": null, "ts": "2024-05-01"}',
        '{"value": "2", "label": 1}',
        "7",
        "NaN",
    ]
    items = read_all("\n".join(lines))
    assert items[:4] == [
        Reading(1.5, 5, "true"),
        Reading(None, "2024-05-01"),
        Reading("2", None, "1"),
        Reading(7),
    ]
    assert items[4].value != items[4].value


@pytest.mark.parametrize("line", ['{"value": ', "[" * 50000, '{"other": 1}', "1" * 5000, "plain"])
def test_a_line_that_is_no_json_object_is_refused(line):
    items = read_all('{"value": 1}\n' + line + '\n{"value": 2}\n')
    assert items[0] == Reading(1)
    assert items[1].where == "line 2"
    assert items[2] == Reading(2)


@pytest.mark.parametrize("value", [True, [1], {"a": 1}])
def test_a_json_value_that_is_no_number_is_handed_on_as_text(value):
    assert read_all('{"value": 1}\n' + json.dumps({"value": value}))[1] == Reading(json.dumps(value))


@pytest.mark.parametrize("line", ['"value": 5}', '{"value": ', "{}", "\x01"])
def test_a_damaged_first_line_does_not_hide_that_the_rest_is_json(line):
    items = read_all(line + '\n{"value": 2}\n')
    assert [item.where for item in items[:-1]] == ["line 1"]
    assert items[-1] == Reading(2)


def test_blocks_are_cut_to_size_and_end_when_stop_is_requested():
    stop = StopFlag()
    blocks = RowReader("input").blocks([b"1\n2\n3\n", b"4\n", b"5\n"], stop, 2)
    assert [[item.value for item in next(blocks)] for _ in range(3)] == [["1", "2"], ["3"], ["4"]]
    stop.request()
    assert list(blocks) == []
    stop.close()


CELLS = st.sampled_from(["1", "2.5", " 7", "", "x", '"3"', '"a,b"', '"', "4\r", "\0", "é", "\ufeff8", "value", "1;2"])
ROWS = st.lists(CELLS, min_size=1, max_size=3).map(",".join).map(str.encode)
RUBBISH = st.sampled_from([b"\xff\xfe", b"timestamp,value", b"", b"  ", b"y" * (LIMIT + 1), b"\r", b"1\r,2"])
GOOD = st.integers(0, 99).map(lambda number: b"2024-05-01,%d" % number)


def twin(lines):
    """The slow and obvious way to read lines that follow HEADER; a refusal is only its place."""
    yield FIRST
    for number, raw in enumerate(lines, 3):
        item = twin_line(raw)
        if item is not None:
            yield f"line {number}" if item == "refused" else item


def twin_line(raw):
    try:
        line = raw.decode().removesuffix("\r").replace("\ufeff", "")
    except UnicodeDecodeError:
        return "refused"
    if len(raw) > LIMIT or line == "timestamp,value":
        return "refused"
    if not line.strip(" \r"):
        return None
    cells = twin_cells(line, ",")
    if len(cells) == 1:
        cells = next((cut for separator in ";| " if len(cut := twin_cells(line, separator)) == 2), cells)
    is_whole = len(cells) > 1 and not any(cell.strip() for cell in cells[2:])
    if is_whole and not any(map(str.strip, cells)):
        return None
    return Reading(cells[1], cells[0], None, False) if is_whole else "refused"


def twin_cells(line, separator):
    if '"' not in line:
        return line.split(separator.strip() or None)
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=separator != " "))
    except csv.Error:
        return [line]
    return [cell for cell in cells if cell] if separator == " " else cells


@settings(deadline=None)  # the longest line is of 65,536 bytes, and may come one by one
@given(st.lists(ROWS | RUBBISH | GOOD, max_size=12), st.integers(1, 50) | st.just(LIMIT))
def test_damaged_lines_are_refused_as_the_slow_twin_refuses_them_and_no_good_row_is_lost(lines, size):
    items = read_all(HEADER + b"".join(line + b"\n" for line in lines), size if len(lines) < 5 else LIMIT)
    assert [item.where if isinstance(item, Refusal) else item for item in items] == list(twin(lines))


@given(st.binary(max_size=300) | st.text('1,;\t|{}"\r\n .:-ave', max_size=100).map(str.encode), st.integers(1, 20))
def test_any_bytes_give_readings_or_one_clear_error_however_they_are_cut(text, size):
    def outcome(cut):
        try:
            return read_all(text, cut)
        except SourceError as error:
            return str(error)

    assert outcome(size) == outcome(LIMIT)


@given(st.lists(st.integers(0, 255), max_size=40), st.data())
def test_damage_to_one_line_leaves_the_readings_of_all_other_lines(damage, data):
    lines = [b"timestamp,value"] + [b"2024-05-%02d,%d" % (day, day) for day in range(1, 29)]
    at = data.draw(st.integers(1, len(lines) - 1))
    lines[at] = bytes(damage).replace(b"\n", b"")
    items = read_all(b"\n".join(lines))
    good = [Reading(str(day), f"2024-05-{day:02}") for day in range(1, 29) if day != at]
    assert [item for item in items if item in good and item.value != str(at)] == good


def test_rows_and_objects_have_their_key():
    assert read_all('time,pump,value\n1,a,2\n3,b,4\n5,"b,c",6\n', key_column="pump") == [
        Reading("2", "1", key="a"),
        Reading("4", "3", key="b"),
        Reading("6", "5", key="b,c"),
    ]
    lines = ['{"v": 1, "id": "a"}', '{"v": 2, "id": 7}', '{"v": 3, "id": null}', '{"v": 4}']
    keys = ["a", "7", None, None]
    found = read_all("\n".join(lines), column="v", key_column="id")
    assert found == [Reading(k + 1, key=key) for k, key in enumerate(keys)]


def test_a_block_of_plain_rows_gives_their_keys_at_once():
    reader = RowReader("input", Asked(key_column="pump"))
    reader.feed(b"pump,value\na,1\n")
    rows = reader.feed(4 * "b,2\n Gerät ,3\r\nc,4\r\n".encode())
    assert rows.is_parsed
    assert [key.strip() for key in rows.row_keys()] == [row.key.strip() for row in rows] == 4 * ["b", "Gerät", "c"]
    assert [key.strip() for key in rows[10:].row_keys()] == ["Gerät", "c"]
    reader = RowReader("input", Asked("value", key_column="pump"))
    reader.feed(b"value,pump\n1,a\n")
    assert [key.strip() for key in reader.feed(5 * b"2,b\r\n3,c\n").row_keys()] == 5 * ["b", "c"]
    without = RowReader("input")
    without.feed(b"pump,value\n")
    assert without.feed(5 * b"x,1\ny,2\n").row_keys() is None
