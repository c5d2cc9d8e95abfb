import json
import sys

import pytest

from streamforest.protocols import SourceError
from streamforest.reading import text_conversion
from streamforest.reading.text_conversion import TextConverter, rows_in, text_of

TABLE = "time,value\n1,2\n3,4\n"
OBJECTS = [{"time": k, "value": k * 2, "note": 'a]}\n"['} for k in range(5)]


def read(body, size):
    text = TextConverter()
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(text.chunks(chunks)), text.notes


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("body", "lines", "note"),
    [
        (TABLE.encode(), TABLE, None),
        (TABLE.replace("\n", "\r\n").encode(), TABLE.replace("\n", "\r\n"), None),
        (TABLE.replace("\n", "\r").encode(), TABLE, "CR at line ends"),
        (TABLE.encode("utf-16"), TABLE, "UTF-16"),
        (TABLE.encode("utf-16-le"), TABLE, "UTF-16-LE"),
        (b'{"a": 1}\n{"a": 2}\n', '{"a": 1}\n{"a": 2}\n', None),
        (b'\n\n{"a": 1}\n\n{"a": 2}', '\n\n{"a": 1}\n\n{"a": 2}', None),
        (b'{"a": \n{"a": 2}\n', '{"a": \n{"a": 2}\n', None),
        (b"[1, 2.5,\n null]", "1\n2.5\nnull\n", "a JSON array"),
        (b"[01/Mar/2024:10:00:00] 5\n", "[01/Mar/2024:10:00:00] 5\n", None),
        (b'[["t", "v"], ["2024-01-01", 5], ["a,b", null]]', 't,v\n2024-01-01,5\n"a,b",\n', "a JSON array"),
        (b"[1, 5]\n[2, 6]\n", "1,5\n2,6\n", "a JSON array"),
        (
            b'{"s": "ok",\n "data": [{"v": 1}, {"v": 2}]}',
            '{"v": 1}\n{"v": 2}\n',
            "the rows of 'data' inside a JSON object",
        ),
        (b'{\n "v": 1\n}\n{\n "v": 2\n}\n', '{  "v": 1 }\n{  "v": 2 }\n', "JSON objects over several lines"),
        (b"", "", None),
        (b"7", "7", None),
    ],
)
def test_a_text_becomes_lines_however_its_bytes_are_cut(body, lines, note, size):
    assert read(body, size) == (lines.encode(), [] if note is None else [note])


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("size", [5, 10_000])
def test_the_objects_of_an_array_come_one_a_line(indent, size):
    text, _ = read(json.dumps(OBJECTS, indent=indent).encode(), size)
    assert [json.loads(line) for line in text.splitlines()] == OBJECTS


def test_an_object_a_line_is_handed_on_with_its_inner_arrays():
    body = b'{"v": 1, "log": [{"a": 1}, {"a": 2}]}\n{"v": 2, "log": []}\n'
    assert [json.loads(line)["v"] for line in read(body, 9)[0].splitlines()] == [1, 2]


def test_a_document_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(text_conversion, "LARGEST_DOCUMENT", 100)
    with pytest.raises(SourceError, match="write its rows as lines first"):
        read(b"[" + b"1," * 200 + b"1]", 50)


def test_rows_are_found_inside_an_object():
    assert rows_in({"a": {"b": {"c": [[1, 2], [3, 4]]}}}) == [[1, 2], [3, 4]]
    assert rows_in({"v": 5, "list": [1, 2, 3]}) == []


def test_utf_8_is_text_without_marks_and_the_first_half_of_windows_line_ends():
    assert text_of("\ufeffa\r\n\u00b0\r".encode()) == "a\n\u00b0"
    assert text_of(b"5\xb0") is None
    assert text_of(b"5\xb0", "cp1252") == "5\u00b0"


@pytest.mark.parametrize("first", [0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10])
def test_digits_of_other_scripts_are_digits(first):
    digits = "".join(chr(first + digit) for digit in range(10))
    assert text_of(f"\u200f{digits};{digits}\u066b5\u200e".encode()) == "0123456789;0123456789.5"


def test_arrays_of_one_length_are_columns_wherever_they_stand_in_an_object():
    quote = {"quote": [{"close": [21, 22, 23], "open": [20, 21, 22]}]}
    result = {"meta": {"ranges": ["1d", "5d"]}, "timestamp": [1, 2, 3], "indicators": quote}
    text = json.dumps({"chart": {"result": [result], "error": None}}).encode()
    lines = b"".join(TextConverter().chunks([text])).splitlines()
    assert json.loads(lines[0]) == {"timestamp": 1, "close": 21, "open": 20}
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("found", "first"),
    [
        ({"columns": ["time", "v"], "rows": [[1, 21], [2, 22]]}, {"time": 1, "v": 21}),
        ({"results": [{"series": [{"columns": ["time", "v"], "values": [[1, 21], [2, 22]]}]}]}, {"time": 1, "v": 21}),
        ({"columns": ["v"], "index": [7, 8], "data": [[21], [22]]}, {"index": 7, "v": 21}),
        ({"kinds": ["a", "a"], "rows": [[1, 21], [2, 22]]}, None),
        ({"names": ["a", "b", "c"], "rows": [[1, 21], [2, 22]]}, None),
    ],
)
def test_rows_have_the_names_that_stand_beside_them(found, first):
    lines = b"".join(TextConverter().chunks([json.dumps(found).encode()])).splitlines()
    assert lines[0] == b"1,21" if first is None else json.loads(lines[0]) == first
    assert len(lines) == 2


def test_other_rows_beside_those_that_are_read_are_told():
    rows = [{"t": 1, "v": 21}, {"t": 2, "v": 22}]
    converter = TextConverter()
    found = {"prices": rows, "volumes": rows[::-1], "one": rows[:1], "n": 5}
    assert len(list(converter.chunks([json.dumps(found).encode()]))) == 2
    assert converter.notes == ["the rows of 'prices' inside a JSON object, not those of 'volumes'"]


def lines_of(text):
    return b"".join(TextConverter().chunks([text.encode()])).decode().splitlines()


def test_half_a_character_keeps_its_name():
    assert lines_of('[{"value": 1, "a": "\\ud800"}, {"value": 2, "a": "b"}]') == [
        '{"value": 1, "a": "\\ud800"}',
        '{"value": 2, "a": "b"}',
    ]
    assert lines_of('[["\\ud800", 1], [2, 3]]') == ["\\ud800,1", "2,3"]


@pytest.mark.parametrize("time", ["NaN", "Infinity", "-1e999", "9" * 4000])
def test_a_time_that_none_can_be_is_handed_on_to_be_refused(time):
    samples = f'[[{time}, "5"], [1700000000, "6"]]'
    lines = lines_of(f'{{"data": {{"result": [{{"metric": {{"__name__": "up"}}, "values": {samples}}}]}}}}')
    assert "up{} 6 1700000000000" in lines
    assert len(lines) == 2


def test_what_is_nested_as_deep_as_can_be_read_is_no_reading_and_no_fault():
    deep = sys.getrecursionlimit()
    for n in range(deep - 200, deep):
        cell = '{"a":' * n + "1" + "}" * n
        lines = lines_of(f'[{{"value": 1, "b": 2}}, {cell}]')
        assert len(lines) in (1, 2)


def test_what_colours_a_terminal_and_the_lines_of_a_drawn_table_are_no_text_of_the_cells():
    assert text_of(b"\x1b[2J\x1b[HNAME   CPU %") == "NAME   CPU %"
    assert text_of("\u2502 ts \u2502 21.5 \u2502".encode()) == "| ts | 21.5 |"
    assert text_of("\u251c\u2500\u2500\u253c\u2500\u2524".encode()) == "+--+-+"


def test_rows_beside_an_object_that_counts_them_are_the_rows():
    body = json.dumps([{"page": 1}, [{"date": "2023", "value": 5}, {"date": "2022", "value": 6}]]).encode()
    assert [json.loads(line)["value"] for line in read(body, 1000)[0].splitlines()] == [5, 6]
