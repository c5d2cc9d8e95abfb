import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamforest.protocols import Reading, Refusal
from streamforest.reading import bodies
from streamforest.reading.bodies import BodyError, BodyReader, SeriesReadings, SeveralSeriesError, series_name
from streamforest.reading.column_layout import ANY_DIALECT, Asked
from streamforest.stream_names import LONGEST_KEY

KEYED = Asked(key_column="key")
NOON = 1714564800.0


def read(body, asked=KEYED):
    return BodyReader(asked, ANY_DIALECT).read(body if isinstance(body, bytes) else body.encode(), NOON)


@pytest.mark.parametrize(
    "body",
    [
        '{"key": "a", "value": 21.5, "time": 1714521600}',
        '[{"key": "a", "value": 21.5, "time": 1714521600}]',
        '{"readings": [{"key": "a", "value": 21.5, "time": 1714521600}]}',
        '\n{"key": "a", "value": 21.5, "time": 1714521600}\n\n',
    ],
)
def test_an_object_and_a_list_of_them_are_readings(body):
    assert read(body) == [Reading(21.5, 1714521600, key="a")]


def test_json_lines_are_readings_each():
    lines = [json.dumps({"key": f"s{i}", "value": i, "time": NOON + i, "label": "spike"}) for i in range(50)]
    assert read("\n".join(lines)) == [Reading(i, NOON + i, "spike", key=f"s{i}") for i in range(50)]
    nan = read('{"value": NaN, "time": 5, "key": "a"}\n{"value": 1, "time": 6, "key": "a"}')
    assert nan[0].value != nan[0].value
    assert nan[1] == Reading(1, 6, key="a")


def test_a_reading_without_a_time_has_that_of_its_arrival():
    assert read('[{"key": "a", "value": 1}, {"key": "a", "value": 2, "time": "2024-05-01T12:00:01Z"}]') == [
        Reading(1, NOON, key="a"),
        Reading(2, "2024-05-01T12:00:01Z", key="a"),
    ]


def test_numbers_alone_are_readings_of_the_one_stream():
    expected = [Reading(1.5, NOON), Reading(None, NOON), Reading(2, NOON)]
    assert read("[1.5, null, 2]", Asked()) == expected
    assert [item.value for item in read("1.5\n2\n3\n", Asked())] == ["1.5", "2", "3"]
    assert [item.value for item in read("7", Asked())] == ["7"]


def test_columns_of_csv_are_found_by_their_header():
    rows = "".join(f"2024-05-01T12:{i:02d}:00Z,{20 + i},pump {i % 2}\n" for i in range(60))
    found = read(f"time,value,key\n{rows}")
    assert len(found) == 60
    assert found[1] == Reading("21", "2024-05-01T12:01:00Z", key="pump 1") or found[1].value in (21.0, "21")
    assert {item.key for item in found} == {"pump 0", "pump 1"}


def test_each_field_of_line_protocol_that_is_a_number_is_a_series():
    found = read('cpu,host=a\\ b,cpu=0 idle=97.5,user=2i,up=true,note="a, b=1" 1714521600000000000\ncpu,host=c value=3')
    assert found == [
        Reading("97.5", "1714521600000000000", key='cpu_idle{cpu="0",host="a b"}'),
        Reading("2", "1714521600000000000", key='cpu_user{cpu="0",host="a b"}'),
        Reading("3", NOON, key='cpu{host="c"}'),
    ]


def test_telegrafs_json_has_the_same_series_as_its_line_protocol():
    metric = {"name": "cpu", "tags": {"host": "a"}, "fields": {"idle": 97.5, "up": True}, "timestamp": 1714521600}
    for body in (metric, {"metrics": [metric]}):
        assert read(json.dumps(body)) == [Reading(97.5, 1714521600, key='cpu_idle{host="a"}')]


def test_lines_of_prometheus_graphite_and_statsd_are_series():
    assert read('http_requests{path="/"} 5 1714521600000') == [
        Reading("5", "1714521600000", key='http_requests{path="/"}')
    ]
    assert read("a.b.load 1.5 1714521600\na.b.free 7 1714521600") == [
        Reading("1.5", "1714521600", key="a.b.load"),
        Reading("7", "1714521600", key="a.b.free"),
    ]
    assert read("load:3|g") == [Reading("3", NOON, key="load")]


def test_what_is_no_reading_is_refused_and_the_rest_is_read():
    found = read('[{"key": "a", "value": 1, "time": 5}, {"key": "a"}, "x", {"key": 7, "value": [1], "time": 6}]')
    assert found[0] == Reading(1, 5, key="a")
    assert [item.where for item in found[1:3]] == ["item 2", "item 3"]
    assert found[3] == Reading("[1]", 6, key="7")


@pytest.mark.parametrize(
    ("body", "asked", "why"),
    [
        ("", KEYED, "nothing in it"),
        ("{", KEYED, "no JSON"),
        ('{"key": "a", "value": 1}', Asked(), "--key-column key"),
        ("cpu,host=a idle=1\ncpu,host=b idle=2", Asked(), "several series"),
        (b"\x1f\x8b\x08\0\0\0", KEYED, "."),
        ("time,value\n1,2", Asked(column="other"), "other"),
    ],
)
def test_a_body_of_which_nothing_can_be_read_says_why(body, asked, why):
    with pytest.raises(BodyError, match=why):
        read(body, asked)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode) | st.just(b'{"value":').map(lambda x: x + b"["))
def test_any_bytes_are_items_or_an_error(body):
    for asked in (KEYED, Asked()):
        try:
            items = read(body, asked)
        except BodyError:
            continue
        assert all(isinstance(item, Reading | Refusal) for item in items)


def test_tags_stand_in_order_and_quotes_are_escaped():
    assert series_name("m", {"b": 'x"y\\', "a": "1"}) == 'm{a="1",b="x\\"y\\\\"}'


def test_a_long_name_fits_a_key_and_stays_different_from_others():
    names = {series_name("m", {"a": "x" * 300 + end}) for end in "12"}
    assert len(names) == 2
    assert all(len(name) <= LONGEST_KEY for name in names)


def test_without_a_key_column_all_readings_are_of_one_series():
    found = SeriesReadings(Asked())
    assert found.key_of("load", {"host": "a"}) == found.key_of("load", {"host": "a"})
    with pytest.raises(SeveralSeriesError, match="--key-column key"):
        found.key_of("load", {"host": "b"})


def test_of_one_measure_a_tag_tells_the_streams_apart():
    found = SeriesReadings(Asked(column="idle", key_column="host"))
    assert found.key_of("cpu_idle", {"host": "a", "cpu": "0"}, "idle") == "a"
    assert found.key_of("cpu_user", {"host": "a"}, "user") is None
    assert SeriesReadings(Asked(key_column="host")).key_of("cpu_idle", {"host": "a"}) == 'cpu_idle{host="a"}'


@pytest.mark.parametrize(
    "line",
    [
        '{"key": "a", "value": 1}\n',
        "0,",
        '{"fields": {"b": 1}},',
        "a b=1\n",
        "a b=1,c=2\n",
        'a{b="c"} 1\n',
        "a,1\n",
        "\na",
    ],
)
def test_a_body_has_no_more_readings_than_may_be(monkeypatch, line):
    monkeypatch.setattr(bodies, "MOST_READINGS", 10)
    start, end = ("[", "0]") if line.endswith(",") else ("key,value\n", "") if line in ("a,1\n", "\na") else ("", "")
    body = start + 12 * line + end
    with pytest.raises(BodyError, match="more than 10 readings"):
        read(body)
    assert len(read(start + 4 * line + end)) <= 10


def test_a_line_of_metrics_that_is_too_long_is_refused_and_the_rest_is_read():
    first, *rest = read("cpu load=1 1\ncpu load=2 2\n" * 5 + "cpu " + 70_000 * "x" + "\\\n")[9:]
    assert isinstance(first, Reading)
    assert [(one.where, one.reason) for one in rest] == [("line 11", "a line of more than 65536 characters")]


def test_fields_of_line_protocol_that_are_no_row_of_names_and_values_are_refused():
    good = 'cpu load=1,text="a, b=2",idle=3i 1\n'
    assert [item.value for item in read(good)] == ["1", "3"]
    assert [type(item) for item in read(5 * good + 'cpu load=1,"b"=2 2')] == [*10 * [Reading], Refusal]
